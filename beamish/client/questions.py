"""Commands without a number: safe to repeat, so asked again until a node answers.

Asked again on the next connection when one ends, and after a retryable refusal. Each question has a
waiting task, which bounds their number. Cancelling that task drops the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import trio

from beamish.client.backoff import Backoff
from beamish.client.errors import ClientError, CommandError, error_from
from beamish.client.link import Link
from beamish.client.wire import Item

_RETRY_FIRST, _RETRY_CAP = 0.1, 5.0


class Question:
    """One command on its way. `then` sees the `ok` map in the reader's turn."""

    __slots__ = ("answer", "backoff", "command", "done", "error", "fields", "resume_at", "then")

    def __init__(self, command: str, fields: Item, then: Callable[[Item], None] | None) -> None:
        self.command = command
        self.fields = fields
        self.then = then
        self.done = trio.Event()
        self.answer: Item | None = None
        self.error: ClientError | None = None
        self.resume_at = 0.0
        self.backoff: Backoff | None = None


class Questions:
    """All questions of a client. `refusals` counts the retryable ones met."""

    def __init__(self, random: Random) -> None:
        self.refusals = 0
        self.trouble: CommandError | None = None
        self._random = random
        self._waiting: list[Question] = []
        self._outstanding: dict[Question, None] = {}

    @property
    def unwritten(self) -> bool:
        """Questions wait to be asked."""
        return bool(self._waiting)

    def add(self, question: Question) -> None:
        """Have it asked."""
        self._waiting.append(question)

    def drop(self, question: Question) -> None:
        """Nobody waits for the answer any more."""
        if question in self._waiting:
            self._waiting.remove(question)
        self._outstanding.pop(question, None)

    def write(self, link: Link, now: float, limit: int) -> Iterator[bytes]:
        """The questions to ask now, at most `limit`, as encoded items."""
        for _ in range(min(limit, len(self._waiting))):
            question = self._waiting.pop(0)
            if question.resume_at > now:
                self._waiting.append(question)
                continue
            self._outstanding[question] = None

            def answered(item: Item, question: Question = question) -> None:
                self._answer(question, item)

            request = link.request(answered)
            yield link.wire.encode({"id": request, "command": question.command, **question.fields})

    def next_write(self, now: float) -> float:
        """When a refused question may be asked again; infinity: none waits."""
        return min((q.resume_at for q in self._waiting if q.resume_at > now), default=float("inf"))

    def connection_lost(self) -> None:
        """What is outstanding is to be asked again, before newer questions."""
        self._waiting[:0] = self._outstanding
        self._outstanding.clear()

    def _answer(self, question: Question, item: Item) -> None:
        if question not in self._outstanding:
            return
        if "ok" in item:
            answer: dict[str, Any] = item["ok"]
            question.answer = answer
            if question.then is not None:
                question.then(answer)
            del self._outstanding[question]
            question.done.set()
            return
        del self._outstanding[question]
        error = error_from(item["error"])
        if error.code == "unauthenticated":
            self.trouble = error
            self._waiting.insert(0, question)
        elif error.retryable:
            self.refusals += 1
            if question.backoff is None:
                question.backoff = Backoff(_RETRY_FIRST, _RETRY_CAP, self._random)
            wait = question.backoff.next(error.retry_after or 0.0)
            question.resume_at = trio.current_time() + wait
            self._waiting.append(question)
        else:
            question.error = error
            question.done.set()

    def abandon(self, error: ClientError) -> None:
        """Fail everything unanswered."""
        questions = [*self._outstanding, *self._waiting]
        self._outstanding.clear()
        self._waiting.clear()
        for question in questions:
            question.error = error
            question.done.set()
