"""`Probe`: an actor of the test, whose ref is handed to the code under test.

    probe = await open_probe(system)
    service.cast(Subscribe(probe.ref))
    await probe.expect(Subscribed)                        # the next message is one
    await probe.expect(lambda message: message.count > 1, within=1.0)
    await probe.expect_no(within=0.5)                     # nothing comes
    await probe.fish_for(Changed)                         # skip others until one comes
    asked = await probe.expect_call(GetPrice)             # somebody calls the probe
    probe.reply(42)
    await probe.expect_down(service, reason=ValueError)

Contract:

* The probe takes every message and every call, in order, and keeps them until an expectation
  consumes them: at most `MAX_HELD`, what comes after is counted and dropped, and a failure's text
  says so. It traps exits. It handles in its own turn: what has been cast to it *is there* only when
  the system has run; so expectations wait, up to `within` seconds of trio's clock (default 3).
* `expect`, `expect_call` and `receive` consume the next message; if that is not what was expected,
  they fail at once and leave it. `fish_for` consumes up to the first match. `expect_no` consumes
  nothing. `expect_down` looks at nothing else.
* A call waits until `reply` or `fail`: the oldest that `expect_call`, `expect`, `receive` or
  `fish_for` has consumed and that is not answered. `auto_reply` answers calls at once, also those
  that wait already; they can be expected like any other message.

After Akka's TestProbe, in the sense of its documentation.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

import trio

from actors.actor import Actor, local
from actors.calling.reply import DIRECT
from actors.errors import ActorError, CallError
from actors.handlers import Behaviour
from actors.lifecycle import links as _links
from actors.lifecycle.start_and_end import join
from actors.lifecycle.ties import untie
from actors.messages import NO_REPLY
from actors.ref import LocalRef, Ref
from actors.scheduling.protection import protect
from actors.scheduling.waits import Call, wait_in_task
from actors.testing.matching import (
    ANYTHING,
    ExpectationFailed,
    as_reason,
    describe,
    listed,
    matches,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from actors.calling.reply import ReplyTo
    from actors.messages import Request
    from actors.reasons import ExitReason
    from actors.system import System

M = TypeVar("M")
R = TypeVar("R")

WITHIN_S: Final = 3.0
"""Default patience of an expectation."""
QUIET_S: Final = 0.1
"""Default time for which `Probe.expect_no` watches."""
MAX_HELD: Final = 10_000
"""Messages that a probe keeps for expectations to come."""


class _Held:
    """A message that nothing has expected yet; `reply` is there if it was a call."""

    __slots__ = ("message", "reply")

    def __init__(self, message: Any, reply: ReplyTo[Any] | None) -> None:
        self.message = message
        self.reply = reply


class _TakesAll(dict[type, Any]):
    """A table of handlers that has one for every type."""

    def __init__(self, handler: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self._handler = handler

    def get(self, _kind: Any, _default: Any = None, /) -> Any:
        return self._handler

    def __missing__(self, _kind: type) -> Any:
        return self._handler

    def __contains__(self, _kind: object) -> bool:
        return True


class _ProbeActor(Actor):
    """Hands everything to its `Probe`."""

    trap_exit = True

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    def take(self, message: Any) -> Any:
        """Take a message or call."""
        entry = self.ref.entry
        reply = self.reply_to() if isinstance(entry, Call) or entry is DIRECT else None
        self.probe._take(_Held(message, reply))
        return None if reply is None else NO_REPLY


class _ProbeBehaviour(Behaviour):
    """The behaviour of all probes."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_ProbeActor, Actor)
        self.name = "Probe"
        self.handlers = _TakesAll(_ProbeActor.take)


_ProbeActor._behaviour = _ProbeBehaviour()


