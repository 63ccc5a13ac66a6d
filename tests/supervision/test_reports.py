"""Supervisor reports: structured, bounded, and bounded in number when logged."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trio
from trio.testing import wait_all_tasks_blocked

from actors import Actor, on
from supervision import (
    Budget,
    ChildSpec,
    DynamicSupervisor,
    Offender,
    Restarted,
    StartChild,
    Supervisor,
    SupervisorReport,
)


@dataclass(frozen=True, slots=True)
class Crash:
    text: str = "crash"


class Worker(Actor):
    @on(Crash)
    def crash(self, message):
        raise ValueError(message.text)


async def test_a_report_says_which_child_of_whom_ended_why(system):
    seen = []
    system.on_report(seen.append)
    spec = ChildSpec("w", Worker, name="w", restart="transient", shutdown=2.0)
    supervisor = await system.spawn(Supervisor, [spec])
    ref = system.whereis("w")
    ref.cast(Crash())
    await wait_all_tasks_blocked()
    (report,) = [report for report in seen if isinstance(report, SupervisorReport)]
    assert report == SupervisorReport(
        supervisor,
        "child_terminated",
        "ValueError: crash",
        Offender(ref, "'w'", "Worker", "transient", 2.0, "worker"),
    )


async def test_the_texts_of_a_report_are_bounded(system):
    seen = []
    system.on_report(seen.append)
    await system.spawn(Supervisor, [ChildSpec("x" * 10_000, Worker, name="w")])
    system.whereis("w").cast(Crash("y" * 10_000))
    await wait_all_tasks_blocked()
    (report,) = [report for report in seen if isinstance(report, SupervisorReport)]
    assert len(report.reason) <= 600
    assert len(report.offender.id) <= 200
    assert len(str(report)) <= 1_000


async def test_the_log_takes_a_few_reports_a_second_and_says_how_many_it_left_out(
    autojump_clock, system, caplog
):
    caplog.set_level(logging.ERROR, "supervision")
    supervisor = await system.spawn(DynamicSupervisor, child_budget=Budget(9, 9.0))
    spec = ChildSpec("w", Worker)
    refs = [await supervisor.call(StartChild(spec)) for _ in range(40)]
    for ref in refs[:-1]:
        ref.cast(Crash())
    await wait_all_tasks_blocked()
    lines = [record for record in caplog.records if record.name == "supervision"]
    assert len(lines) == 5
    await trio.sleep(1.1)
    refs[-1].cast(Crash())
    await wait_all_tasks_blocked()
    lines = [record.message for record in caplog.records if record.name == "supervision"]
    assert len(lines) == 7
    assert "child_terminated: 34 more not logged" in lines[5]


async def test_restarts_and_reports_are_events_for_who_listens_to_their_kind(system):
    seen = []
    system.on_event(seen.append, Restarted, SupervisorReport)
    specs = [ChildSpec(name, Worker, name=name) for name in "ab"]
    top = await system.spawn(Supervisor, specs, strategy="one_for_all")
    dynamic = await system.spawn(DynamicSupervisor)
    await dynamic.call(StartChild(ChildSpec("c", Worker, name="c")))
    assert seen == []
    system.whereis("a").cast(Crash())
    await wait_all_tasks_blocked()
    system.whereis("c").cast(Crash())
    await wait_all_tasks_blocked()
    told = [event for event in seen if isinstance(event, Restarted)]
    assert [(event.supervisor, event.id, event.actor) for event in told] == [
        (top, "'a'", "Worker"),
        (top, "'b'", "Worker"),
        (dynamic, "'c'", "Worker"),
    ]
    assert [event.ref for event in told] == [system.whereis(name) for name in "abc"]
    reports = [event for event in seen if isinstance(event, SupervisorReport)]
    assert [report.context for report in reports] == ["child_terminated"] * 2


async def test_a_restart_alone_is_an_event_too(system):
    seen = []
    system.on_event(seen.append, Restarted)
    await system.spawn(Supervisor, [ChildSpec("a", Worker, name="a")])
    system.whereis("a").cast(Crash())
    await wait_all_tasks_blocked()
    assert [event.ref for event in seen] == [system.whereis("a")]
