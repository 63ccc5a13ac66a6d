from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from actors import Crashed
from actors.observing.reports import CrashReport
from beamish.cli.injection import INJECTED, InjectionWatch, injector
from beamish.messenger.faults import InjectedCrash
from supervision.reports import Offender, SupervisorReport


class System:
    def __init__(self) -> None:
        self.tell: Callable[[object], object] = lambda _: None
        self.names: dict[object, object] = {}

    def on_report(self, callback: Callable[[object], object]) -> None:
        self.tell = callback

    def whereis(self, name: object) -> object | None:
        return self.names.get(name)


def crash(name: object, ref: object, exception: str = INJECTED) -> CrashReport:
    reason = Crashed(exception, "")
    return CrashReport(ref, "User", name, reason, "handle", "", None, "", 0, "", (), ())  # type: ignore[arg-type]


def gave_up(ref: Any) -> SupervisorReport:
    offender = Offender(ref, "user", "User", "transient", "infinity", "worker")
    return SupervisorReport(ref, "gave_up", "reached_max_restart_intensity", offender)


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def watch(system: System) -> InjectionWatch:
    node: Any = SimpleNamespace(system=system)
    return InjectionWatch(node)


async def test_a_restart_lasts_until_the_name_leads_to_the_next_incarnation(
    system: System, watch: InjectionWatch, nursery: trio.Nursery, autojump_clock: object
) -> None:
    nursery.start_soon(watch.run)
    name, first, second = ("user", "ada"), object(), object()
    system.names[name] = first
    system.tell(crash(name, first))
    await trio.sleep(0.05)
    assert watch.restarts.count == 0
    del system.names[name]
    await trio.sleep(0.05)
    system.names[name] = second
    await trio.sleep(0.01)
    assert watch.restarts.count == 1
    assert watch.restarts.max == pytest.approx(100, abs=3)
    assert watch.statistics()["other_crashes"] == 0


async def test_an_actor_that_gave_up_has_no_restart_to_be_measured(
    system: System, watch: InjectionWatch, nursery: trio.Nursery, autojump_clock: object
) -> None:
    nursery.start_soon(watch.run)
    refs: dict[object, Any] = {("user", name): object() for name in ("ada", "bob")}
    for name, ref in refs.items():
        system.tell(crash(name, ref))
    system.tell(gave_up(refs["user", "ada"]))
    await trio.sleep(0.05)
    system.names["user", "bob"] = object()
    await trio.sleep(5)
    system.names["user", "ada"] = object()
    await trio.sleep(0.01)
    assert watch.statistics()["gave_up"] == 1
    assert watch.restarts.count == 1
    assert watch.restarts.max == pytest.approx(50, abs=3)


async def test_crashes_that_nobody_ordered_are_counted_apart(
    system: System, watch: InjectionWatch, nursery: trio.Nursery, autojump_clock: object
) -> None:
    nursery.start_soon(watch.run)
    system.tell(crash(("user", "ada"), object(), "ZeroDivisionError"))
    system.tell(crash(None, object()))
    system.tell("another report")
    await trio.sleep(1)
    figures = watch.statistics()
    assert (figures["other_crashes"], figures["restarts"]) == (1, 0)


def test_an_injector_crashes_its_share_of_the_kinds_it_is_told() -> None:
    faults = injector(0.25, ("user",), seed=1)
    crashes = 0
    for _ in range(1_000):
        faults.passing("session", "before handling")
        try:
            faults.passing("user", "before handling")
        except InjectedCrash:
            crashes += 1
    assert 200 < crashes < 300
    assert faults.crashes == {"user: before handling": crashes}
