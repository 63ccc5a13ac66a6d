"""Reports: structured, bounded, rate-limited, and never a way to keep memory."""

from __future__ import annotations

import gc
import logging
import weakref
from dataclasses import dataclass

import pytest
import trio

from actors import Crashed, CrashReport, Shutdown, open_system
from actors.observing import reports
from actors.observing.reports import LOG_BURST
from actors.observing.summaries import MAX_TEXT as MAX_SUMMARY
from actors.observing.summaries import summary
from actors.observing.tracebacks import MAX_TEXT as MAX_TRACEBACK
from actors.observing.tracebacks import Trace
from actors.reasons import MAX_TEXT, bounded, crashed
from tests.actors.kit import Add, Do, DoSync, Note, Worker


async def report_of(function, message=DoSync):
    found = []
    async with open_system() as system:
        system.on_report(found.append)
        ref = await system.spawn(Worker, name="it")
        ref.cast(message(function))
        await system.join(ref)
    [report] = [report for report in found if isinstance(report, CrashReport)]
    return report


async def test_a_crash_report_says_who_why_where_and_on_what():
    def fail(me):
        raise ValueError("here")

    report = await report_of(fail)
    assert report.actor == "Worker"
    assert report.name == "it"
    assert report.reason == Crashed("ValueError", "here")
    assert report.phase == "message"
    assert report.message == "DoSync(function=<function>)"
    assert 'raise ValueError("here")' in report.traceback


async def test_a_crash_report_names_the_caller():
    found = []
    async with open_system() as system:
        system.on_report(found.append)
        ref, caller = await system.spawn(Worker), await system.spawn(Worker, name="caller")
        caller.cast(Do(lambda me: ref.call(DoSync(lambda them: 1 / 0))))
        await system.join(caller)
    assert found[0].caller is caller


async def test_a_crash_report_is_bounded_whatever_was_raised():
    class Huge(Exception):
        def __str__(self):
            return "x" * 10_000_000

    def fail(me):
        raise Huge(b"y" * 10_000_000)

    report = await report_of(fail)
    assert len(report.reason.text) == MAX_TEXT
    assert len(report.traceback) <= MAX_TRACEBACK
    assert len(report.message) <= MAX_SUMMARY


async def test_a_deep_recursion_and_a_deep_group_are_bounded():
    def recurse(me):
        recurse(me)

    def group(me):
        error = ValueError("leaf")
        for _ in range(200):
            error = ExceptionGroup("deep", [error] * 2)
        raise error

    for function in (recurse, group):
        report = await report_of(function)
        assert len(report.traceback) <= MAX_TRACEBACK


async def test_failing_texts_are_described():
    class Broken(Exception):
        def __str__(self):
            raise KeyError

    def fail(me):
        raise Broken

    report = await report_of(fail)
    assert "no text: KeyError in __str__" in report.reason.text


async def test_reasons_and_errors_keep_no_frames_alive():
    class Large:
        pass

    alive = []

    def fail(me):
        large = Large()
        alive.append(weakref.ref(large))
        raise ValueError

    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(Exception) as caught:
            await ref.call(DoSync(fail))
        gc.collect()
        assert alive[0]() is None
        assert caught.value.reason == Crashed("ValueError")
        assert ref.exit_reason == Crashed("ValueError")


async def test_a_reporting_callback_that_raises_harms_nobody(caplog):
    def broken(report):
        raise RuntimeError("in the callback")

    async with open_system() as system:
        remove = system.on_report(broken)
        ref = await system.spawn(Worker)
        ref.cast(DoSync(lambda me: 1 / 0))
        await system.join(ref)
        remove()
        remove()
    assert "a report callback raised" in caplog.text


