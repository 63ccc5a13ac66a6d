"""The log as JSON, and what is never in it."""

from __future__ import annotations

import datetime as dt
import json
import logging

import pytest
import trio

from actors import Actor, on, open_system
from beamish.operations.log import MAX_MESSAGE, JsonFormatter
from supervision import ChildSpec, Supervisor


class Fragile(Actor):
    @on(str)
    def break_(self, message):
        raise ZeroDivisionError("in pieces") from KeyError("the cause")


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines = []

    def emit(self, record):
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def log():
    """What everybody logs, as JSON."""
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(level)


def test_every_record_is_one_line_with_time_level_logger_and_message(log):
    logging.getLogger("beamish.test").warning("two\nlines of %s", "text")
    (line,) = log
    at = dt.datetime.fromisoformat(line.pop("time"))
    assert abs(at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert line == {"level": "WARNING", "logger": "beamish.test", "message": "two\nlines of text"}
    assert "\n" not in JsonFormatter().format(logging.makeLogRecord({"msg": "a\nb"}))


def test_a_message_is_bounded(log):
    logging.getLogger("beamish.test").warning("x" * 100_000)
    assert len(log[0]["message"]) == MAX_MESSAGE


def test_an_exception_is_structured_with_its_cause_and_its_frames(log):
    try:
        Fragile.break_(None, "x")  # type: ignore[arg-type]
    except ZeroDivisionError:
        logging.getLogger("beamish.test").exception("it broke")
    (line,) = log
    assert line["message"] == "it broke"
    error, cause = line["exceptions"]
    assert error["text"] == "ZeroDivisionError: in pieces"
    assert cause["text"] == "KeyError: 'the cause'"
    assert error["frames"][-1][0] == __file__
    assert error["frames"][-1][2].endswith("break_")


async def test_a_crash_and_its_supervisor_s_report_have_their_parts_as_fields(log):
    async with open_system("logged") as system:
        await system.spawn(Supervisor, [ChildSpec("fragile", Fragile, name="fragile")])
        system.whereis("fragile").cast("a secret in a message")
        await trio.testing.wait_all_tasks_blocked()
    crash = next(line for line in log if "exceptions" in line)
    assert crash["logger"] == "actors"
    assert crash["level"] == "ERROR"
    assert crash["class"] == "Fragile"
    assert crash["actor"] == "<Fragile 'fragile' logged#2>"
    assert crash["reason"] == "ZeroDivisionError: in pieces"
    assert crash["message"].startswith("crash: <Fragile")
    assert "\n" not in crash["message"]
    report = next(line for line in log if "context" in line)
    assert report["logger"] == "supervision"
    assert (report["context"], report["class"]) == ("child_terminated", "Fragile")
    assert (report["child"], report["restart"]) == ("'fragile'", "permanent")
    assert "a secret" not in json.dumps(log)