class Probe:
    """An actor that a test looks through. Made by `open_probe`."""

    def __init__(self) -> None:
        self.ref: LocalRef
        self._held: deque[_Held] = deque()
        self._open: deque[_Held] = deque()
        self._rules: list[tuple[Any, Any]] = []
        self._lost = 0
        self._came = trio.Event()

    def __repr__(self) -> str:
        return f"<probe {self.ref!r}, {len(self._held)} messages>"

    @property
    def messages(self) -> tuple[Any, ...]:
        """What has come and no expectation has consumed, the oldest first."""
        return tuple(held.message for held in self._held)

    # -- expectations ------------------------------------------------------------------------------

    async def receive(self, within: float = WITHIN_S) -> Any:
        """Consume the next message, whatever it is. Raises `ExpectationFailed` if none comes."""
        return (await self._next(ANYTHING, within)).message

    @overload
    async def expect(self, what: type[M], within: float = WITHIN_S) -> M: ...
    @overload
    async def expect(self, what: Any, within: float = WITHIN_S) -> Any: ...
    async def expect(self, what: Any, within: float = WITHIN_S) -> Any:
        """Consume the next message, which must match the pattern `what`.

        Raises:
            ExpectationFailed: another message came first, or none within `within` seconds.
        """
        return (await self._next(what, within)).message

    async def expect_call(
        self, what: type[Request[Any]] | Any = ANYTHING, within: float = WITHIN_S
    ) -> Any:
        """The same for a call: returns the request; `reply` or `fail` answers it."""
        held = await self._next(what, within)
        if held.reply is None:
            self._held.appendleft(held)
            raise ExpectationFailed(
                f"{self!r} expected a call of {describe(what)}, but this was cast:"
                + listed([held.message], 1)
            )
        return held.message

    async def expect_no(self, what: Any = ANYTHING, within: float = QUIET_S) -> None:
        """No message that matches `what` is there or comes in the next `within` seconds."""
        with trio.move_on_after(within):
            while True:
                self._fail_if_held(what)
                await self._changed()
        self._fail_if_held(what)

    @overload
    async def fish_for(self, what: type[M], within: float = WITHIN_S) -> M: ...
    @overload
    async def fish_for(self, what: Any, within: float = WITHIN_S) -> Any: ...
    async def fish_for(self, what: Any, within: float = WITHIN_S) -> Any:
        """Consume messages up to the first that matches `what`, which is returned."""
        skipped: list[Any] = []
        deadline = trio.current_time() + within
        while await self._wait_for_one(deadline):
            held = self._consume()
            if matches(what, held.message):
                return held.message
            skipped.append(held.message)
        raise ExpectationFailed(
            f"{self!r} fished {within:g} s for {describe(what)}, {self._instead(skipped)}"
        )

    async def expect_down(
        self, ref: Ref, reason: Any = ANYTHING, within: float = WITHIN_S
    ) -> ExitReason:
        """`ref` ends, or has ended, with a reason that matches; returns the reason.

        An exception, or a class of exceptions, stands for the crash that it makes.
        """
        target = local(ref)
        wait = join(target)
        if not wait.done:
            with trio.move_on_after(within):
                wait.ref = None
                await wait_in_task(wait)
            untie(target, "joins", wait)
        ended = target.exit_reason
        if ended is None:
            raise ExpectationFailed(f"{target!r} did not end within {within:g} s")
        if not matches(as_reason(reason), ended):
            raise ExpectationFailed(
                f"{target!r} ended with another reason than {describe(as_reason(reason))}: {ended}"
            )
        return ended

    # -- acts --------------------------------------------------------------------------------------

    def reply(self, value: object) -> None:
        """Answer the oldest consumed call. Raises ActorError if there is none to answer."""
        self._oldest_open().reply(value)

    def fail(self, error: CallError) -> None:
        """Have the oldest consumed call raise `error`."""
        self._oldest_open().fail(error)

    def auto_reply(self, what: Any, answer: Any) -> Callable[[], None]:
        """Answer every call that matches `what` at once; returns what ends that.

        `answer` is the reply, a function of the request that returns it, or a `CallError` instance
        or class to fail the call with. The newest rule that matches counts.
        """
        rule = (what, answer)
        self._rules.append(rule)
        for held in (*self._open, *self._held):
            self._auto_reply(held)
        return lambda: self._rules.remove(rule) if rule in self._rules else None

    def watch(self, ref: Ref) -> None:
        """Monitor `ref`: a `Down` message comes among the others when it ends."""
        _links.monitor(self.ref, local(ref))

    # -- inside ------------------------------------------------------------------------------------

    def _take(self, held: _Held) -> None:
        self._auto_reply(held)
        if len(self._held) >= MAX_HELD:
            self._lost += 1
            return
        self._held.append(held)
        self._came.set()

    def _auto_reply(self, held: _Held) -> None:
        if held.reply is None or not held.reply.is_open:
            return
        for what, answer in reversed(self._rules):
            if matches(what, held.message):
                error = isinstance(answer, type) and issubclass(answer, CallError)
                value = answer(held.message) if callable(answer) and not error else answer
                if error:
                    held.reply.fail(answer("failed by a probe"))
                elif isinstance(value, CallError):
                    held.reply.fail(value)
                else:
                    held.reply.reply(value)
                return

    async def _next(self, what: Any, within: float) -> _Held:
        if not await self._wait_for_one(trio.current_time() + within):
            raise ExpectationFailed(
                f"{self!r} expected {describe(what)} within {within:g} s, {self._instead([])}"
            )
        if not matches(what, self._held[0].message):
            count = len(self._held)
            raise ExpectationFailed(
                f"{self!r} expected {describe(what)}, but this came instead:"
                + listed((held.message for held in self._held), count)
                + self._lost_too()
            )
        return self._consume()

    async def _wait_for_one(self, deadline: float) -> bool:
        await trio.lowlevel.checkpoint()
        with trio.CancelScope(deadline=deadline):
            while not self._held:
                await self._changed()
        return bool(self._held)

    async def _changed(self) -> None:
        if self._came.is_set():
            self._came = trio.Event()
        await self._came.wait()

    def _consume(self) -> _Held:
        held = self._held.popleft()
        if held.reply is not None and held.reply.is_open:
            self._open.append(held)
        return held

    def _fail_if_held(self, what: Any) -> None:
        found = [held.message for held in self._held if matches(what, held.message)]
        if found:
            raise ExpectationFailed(
                f"{self!r} expected no {'message' if what is ANYTHING else describe(what)}, "
                "but this came:" + listed(found, len(found))
            )

    def _instead(self, skipped: list[Any]) -> str:
        if not skipped:
            state = (
                "" if self.ref.is_alive() else f"; the probe itself ended: {self.ref.exit_reason}"
            )
            return "but nothing came" + state
        return "but only this came:" + listed(skipped, len(skipped)) + self._lost_too()

    def _lost_too(self) -> str:
        return f"\n  and {self._lost} that the probe had no room for" if self._lost else ""

    def _oldest_open(self) -> ReplyTo[Any]:
        while self._open:
            reply = cast("ReplyTo[Any]", self._open.popleft().reply)
            if reply.is_open:
                return reply
        raise ActorError(
            "no consumed call waits for a reply; await probe.expect_call(...) before reply or fail"
        )


async def open_probe(system: System, name: Hashable = None) -> Probe:
    """Start a probe in `system`, under `name` if it is given."""
    probe = Probe()
    probe.ref = await system.spawn(_ProbeActor, probe, name=name)
    return probe


protect(_ProbeActor)
