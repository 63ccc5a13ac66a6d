"""A conversation without a node: what is decided is committed at once."""

from __future__ import annotations

import msgpack

from beamish.messenger.conversations.actions import CreateGroup
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.commands import Fulfil, Numbered
from beamish.messenger.conversations.draft import Draft
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState

GROUP = "g:aaaaaaaaaaaaaaaaaaaaaaaa"
DIRECT = "d:alice:bob"
USERS = ("alice", "bob", "carol", "dave")


class Log:
    """A conversation whose every decision is committed at once."""

    def __init__(self, conversation, member_cap=1024):
        self.state = ConversationState(conversation)
        self.cap = member_cap
        self.records = []
        self.numbers = {}
        self.now = 1000

    def commit(self, *commands):
        present = {n: msgpack.unpackb(raw) for n, raw in enumerate(self.records, 1)}
        draft = Draft(self.state, self.now, self.cap, present=present)
        answers = [draft.decide(command) for command in commands]
        self._take(draft)
        return answers

    def owe(self, user, duty):
        draft = Draft(self.state, self.now, self.cap)
        draft.fulfil(Fulfil(user, duty))
        self._take(draft)

    def _take(self, draft):
        for fields in draft.records:
            raw = msgpack.packb(fields)
            self.state.take(fields["n"], raw)
            self.records.append(raw)
        for n, fields in draft.amended.items():
            self.records[n - 1] = msgpack.packb(fields)

    def do(self, user, action, device="phone"):
        key = (user, device)
        number = self.numbers.get(key, 0) + 1
        (answer,) = self.commit(Numbered(user, device, number, f"{user}{number}", action))
        if isinstance(answer, Result):
            self.numbers[key] = number
        return answer

    def fields(self, at):
        """The fields of a committed record, counted like the items of a list."""
        return msgpack.unpackb(self.records[at])


def group(*members, is_open=False, cap=1024):
    log = Log(GROUP, cap)
    rows = tuple((user, user.title()) for user in members)
    assert isinstance(log.do("alice", CreateGroup("Friends", is_open, "Alice", rows)), Result)
    return log


def code(answer):
    assert isinstance(answer, Refusal), answer
    return answer.code
