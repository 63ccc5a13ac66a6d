"""What users see of the types of a start; checked by mypy --strict and by pyright, never run.

The arguments are those of the class's ``__init__``. Beside ``name=`` or ``link=`` they are not
checked: a signature that takes over another one cannot have keyword arguments of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

from actors import Actor, Agent, LocalRef, MonitorRef, System, open_system_in_thread
from supervision import ChildSpec, DynamicSupervisor, Supervisor

if TYPE_CHECKING:
    from actors.guest import Bridge


class Calculator(Actor):
    def __init__(self, number: float, digits: int = 2, *, rounded: bool = False) -> None:
        self.number = number


class Plain(Actor):
    pass


async def outside(system: System) -> None:
    assert_type(await system.spawn(Calculator, 84.0), LocalRef)
    await system.spawn(Calculator, 84, 3, rounded=True)
    await system.spawn(Calculator, number=84)
    await system.spawn(Plain)
    await system.spawn(Agent, dict)
    await system.spawn(Supervisor, [ChildSpec("a", Plain)], strategy="one_for_all")
    await system.spawn(DynamicSupervisor, max_children=10)
    assert_type(await system.spawn(Calculator, 84.0, name="calculator"), LocalRef)
    await system.spawn(Calculator, "not checked", name=("calculator", 1))
    await system.spawn(Calculator)  # type: ignore[call-overload]  # pyright: ignore
    await system.spawn(Calculator, "84")  # type: ignore[call-overload]  # pyright: ignore
    await system.spawn(Calculator, 84.0, 2, 3)  # type: ignore[call-overload]  # pyright: ignore
    await system.spawn(Calculator, 84.0, around=True)  # type: ignore[call-arg]  # pyright: ignore
    await system.spawn(Plain, 1)  # type: ignore[call-overload]  # pyright: ignore
    await system.spawn(Supervisor, [], strategy="one_for_two")  # type: ignore[arg-type]  # pyright: ignore
    await system.spawn(int, 1)  # type: ignore[call-overload]  # pyright: ignore


async def inside(me: Actor) -> None:
    assert_type(await me.spawn(Calculator, 84.0), LocalRef)
    await me.spawn(Calculator, 84.0, link=False)
    await me.spawn(Calculator, 84.0, name="calculator")
    await me.spawn(Calculator, 84.0, name="calculator", link=False)
    await me.spawn(Calculator, "84")  # type: ignore[call-overload]  # pyright: ignore
    assert_type(await me.spawn_monitor(Calculator, 84.0), tuple[LocalRef, MonitorRef])
    await me.spawn_monitor(Calculator, 84.0, name="calculator")
    await me.spawn_monitor(Calculator)  # type: ignore[call-overload]  # pyright: ignore


async def any_class(system: System, cls: type[Actor], *args: Any, **kwargs: Any) -> None:
    """Of a class that is known at run time only, the arguments are, too."""
    await system.spawn(cls, *args, **kwargs)
    await system.spawn(cls, *args, name=None, **kwargs)


async def bridged(bridge: Bridge) -> None:
    assert_type(await bridge.spawn(Calculator, 84.0), LocalRef)
    await bridge.spawn(Calculator, 84.0, name="calculator")
    await bridge.spawn(Calculator, "84")  # type: ignore[call-overload]  # pyright: ignore


def threaded() -> None:
    with open_system_in_thread() as portal:
        assert_type(portal.spawn(Calculator, 84.0), LocalRef)
        portal.spawn(Calculator, 84.0, name="calculator")
        portal.spawn(Calculator, "84")  # type: ignore[call-overload]  # pyright: ignore
