"""`TaskActor`: an actor that keeps a nursery or a connection open for life.

Where an ordinary actor must close in a message what it opens in it, a task actor has one coroutine,
``run``, in a trio task of its own, and fetches its messages itself::

    class Listener(TaskActor):
        async def run(self) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.accept)
                while True:
                    message = await self.receive()
                    await self.dispatch(message)

``init`` has run before ``spawn`` returns; then ``run`` starts. When it returns, the actor ends with
`Normal`, when it raises, with the crash. A task actor that traps exits gets every exit signal as an
`Exit` message, also its parent's: it should then return from ``run``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any, TypeVar, overload

from actors.actor import Actor
from actors.errors import ActorError, Reject, Unhandled
from actors.mailboxes.envelopes import Envelope
from actors.mailboxes.mailbox import EMPTY, take
from actors.mailboxes.selective import pass_over, passed_over, type_of
from actors.messages import NO_REPLY, NoReply
from actors.observing.observation import watch_of
from actors.ref import LocalRef
from actors.scheduling.outcomes import check_owed, inspect
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call, Receive, park

M = TypeVar("M")
N = TypeVar("N")


class TaskActor(Actor):
    """Base of actors with a coroutine of their own. Override ``run``."""

    __slots__ = ()

    async def run(self) -> None:
        """The actor's life. Use ``self.receive()`` to get messages."""
        raise NotImplementedError(f"{type(self).__qualname__} must override run()")

    async def _run_as_task(self) -> None:
        await self.run()

    @overload
    async def receive(self) -> Any: ...
    @overload
    async def receive(self, one: type[M], /) -> M: ...
    @overload
    async def receive(self, one: type[M], other: type[N], /) -> M | N: ...
    @overload
    async def receive(self, *types: type[Any]) -> Any: ...
    async def receive(self, *types: type[Any]) -> Any:
        """The next message; waits for it. For a call, then reply with `dispatch` or `reply_to`.

        With `types`, the next whose type is exactly one of these (selective receive). Others keep
        their places for later: they are put aside, each once, in a queue for each type, so that to
        receive costs the same however much has been passed over. At most ``stash_limit`` are put
        aside; above it a call fails with `Busy` and a cast is dropped and counted.

        Only ``run`` itself may receive, not tasks that it has started.

        Raises:
            ActorError: called from elsewhere.
        """
        ref = self.ref
        if ref.scheduler.run.current is not ref:
            raise ActorError("receive() belongs to the coroutine of run(), not to other tasks")
        self._drop_entry()
        entry = EMPTY
        while entry is EMPTY:
            if not _may_go_on(ref):
                await _receive(ref)
                continue
            entry = passed_over(ref, types)
            if entry is not EMPTY:
                break
            entry = take(ref)
            if entry is EMPTY:
                await _receive(ref)
                continue
            if isinstance(entry, Envelope):
                entry = entry.open()
            if types and entry is not EMPTY and type_of(entry) not in types:
                pass_over(ref, entry)
                entry = EMPTY
        ref.entry = entry
        ref.scheduler.reporter.counters.messages += 1
        message = entry.request if isinstance(entry, Call) else entry
        watch = watch_of(ref)
        if watch is not None:
            watch.begin(message)
        return message

    def stash(self) -> NoReply:
        """Not here: a task actor receives what it wants with ``receive(Type)``."""
        raise ActorError("a TaskActor does not stash; pass messages over with receive(Type)")

    async def dispatch(self, message: Any) -> None:
        """Handle the message just received with its ``@on`` method, and reply to a call."""
        ref = self.ref
        entry = ref.entry
        if not isinstance(entry, Call) or entry.request is not message:
            await self._handle(message, self.handle_info)
            return
        try:
            result = await self._handle(message, self._refuse)
        except Reject as rejection:
            entry.resolve(None, rejection.error)
            return
        if result is NO_REPLY:
            check_owed(ref, entry)
        else:
            entry.resolve(result)

    async def _handle(self, message: Any, fallback: Callable[[Any], Any]) -> Any:
        behaviour, kind = self.ref.behaviour, type(message)
        handler = behaviour.handlers.get(kind) or behaviour.coroutines.get(kind)
        if handler is None:
            handler = behaviour.adopt(kind)
        result = fallback(message) if handler is None else handler(self, message)
        return await result if isinstance(result, CoroutineType) else result

    def _refuse(self, message: Any) -> Any:
        kind = type(message).__qualname__
        raise Reject(Unhandled(f"{self.ref!r} has no handler for {kind}; add one with @on({kind})"))

    def _drop_entry(self) -> None:
        entry = self.ref.entry
        self.ref.entry = None
        if isinstance(entry, Call):
            check_owed(self.ref, entry)


def _may_go_on(ref: LocalRef) -> bool:
    """Serve who waits for a pause. False while the actor is suspended."""
    control = ref.control
    if control is None:
        return True
    inspect(ref, control)
    if control.held or control.frozen:
        return False
    if control.is_idle:
        ref.control = None
    return True


async def _receive(ref: Any) -> None:
    wait = Receive(ref)
    await park(wait)
    if wait.error is not None:
        raise wait.take_error()


protect(TaskActor, _may_go_on, _receive)
