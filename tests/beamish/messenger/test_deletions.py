"""A deleted message leaves everybody's counts, once, whatever was told and read in which order.

A real conversation log and a real inbox, without a node. The model counts by the words of the
protocol page: messages of others that the user sees above the read mark, without those that a
deletion took away which the user was told of in the same membership.
"""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger import messages as m
from beamish.messenger.conversations.actions import Delete, Edit, Join, Leave, Remove, SendText
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.streams.log_reader import LogReader
from beamish.messenger.streams.records import Record
from beamish.messenger.streams.visibility import Settings
from beamish.messenger.users import unread as unread_module
from beamish.messenger.users.batch import Batch
from beamish.messenger.users.state import UserState
from beamish.messenger.users.unread import seen_above
from tests.beamish.messenger.committed import GROUP, group

SETTINGS = Settings("group", "Friends", True)


@pytest.fixture(autouse=True, scope="module")
def few_runs():
    """Bounds so low that short logs exceed them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unread_module, "MAX_RUNS", 3)
        patch.setattr(unread_module, "SHARE", 2)
        yield


class Shelf(LogReader):
    """Reads a log that lies at hand, as it is now."""

    def __init__(self, log):
        super().__init__(None, 0)
        self.log = log

    async def read(self, conversation, first, last):
        assert last <= len(self.log.records)
        return [Record.new(self.log.fields(n - 1)) for n in range(first, last + 1)]


def run(coroutine):
    """What a coroutine gives that waits for nothing."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


class Inbox:
    """Bob's inbox of the group: told, read, restarted at will."""

    def __init__(self, log):
        self.log = log
        self.state = UserState("bob")
        self.base = {}
        self.recounted = 0
        self.blind = set()
        """Messages that were deleted when they were told: nobody knows whom they mention."""

    def take(self, upto=None, read=None):
        batch = Batch("bob", 0, self.base)
        if upto is not None:
            batch.reached(m.Reached(GROUP, upto, 0, SETTINGS, None, False), None)
        if read is not None and GROUP in self.state.conversations:
            batch.read(m.MarkRead(GROUP, read), None)
            self.recounted += self.state.unsure(GROUP, read) is not None
        before = self.state.held(GROUP)
        run(batch.prepare(self.state, Shelf(self.log)))
        proposal = batch.decide(self.state)
        told = []
        for raw in proposal.records if proposal else ():
            self.state.take(self.state.version + 1, raw)
            row = msgpack.unpackb(raw)
            told += row["m"] if row["t"] == "marks" else []
        new = range(before + 1, self.state.held(GROUP) + 1)
        self.blind.update(n for n in new if "deleted" in self.log.fields(n - 1))
        return told

    def restart(self):
        self.state = UserState.load("bob", self.state.dump())
        self.base = {}


def expected(log, blind, held, read):
    """(unread, mentions) of bob by the words of the page."""
    joined, counted = 0, {}
    for n in range(1, held + 1):
        fields = log.fields(n - 1)
        about = fields.get("user", fields["by"]) == "bob"
        if fields["type"] == "join" and about:
            joined = n
        elif not joined:
            continue
        elif fields["type"] in ("leave", "remove") and about:
            joined = 0
        elif fields["type"] == "message" and fields["by"] != "bob":
            counted[n] = "bob" in log.mentioned[n] and n not in blind
        elif fields["type"] == "delete" and fields["target"] >= joined:
            counted.pop(fields["target"], None)
    left = [mention for n, mention in counted.items() if n > read]
    return len(left), sum(left)


