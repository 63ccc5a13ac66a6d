"""What waits for a conversation's next batch: how much, how fast it may come, for how long.

Everything is bounded, and refused before anything is decided:

* more than `MAX_WAITING` at once: `overloaded`;
* commands faster than the conversation's bucket fills: `rate_limited`, with the time to wait;
* a command that has waited longer than `deadline_s`: `overloaded`. Whoever sent it has
  long waited, may be gone, and sends it again; work that is late for everybody helps nobody. One
  that was executed before gets its first result whenever its turn comes.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from actors import ReplyTo
from beamish.messenger.conversations.commands import Fulfil, Numbered
from beamish.messenger.conversations.decision import Question, weight
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.settings import MessengerSettings
from beamish.rate import TokenBucket

MAX_BATCH = 256
"""Commands decided together."""

MAX_BATCH_BYTES = 1 << 20
"""Bytes of records decided together, far below what one append may hold."""

MAX_WAITING = 10_000
"""Commands and questions waiting for a batch; beyond it they are refused as overloaded."""

LATE = Refusal("overloaded", "this command has waited too long: send it again", None, 1_000)

Asked = tuple[Numbered | Fulfil | Question, ReplyTo[Any]]


class Intake:
    """The queue of one conversation; times are seconds of a steady clock."""

    def __init__(self, settings: MessengerSettings, now: float) -> None:
        self._waiting: list[Asked] = []
        self._deadline_s = settings.queue_deadline_s
        self._bucket = TokenBucket(
            settings.conversation_commands_per_s, settings.conversation_burst, now
        )

    def __len__(self) -> int:
        return len(self._waiting)

    def refusal(self, what: Numbered | Fulfil | Question, now: float) -> Refusal | None:
        """Why nothing more is taken; None when `what` may be put."""
        if len(self._waiting) >= MAX_WAITING:
            return Refusal("overloaded", "this conversation has too much in hand", None, 500)
        if isinstance(what, Numbered) and not self._bucket.take(1, now):
            wait_ms = int(1000 * self._bucket.wait_for(1)) + 1
            return Refusal("rate_limited", "too much at once is said here", None, wait_ms)
        return None

    def put(self, what: Numbered | Fulfil | Question, reply_to: ReplyTo[Any]) -> None:
        """Have `what` in one of the next batches."""
        self._waiting.append((what, reply_to))

    def take(self, state: ConversationState, now: float) -> list[Asked]:
        """The next batch, in order; what is late is refused and no part of it."""
        count = size = 0
        for what, _ in self._waiting[:MAX_BATCH]:
            size += weight(what)
            if count and size > MAX_BATCH_BYTES:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        batch: list[Asked] = []
        for what, reply_to in taken:
            if self._is_late(what, now) and state.first_result(what) is None:
                reply_to.reply(LATE)
            else:
                batch.append((what, reply_to))
        return batch

    def _is_late(self, what: Numbered | Fulfil | Question, now: float) -> TypeGuard[Numbered]:
        return isinstance(what, Numbered) and now - what.sent_at > self._deadline_s
