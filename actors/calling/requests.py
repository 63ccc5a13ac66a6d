"""`Requests`: calls that are sent now and collected later, in the order of their answers.

    requests = Requests()
    for shard in shards:
        requests.send(shard, Count(), label=shard)
    async for answer in requests:            # Answer(tag=shard, value, error), the first one first
        total += answer.value

Contract (OTP's ``gen_server:send_request`` and ``receive_response`` with a collection of requests):

* Each request has exactly one outcome: a reply, or an error - a refusal, `CalleeDied` (at once, if
  the callee is or falls dead), `Busy`, or after its own `timeout` `CallTimeout`. It is handed out
  once, as an `Answer` whose `tag` is the label given with the request.
* `next` hands out the outcome that came first and waits for one if there is none. With a `timeout`
  it raises `WaitTimeout` and leaves all requests open (OTP's ``wait_response``).
* `abandon`, and leaving ``with requests:``, gives up what is open: late replies are dropped. The
  callees may still handle the requests.
* It works the same in a handler, which handles no other message meanwhile, and in a trio task.
  An actor that rather goes on with other messages uses ``self.request``.

Differences from ``self.request``: the outcomes come to this object, not into a mailbox. It holds at
most what was sent and not collected. One waiter at a time. A wait for several actors is no wait for
one, so no cycle is looked for: if a callee waits for the caller, the timeouts end that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self

import trio

from actors.actor import local
from actors.errors import ActorError, Busy, CalleeDied, CallError, WaitTimeout
from actors.messages import Answer
from actors.scheduling.clocks import deadline_after
from actors.scheduling.protection import protect
from actors.scheduling.run_state import run_state
from actors.scheduling.waits import RequestCall, Wait, wait_for

if TYPE_CHECKING:
    from actors.messages import Request
    from actors.ref import Ref
    from actors.scheduling.scheduler import Scheduler


class _Ticket:
    """One open request. Compare by identity, since labels may repeat."""

    __slots__ = ("label",)

    def __init__(self, label: object) -> None:
        self.label = label


class Requests:
    """A collection of requests whose outcomes are awaited together."""

    __slots__ = ("_open", "_ready", "_scheduler", "_wait")

    def __init__(self) -> None:
        self._open: dict[object, RequestCall] = {}
        self._ready: deque[Answer] = deque()
        self._scheduler: Scheduler | None = None
        self._wait: Wait | None = None

    def __len__(self) -> int:
        """Requests whose outcome has not been handed out."""
        return len(self._open) + len(self._ready)

    def __repr__(self) -> str:
        return f"<Requests, {len(self._open)} open, {len(self._ready)} answered>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def send(
        self,
        ref: Ref,
        request: Request[Any],
        label: object = None,
        timeout: float | None = None,
    ) -> None:
        """Send `request`; its outcome will carry `label`. `timeout` in seconds, None: for ever.

        Raises ActorError if `ref` is no actor of this process.
        """
        target = local(ref)
        scheduler = self._scheduler = target.scheduler
        ticket = _Ticket(label)
        call = RequestCall(scheduler.run.current, target, request, ticket, self)
        if timeout is not None:
            call.final = deadline_after(scheduler.now(), timeout)
        self._open[ticket] = call
        try:
            target._put_call(call)
        except (CalleeDied, Busy) as error:
            error.__traceback__ = error.__context__ = None
            call.resolve(None, error)
            return
        if timeout is not None:
            scheduler.wheel.add(call, call.final)

    def answer(self, tag: object, value: object, error: BaseException | None) -> None:
        """The runtime has the outcome of a request. Not for others."""
        if self._open.pop(tag, None) is None:
            return
        assert isinstance(tag, _Ticket)
        assert error is None or isinstance(error, CallError)
        self._ready.append(Answer(tag.label, value, error))
        if self._wait is not None:
            self._wait.resolve(None)

    async def next(self, timeout: float | None = None) -> Answer:  # noqa: ASYNC109
        """The next outcome, in the order in which they came.

        Raises:
            WaitTimeout: none came within `timeout` seconds (None: wait for ever).
            ActorError: there is no open request, or somebody waits already.
        """
        current = run_state().current
        if current is None:
            await trio.lowlevel.checkpoint_if_cancelled()
        if not self._ready:
            if not self._open:
                raise ActorError("there is no request to wait for; send one first")
            if self._wait is not None:
                raise ActorError("somebody waits for these requests already; use one for each")
            wait = self._wait = Wait(current)
            try:
                await self._await(wait, timeout)
            except WaitTimeout:
                if not self._ready:
                    text = f"none of {len(self._open)} requests was answered within {timeout} s"
                    raise WaitTimeout(text) from None
            finally:
                self._wait = None
        return self._ready.popleft()

    async def _await(self, wait: Wait, timeout: float | None) -> None:  # noqa: ASYNC109
        scheduler = self._scheduler
        if timeout is not None and scheduler is not None:
            scheduler.wheel.add(wait, deadline_after(scheduler.now(), timeout))
        await wait_for(wait, wait.ref)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Answer:
        if not self:
            raise StopAsyncIteration
        return await self.next()

    def abandon(self) -> int:
        """Give up all open requests, and outcomes not handed out; how many there were."""
        given_up = len(self)
        for call in self._open.values():
            call.abandon()
        self._open.clear()
        self._ready.clear()
        return given_up


protect(_Ticket, Requests)
