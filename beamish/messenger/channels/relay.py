"""The actor that hands a channel to all who follow it on this node.

One for each node and channel that somebody here follows. It is a replica of the channel's log that
nobody but it keeps here, and never writes. Everything that it tells is a level or a hint:

* the channel's conversation tells it of new records after each commit (`Posted`); that may be lost,
  so every `head_check_s` it looks at the journal by itself;
* what is new goes to its followers in **rounds**: `SLICE` of them a turn, so that a hundred
  thousand followers never make one long handler. What is posted during a round goes along with the
  next. A follower whose session has not looked at the last one gets no second: the level in its
  slot tells it how far to read when it looks;
* a session whose connection has no room, or that was left out, reads the log by itself.

Who may read is decided here against the replica, after a look at the journal that all who wait
share. Nothing about followers is stored anywhere: a relay that crashes is followed again by its
sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors import NO_REPLY, Actor, Down, NoReply, Ref, ReplyTo, on
from beamish.messenger.channels import messages as c
from beamish.messenger.conversations.answers import channel_reader
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.environment import Environment
from beamish.messenger.ids import conversation_stream
from beamish.messenger.refusals import refusal_of
from beamish.messenger.streams.journal_port import JournalUnavailable
from beamish.messenger.streams.records import Record
from beamish.messenger.streams.stream_writer import StreamWriter

SLICE = 512
"""Followers told in one turn."""

ROUND_RECORDS = 64
"""Records that travel with a round; of more, followers read the log."""

MAX_ASKED = 10_000
"""Follows that wait for a look at the journal; beyond it they are refused as overloaded."""


@dataclass(frozen=True, slots=True)
class _Load:
    pass


@dataclass(frozen=True, slots=True)
class _Look:
    pass


@dataclass(frozen=True, slots=True)
class _Round:
    pass


@dataclass(frozen=True, slots=True)
class _Tick:
    pass


class Relay(Actor):
    """Named `("relay", channel)`; requests: `Follow`."""

    def __init__(self, channel: str, environment: Environment) -> None:
        self.channel = channel
        self.environment = environment
        self._replica: StreamWriter[ConversationState] = StreamWriter(
            environment.journal,
            conversation_stream(channel),
            lambda snapshot: ConversationState.load(channel, snapshot),
            snapshot_every=environment.settings.snapshot_every,
        )
        self._followers: dict[Ref, c.Follow] = {}
        self._asked: list[tuple[c.Follow, ReplyTo[c.Following | Refusal]]] = []
        self._look_wanted = False
        self._told = 0
        self._to_tell: list[Ref] = []
        self._posts: c.Posts | None = None
        self._forsaken = False

    def init(self) -> None:
        """Load before anything else is handled."""
        self.continue_with(_Load())

    @on(_Load)
    async def load(self, _message: _Load) -> None:
        """Read the log."""
        await self._replica.load_patiently(self.sleep)
        self._drop_touched()
        self._told = self._replica.state.version
        self.send_after(self.environment.settings.head_check_s, _Tick())

    @on(c.Follow)
    def follow(self, message: c.Follow) -> NoReply | Refusal:
        """Somebody wants to be told."""
        if len(self._asked) >= MAX_ASKED:
            return Refusal("overloaded", "too many want to follow this channel at once", None, 500)
        self._asked.append((message, self.reply_to()))
        self._want_look()
        return NO_REPLY

    @on(c.Unfollow)
    def unfollow(self, message: c.Unfollow) -> None:
        """Somebody wants to be told no longer."""
        self._followers.pop(message.session, None)

    @on(Down)
    def session_down(self, message: Down) -> None:
        """A session ended."""
        self._followers.pop(message.ref, None)

    @on(c.Posted)
    def posted(self, message: c.Posted) -> None:
        """The channel says that it has grown."""
        if message.version > self._replica.state.version:
            self._want_look()

    @on(_Tick)
    def tick(self, _message: _Tick) -> None:
        """See what was missed; leave memory when nobody has followed since the last time."""
        if self._followers or self._asked:
            self._forsaken = False
        elif self._forsaken:
            self.stop()
            return
        else:
            self._forsaken = True
        self._want_look()
        self.send_after(self.environment.settings.head_check_s, _Tick())

    def _want_look(self) -> None:
        if not self._look_wanted:
            self._look_wanted = True
            self.ref.cast(_Look())

    @on(_Look)
    async def look(self, _message: _Look) -> None:
        """Catch up with the log, answer those who have asked, begin a round if there is news."""
        self._look_wanted = False
        asked, self._asked = self._asked, []
        try:
            await self._replica.catch_up()
        except JournalUnavailable as unavailable:
            for _, reply_to in asked:
                reply_to.reply(refusal_of(unavailable.refused))
            return
        self._drop_touched()
        for message, reply_to in asked:
            reply_to.reply(self._admit(message))
        await self._begin_round()

    def _drop_touched(self) -> None:
        touched, self._replica.state.touched = self._replica.state.touched, {}
        for target, by in touched.items():
            self.environment.logs.touched(self.channel, target, by)

    def _admit(self, message: c.Follow) -> c.Following | Refusal:
        state = self._replica.state
        reader = channel_reader(state, message.user, subscribed=message.subscribed)
        if isinstance(reader, Refusal):
            return reader
        if message.session not in self._followers:
            self.monitor(message.session)
        self._followers[message.session] = message
        message.slot.head, message.slot.ordinal = state.version, state.ordinal
        return c.Following(self._replica.epoch, state.version, state.ordinal, state.title)

    async def _begin_round(self) -> None:
        state = self._replica.state
        if self._posts is not None or state.version <= self._told:
            return
        first, last = self._told + 1, state.version
        logs = self.environment.logs
        records: list[Record] = []
        if last - first < ROUND_RECORDS:
            records = await logs.read(self.channel, first, last)
        targets = await logs.targets(self.channel, records)
        self._told = last
        self._to_tell = list(self._followers)
        self._posts = c.Posts(self.channel, first, last, tuple(records), targets)
        self.ref.cast(_Round())

    @on(_Round)
    def round(self, _message: _Round) -> None:
        """Tell the next slice of followers."""
        posts, state = self._posts, self._replica.state
        assert posts is not None
        slice_, self._to_tell = self._to_tell[-SLICE:], self._to_tell[:-SLICE]
        for session in slice_:
            follower = self._followers.get(session)
            if follower is None:
                continue
            reader = channel_reader(state, follower.user, subscribed=follower.subscribed)
            if isinstance(reader, Refusal):
                del self._followers[session]
                session.cast(c.Unfollowed(self.channel, reader))
                continue
            slot = follower.slot
            slot.head, slot.ordinal = posts.last, state.ordinal
            if not slot.told:
                slot.told = True
                session.cast(posts)
        if self._to_tell:
            self.ref.cast(_Round())
            return
        self._posts = None
        if state.version > self._told:
            self._want_look()