async def test_dead_letters_are_counted_each_and_logged_at_a_bounded_rate(autojump_clock, caplog):
    caplog.set_level(logging.INFO, "actors")
    async with open_system() as system:
        ref = await system.spawn(Worker)
        system.kill(ref)
        await system.join(ref)
        for number in range(1000):
            ref.cast(Note(number))
        assert system.statistics()["dead_letters"] == 1000
        assert len(caplog.records) == LOG_BURST
        await trio.sleep(2)
        ref.cast(Note(0))
        assert f"{1000 - LOG_BURST} more were not logged" in caplog.text


@pytest.mark.parametrize(
    ("end", "level"),
    [
        (lambda system, ref: ref.cast(DoSync(lambda me: me.stop())), logging.DEBUG),
        (lambda system, ref: system.exit(ref, Shutdown()), logging.DEBUG),
        (lambda system, ref: system.kill(ref), logging.INFO),
        (lambda system, ref: ref.cast(DoSync(lambda me: 1 / 0)), logging.INFO),
    ],
)
async def test_a_dead_letter_is_never_a_warning(caplog, end, level):
    caplog.set_level(logging.DEBUG, "actors")
    async with open_system() as system:
        ref = await system.spawn(Worker)
        end(system, ref)
        ref.cast(Note(0))  # waits when the actor ends, or is handled before
        await system.join(ref)
        ref.cast(Note(1))
        letters = [r for r in caplog.records if "dead letter" in r.getMessage()]
        assert letters
        assert {record.levelno for record in letters} == {level}


async def test_unhandled_messages_are_counted_and_logged(caplog):
    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.cast("no handler for str")
        await ref.call(Add(1))
        assert system.statistics()["unhandled"] == 1
    assert "str, for which <Worker" in caplog.text


def test_a_reason_is_a_value():
    assert Shutdown("x") == Shutdown("x")
    assert len({Shutdown(), Shutdown(), Crashed("a")}) == 2
    assert str(Shutdown("x")) == "shutdown: x"
    assert bounded("x" * 1000, 10) == "x" * 9 + "…"
    assert crashed(ExceptionGroup("g", [KeyError("k")])).text == (
        "g (1 sub-exception), the first: KeyError: 'k'"
    )


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    data: object


class Hostile:
    def __repr__(self):
        raise AssertionError("a summary runs nobody's repr")


@dataclass(frozen=True)
class Lying:
    text: str

    def __getattribute__(self, name):
        raise KeyError(name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Message("a", 1), "Message(text='a', data=1)"),
        (Message("x" * 10**7, b"y" * 10**7), None),
        (Message("a", Hostile()), "Message(text='a', data=<Hostile>)"),
        (1 << 10**5, "<int of 100001 bits>"),
        ([[[[1]]]], "[[<list>]]"),
        (list(range(10**6)), "[0, 1, 2, 3, 4, 5, … 999994 more]"),
        ({"a": (1, None), "b": 2.5}, "{'a': (1, None), 'b': 2.5}"),
        (Hostile(), "<Hostile>"),
        (Hostile, None),
        (Lying("x"), "<Lying, KeyError while describing it>"),
    ],
    ids=range(10),
)
def test_a_summary_is_short_and_cheap_whatever_the_value(value, text):
    found = summary(value)
    assert len(found) <= MAX_SUMMARY
    if text is not None:
        assert found == text


async def test_a_trace_is_text_with_source_lines_and_causes():
    def fail(me):
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("because") from error

    report = await report_of(fail)
    text = report.traceback
    assert text.index("KeyError: 'missing'") < text.index("ValueError: because")
    assert '{}["missing"]' in text
    assert "which led to" in text


async def test_crashes_that_nobody_reads_are_not_described(monkeypatch):
    taken = []
    monkeypatch.setattr(reports, "take_trace", lambda error: taken.append(error) or Trace(()))
    async with open_system() as system:
        for _ in range(100):
            ref = await system.spawn(Worker)
            ref.cast(DoSync(lambda me: 1 / 0))
            await system.join(ref)
        assert system.statistics()["crashes"] == 100
    assert len(taken) <= 2 * LOG_BURST
