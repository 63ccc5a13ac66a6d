"""A turn: a handler that did not return at once, and what it waits for."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Coroutine

    import trio

    from actors.ref import LocalRef
    from actors.scheduling.waits import Wait


class Phase(IntEnum):
    """What a piece of an actor's code is run for."""

    MESSAGE = 0
    INIT = 1
    TERMINATE = 2
    RUN = 3
    DEHYDRATE = 4
    REHYDRATE = 5


class Turn:
    """The coroutine of a handler between two steps.

    ``wait`` is what it waits for now; a resumption for anything else is stale. ``scope`` is the
    cancel scope of the trio task that drives it, None while it is not bound to a task. ``strikes``
    counts how often it has swallowed what should have unwound it.
    """

    __slots__ = ("context", "coroutine", "phase", "ref", "scope", "strikes", "wait")

    def __init__(
        self,
        ref: LocalRef,
        coroutine: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        phase: Phase,
    ) -> None:
        self.ref = ref
        self.coroutine = coroutine
        self.context = context
        self.phase = phase
        self.wait: Wait | None = None
        self.scope: trio.CancelScope | None = None
        self.strikes = 0
