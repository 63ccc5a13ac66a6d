"""Stopping children: one after the other, or many together with one deadline per timeout.

Contract (OTP's `shutdown` of a child):

* "brutal_kill": the child is killed and waited for.
* seconds: it gets the exit signal `Shutdown` and that long to end; then it is killed, and waited
  for.
* "infinity": it gets the exit signal and is waited for.

What a child may end with when asked to stop; anything else is reported as `shutdown_error`:

| shutdown      | `Killed` | `Shutdown()` | `Shutdown(detail)`, `Normal` | else     |
|---------------|----------|--------------|------------------------------|----------|
| "brutal_kill" | fine     | unless permanent | unless permanent         | reported |
| otherwise     | reported | fine             | unless permanent         | reported |

Many children: all signals go out first, then the timeouts are served in ascending order, so that
at most one deadline is set at any moment, however many children there are; N children with one
timeout cost one. A child that is dead already costs nothing to wait for. Every `GIVE_WAY`
children the others in the system have their turn. (Idea of grouping by timeout: Elixir's
DynamicSupervisor.)

A child is unlinked before it is stopped, so that its end brings the supervisor no `Exit`. If the
supervisor itself is killed meanwhile, it takes the children with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final

from actors import Actor, ExitReason, Killed, Normal, Shutdown
from actors.lifecycle.start_and_end import end_at_once
from actors.ref import LocalRef
from supervision.child_spec import ChildSpec
from supervision.waiting import ended, give_way

GIVE_WAY: Final = 512
SHUTDOWN: Final = Shutdown()

Told = Callable[[ExitReason, LocalRef, ChildSpec], None]
"""Called for each child that ended otherwise than it should."""


def is_shutdown_error(spec: ChildSpec, reason: ExitReason) -> bool:
    """Whether a child that was stopped should not have ended so; see the table above."""
    if isinstance(reason, Killed):
        return spec.shutdown != "brutal_kill"
    if reason == SHUTDOWN and spec.shutdown != "brutal_kill":
        return False
    return spec.restart == "permanent" or not isinstance(reason, (Normal, Shutdown))


def ask_to_stop(supervisor: Actor, ref: LocalRef, spec: ChildSpec) -> float:
    """Send the child its signal; returns the seconds that it has to end, maybe infinite."""
    supervisor.unlink(ref)
    if spec.shutdown == "brutal_kill":
        supervisor.kill(ref)
        return inf
    supervisor.exit(ref, SHUTDOWN)
    return inf if isinstance(spec.shutdown, str) else spec.shutdown


async def stop_in_turn(
    supervisor: Actor, children: Iterable[tuple[LocalRef, ChildSpec]], tell: Told
) -> None:
    """Stop children one after the other, each ended before the next one is asked.

    One that is idle and does not trap exits has nothing to say to it, and ends at once.
    """
    for count, (ref, spec) in enumerate(children, 1):
        if not _stop_at_once(supervisor, ref, spec):
            await stop_together(supervisor, [(ref, spec)], tell)
        elif not count % GIVE_WAY:
            await give_way(supervisor)


def _stop_at_once(supervisor: Actor, ref: LocalRef, spec: ChildSpec) -> bool:
    supervisor.unlink(ref)
    return end_at_once(ref, Killed() if spec.shutdown == "brutal_kill" else SHUTDOWN)


async def stop_together(
    supervisor: Actor, children: Sequence[tuple[LocalRef, ChildSpec]], tell: Told
) -> None:
    """Stop children concurrently; returns when all have ended."""
    try:
        groups: dict[float, list[tuple[LocalRef, ChildSpec]]] = {}
        begun = supervisor.ref.scheduler.now()
        for count, (ref, spec) in enumerate(children, 1):
            if not _stop_at_once(supervisor, ref, spec):
                seconds = ask_to_stop(supervisor, ref, spec)
                groups.setdefault(seconds, []).append((ref, spec))
            if not count % GIVE_WAY:
                await give_way(supervisor)
        late: list[tuple[LocalRef, ChildSpec]] = []
        for seconds in sorted(groups):
            late += await _await_group(supervisor, groups[seconds], begun + seconds, tell)
        await _await_group(supervisor, late, inf, tell)
    except BaseException:
        for ref, _ in children:
            supervisor.kill(ref)
        raise


async def _await_group(
    supervisor: Actor, group: list[tuple[LocalRef, ChildSpec]], deadline: float, tell: Told
) -> list[tuple[LocalRef, ChildSpec]]:
    """Wait for children until `deadline`; those that are late are killed and returned."""
    for index, (ref, spec) in enumerate(group):
        reason = ref.exit_reason or await ended(supervisor, ref, deadline)
        if reason is None:
            late = [child for child in group[index:] if child[0].is_alive()]
            for child, _ in late:
                supervisor.kill(child)
            for child, its_spec in group[index:]:
                if child.exit_reason is not None and is_shutdown_error(its_spec, child.exit_reason):
                    tell(child.exit_reason, child, its_spec)
            return late
        if is_shutdown_error(spec, reason):
            tell(reason, ref, spec)
    return []
