"""Each row of the restart table, as a table and as it happens to a child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
from trio.testing import wait_all_tasks_blocked

from actors import Actor, Crashed, ExitReason, Killed, NoProc, Normal, Shutdown, Stop, on
from supervision import ChildSpec, DynamicSupervisor, StartChild, Supervisor, WhichChildren
from supervision.decision import ENDINGS, RESTARTS, TABLE, Decision, decide


@dataclass(frozen=True, slots=True)
class Done(ExitReason):
    """A reason of one's own that is no failure."""

    abnormal: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Odd(ExitReason):
    """A reason of one's own, abnormal like all that do not say otherwise."""


@dataclass(frozen=True, slots=True)
class End:
    reason: ExitReason


class Worker(Actor):
    @on(End)
    def end(self, message):
        raise Stop(message.reason)


NORMAL = [Normal()]
SHUTDOWN = [Shutdown(), Shutdown("moving"), Done()]
CRASH = [Crashed("ValueError", "x"), Killed(), NoProc(), Odd()]

RESTARTED_AND_TOLD = Decision(restarts=True, told=True)
ENDED = Decision(restarts=False, told=False)
ENDED_AND_TOLD = Decision(restarts=False, told=True)

ROWS = [
    ("permanent", NORMAL + SHUTDOWN + CRASH, RESTARTED_AND_TOLD),
    ("transient", NORMAL + SHUTDOWN, ENDED),
    ("transient", CRASH, RESTARTED_AND_TOLD),
    ("temporary", NORMAL + SHUTDOWN, ENDED),
    ("temporary", CRASH, ENDED_AND_TOLD),
]
CASES = [(restart, reason, row) for restart, reasons, row in ROWS for reason in reasons]
names = [f"{restart}-{reason}" for restart, reason, _ in CASES]


def test_the_table_has_a_row_for_each_restart_type_and_class_of_reasons():
    assert set(TABLE) == {(restart, ending) for restart in RESTARTS for ending in ENDINGS}


@pytest.mark.parametrize(("restart", "reason", "row"), CASES, ids=names)
def test_the_decision_is_the_row_of_the_table(restart, reason, row):
    assert decide(restart, reason) == row


@pytest.mark.parametrize(("restart", "reason", "row"), CASES, ids=names)
async def test_a_static_supervisor_does_what_the_row_says(  # noqa: PLR0917
    autojump_clock, system, reports, restart, reason, row
):
    spec = ChildSpec("w", Worker, restart=restart)
    supervisor = await system.spawn(Supervisor, [spec])
    (before,) = await supervisor.call(WhichChildren())
    before.ref.cast(End(reason))
    await wait_all_tasks_blocked()
    after = await supervisor.call(WhichChildren())
    if row.restarts:
        assert after[0].state == "running"
        assert after[0].ref is not before.ref
    elif restart == "temporary":
        assert after == ()
    else:
        assert (after[0].ref, after[0].state) == (None, "ended")
    told = [("child_terminated", "'w'", str(reason))] if row.told else []
    assert reports == told


@pytest.mark.parametrize(("restart", "reason", "row"), CASES, ids=names)
async def test_a_dynamic_supervisor_does_what_the_row_says(  # noqa: PLR0917
    autojump_clock, system, reports, restart, reason, row
):
    supervisor = await system.spawn(DynamicSupervisor)
    before = await supervisor.call(StartChild(ChildSpec("w", Worker, restart=restart)))
    before.cast(End(reason))
    await wait_all_tasks_blocked()
    after = await supervisor.call(WhichChildren())
    assert len(after) == (1 if row.restarts else 0)
    assert all(child.ref is not before and child.state == "running" for child in after)
    told = [("child_terminated", "'w'", str(reason))] if row.told else []
    assert reports == told