class Played:
    """A log of alice's and bob's doings in an open group, and bob's inbox."""

    def __init__(self):
        self.log = group(is_open=True)
        self.log.mentioned = {}
        self.messages = []
        self.inbox = Inbox(self.log)

    def step(self, move, at):
        if move in ("alice", "mention", "bob"):
            self._say(move)
        elif move in ("delete", "edit") and self.messages:
            target = self.messages[-1 - at % len(self.messages)]
            self.log.do("alice", Delete(target) if move == "delete" else Edit(target, "other"))
        elif move == "join":
            self.log.do("bob", Join("Bob"))
        elif move == "leave":
            self.log.do("bob" if at % 2 else "alice", Leave() if at % 2 else Remove("bob"))
        elif move == "restart":
            self.inbox.restart()
        return {
            "told": lambda: self.inbox.take(upto=self._upto(at)),
            "read": lambda: self.inbox.take(read=at),
            "both": lambda: self.inbox.take(upto=self._upto(at), read=at),
        }.get(move, list)()

    def _say(self, move):
        by = "bob" if move == "bob" else "alice"
        mentions = ("bob",) if move == "mention" else ()
        result = self.log.do(by, SendText("x", mentions=mentions))
        if isinstance(result, Result):
            self.messages.append(result.n)
            self.log.mentioned[result.n] = mentions

    def _upto(self, at):
        return min(self.inbox.state.held(GROUP) + 1 + at % 12, self.log.state.version)

    def check(self, told):
        state = self.inbox.state
        read = state.conversation(GROUP).levels.read
        counts = expected(self.log, self.inbox.blind, state.held(GROUP), read)
        assert (state.unread(GROUP), state.mentions(GROUP)) == counts
        for _, _, read, *counted in told[-1:]:
            assert (read, tuple(counted)) == (state.conversation(GROUP).levels.read, counts)


MOVES = [
    "alice", "alice", "mention", "bob", "alice", "mention", "bob", "delete", "delete", "edit",
    "join", "join", "leave", "told", "told", "read", "both", "restart",
]  # fmt: skip

steps = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 60)), min_size=30, max_size=90)


@given(steps=steps)
def test_counts_are_exact_under_any_order_of_notices_marks_deletions_and_restarts(steps):
    played = Played()
    played.step("join", 0)
    for move, at in steps:
        told = played.step(move, at)
        if move in ("told", "read", "both", "restart"):
            played.check(told)
    while played.inbox.state.held(GROUP) < played.log.state.version:
        before = played.inbox.state.held(GROUP)
        played.check(played.inbox.take(upto=played.log.state.version))
        if played.inbox.state.held(GROUP) == before:
            break


def test_a_read_mark_among_messages_not_known_one_by_one_leaves_out_the_deleted():
    for rejoined in (False, True):
        played = Played()
        played.step("join", 0)
        for i in range(30):
            played.step("mention" if i % 3 else "alice", 0)
            played.step("bob", 0)
        played.check(played.inbox.take(upto=played.log.state.version))
        for at in (1, 5, 9, 21, 33):
            played.step("delete", at)
        if rejoined:
            played.step("leave", 1)
            for at in (3, 11):
                played.step("delete", at)
            played.step("join", 0)
            played.step("delete", 13)
        played.check(played.inbox.take(upto=played.log.state.version))
        for read in range(4, 64, 3):
            played.check(played.inbox.take(read=read))
        assert played.inbox.recounted > 3


def test_a_membership_that_ended_among_them_ends_what_deletions_took_away():
    played = Played()
    played.step("join", 0)
    for move in ("alice", "bob") * 6:
        played.step(move, 0)
    for at in (1, 5):
        played.step("delete", at)
    played.step("leave", 1)
    for at in (3, 7, 9):
        played.step("delete", at)
    played.step("join", 0)
    for move in ("alice", "bob") * 20:
        played.step(move, 0)
    played.step("delete", 3)
    log, held = played.log, played.log.state.version
    last = held - 2
    assert log.fields(last - 1)["by"] == "alice"
    for read in range(last):
        records = [Record.new(log.fields(n - 1)) for n in range(read + 1, last + 1)]
        above, beyond = (expected(log, (), held, at)[0] for at in (read, last))
        assert seen_above("bob", records, held) == above - beyond


def test_a_deletion_that_takes_away_a_mention_tells_the_counts():
    played = Played()
    for move in ("join", "mention", "alice", "mention"):
        played.step(move, 0)
    played.inbox.take(upto=played.log.state.version)
    played.step("delete", 1)
    assert played.inbox.take(upto=played.log.state.version) == []
    played.step("delete", 0)
    (told,) = played.inbox.take(upto=played.log.state.version)
    assert told == [GROUP, 0, 0, 1, 1]
    assert played.inbox.state.conversation(GROUP).marked_at == 0


def test_what_was_deleted_before_it_was_told_is_never_counted_in_the_end():
    played = Played()
    for move in ("join", "mention", "delete"):
        played.step(move, 0)
    version = played.log.state.version
    played.check(played.inbox.take(upto=version - 1))
    assert played.inbox.state.unread(GROUP) == 1
    played.check(played.inbox.take(upto=version))
    assert played.inbox.state.unread(GROUP) == 0
