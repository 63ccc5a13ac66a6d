"""`Signal`: a one-shot event that handlers can await without trio.

It is set once, from the system's thread; everybody who waits, and everybody who comes later, gets
its value. In a handler the wait parks the actor; in a trio task it is an ordinary checkpoint.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import trio

from actors.errors import WaitTimeout
from actors.scheduling.clocks import deadline_after
from actors.scheduling.protection import protect
from actors.scheduling.run_state import run_state
from actors.scheduling.waits import Wait, wait_for

T = TypeVar("T")


class Signal(Generic[T]):
    """A value that will be there at some time."""

    __slots__ = ("_is_set", "_value", "_waits")

    def __init__(self) -> None:
        self._is_set = False
        self._value: T | None = None
        self._waits: dict[Wait, None] = {}

    @property
    def is_set(self) -> bool:
        """Whether the value is there."""
        return self._is_set

    def set(self, value: T) -> bool:
        """Set the value and wake all waiters. False, and no effect, if it was set before.

        Raises:
            RuntimeError: somebody waits, and this is not the system's thread.
        """
        if self._is_set:
            return False
        for wait in self._waits:
            if wait.ref is not None:
                wait.ref.scheduler.check_thread()
        self._is_set = True
        self._value = value
        waits, self._waits = self._waits, {}
        for wait in waits:
            wait.resolve(value)
        return True

    async def wait(self, timeout: float | None = None) -> T:  # noqa: ASYNC109
        """The value, as soon as it is there.

        Raises:
            WaitTimeout: not within `timeout` seconds (None: wait for ever).
        """
        if self._is_set:
            return self._value  # type: ignore[return-value]
        current = run_state().current
        wait = Wait(current)
        self._waits[wait] = None
        try:
            if current is None or timeout is None:
                return await self._wait_plain(wait, timeout)
            scheduler = current.scheduler
            scheduler.wheel.add(wait, deadline_after(scheduler.now(), timeout))
            return await wait_for(wait, current)  # type: ignore[return-value]
        finally:
            self._waits.pop(wait, None)

    async def _wait_plain(self, wait: Wait, timeout: float | None) -> T:  # noqa: ASYNC109
        if timeout is None:
            return await wait_for(wait, wait.ref)  # type: ignore[return-value]
        with trio.move_on_after(timeout):
            return await wait_for(wait, None)  # type: ignore[return-value]
        raise WaitTimeout(f"the signal was not set within {timeout} s")


protect(Signal)
