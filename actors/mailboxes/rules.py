"""The rules of a class's mailboxes, checked and compiled once for each class."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, Literal, TypeGuard, get_args

from actors.mailboxes.queues import SlidingQueue
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.actor import Actor
    from actors.ref import LocalRef

MailboxPolicy = Literal["block", "drop_new", "drop_old", "reject"]
"""What happens to a message for which there is no room; see `actors.mailboxes.overflow`."""

POLICIES: Final[tuple[str, ...]] = get_args(MailboxPolicy)


@dataclass(frozen=True, slots=True)
class MailboxRules:
    """What `Behaviour` takes over."""

    limit: int
    policy: MailboxPolicy
    alarm: float
    """Messages waiting; infinite if there is no alarm."""

    @classmethod
    def of(cls, actor: type[Actor]) -> MailboxRules:
        """The rules of an actor class. Raises TypeError for one that is wrong."""
        name, limit, policy = actor.__qualname__, actor.mailbox_limit, actor.mailbox_policy
        if not _is_count(limit):
            raise TypeError(f"{name}.mailbox_limit is {limit!r}; it must be an int of at least 1")
        if policy not in POLICIES:
            raise TypeError(
                f"{name}.mailbox_policy is {policy!r}; it must be one of {', '.join(POLICIES)}"
            )
        return cls(limit, policy, _alarm(name, actor.mailbox_alarm, limit))

    @property
    def rest_limit(self) -> int:
        """See `Behaviour`."""
        return 0 if self.policy == "drop_old" else int(min(self.alarm, self.limit)) - 1

    @property
    def prepare(self) -> Callable[[LocalRef], None] | None:
        """What each new actor needs, or None."""
        return _slide if self.policy == "drop_old" else None


def _alarm(name: str, mark: object, limit: int) -> float:
    if mark is None:
        return inf
    if mark == "half":
        return max(1, limit // 2)
    if _is_count(mark) and mark <= limit:
        return mark
    raise TypeError(
        f"{name}.mailbox_alarm is {mark!r}; it must be an int from 1 to mailbox_limit ({limit}), "
        'or "half" of that, or None for no alarm'
    )


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _slide(ref: LocalRef) -> None:
    ref.mailbox = SlidingQueue()


protect(_slide)
