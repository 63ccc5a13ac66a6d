"""`multi_call` and `abcast`: the same message to many actors (OTP's ``gen_server``).

    replies, failures = await multi_call(shards, Count(), timeout=1.0)
    abcast(shards, Flush())

`multi_call` sends all requests at once and waits for all outcomes, in one deadline, however many
there are: it returns when the last outcome is there, or after `timeout`, never later. Every ref is
then a key of exactly one of the two dicts, each in the order in which the refs were given. Replies
that come later are dropped. It never raises for what becomes of a single request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from actors.actor import local
from actors.calling.requests import Requests
from actors.errors import CallCycle, CallError, CallTimeout, WaitTimeout
from actors.ref import CALL_TIMEOUT_S, Ref
from actors.scheduling.clocks import deadline_after
from actors.scheduling.cycles import MAX_FOLLOWED, find_cycle
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.messages import Request

R = TypeVar("R")


class MultiReply(NamedTuple, Generic[R]):
    """What became of a `multi_call`: `replies` and `failures` by ref."""

    replies: dict[Ref, R]
    failures: dict[Ref, CallError]


async def multi_call(
    refs: Iterable[Ref],
    request: Request[R],
    timeout: float | None = CALL_TIMEOUT_S,  # noqa: ASYNC109
) -> MultiReply[R]:
    """Call each of `refs` with `request`, all together, for at most `timeout` seconds.

    A failure is what `Ref.call` would have raised: `CallTimeout`, `CalleeDied`, `Busy`, a refusal,
    or `CallCycle` for the caller itself and whoever waits for it.

    Raises ActorError, before anything is sent, if one of the refs is no actor of this process.
    """
    targets = [local(ref) for ref in dict.fromkeys(refs)]
    now = targets[0].scheduler.now if targets else None
    deadline = None if timeout is None or now is None else deadline_after(now(), timeout)
    outcomes: dict[Ref, tuple[Any, CallError | None]] = {}
    with Requests() as requests:
        for target in targets:
            run = target.scheduler.run
            caller = run.current or run.owner_of_current_task()
            cycle = None if caller is None else find_cycle(caller, target, MAX_FOLLOWED)
            if cycle is None:
                requests.send(target, request, target)
            else:
                outcomes[target] = None, CallCycle(cycle)
        try:
            while requests:
                left = None if deadline is None or now is None else max(0.0, deadline - now())
                answer = await requests.next(left)
                outcomes[answer.tag] = answer.value, answer.error  # type: ignore[index]
        except WaitTimeout:
            kind = type(request).__qualname__
            for target in targets:
                late = CallTimeout(f"no reply to {kind} from {target!r} in time")
                outcomes.setdefault(target, (None, late))
    ordered = [(ref, *outcomes[ref]) for ref in targets]
    return MultiReply(
        {ref: value for ref, value, error in ordered if error is None},
        {ref: error for ref, _, error in ordered if error is not None},
    )


def abcast(refs: Iterable[Ref], message: object) -> None:
    """Cast `message` to each of `refs`, in order. Never raises for dead or full actors."""
    for ref in refs:
        ref.cast(message)


protect(multi_call, abcast)
