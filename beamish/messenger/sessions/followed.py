"""The channels that a session follows, each from a cursor that the client alone keeps.

`handed` is the record up to which a channel was handed on. A round that continues there is handed
on at once, as bytes that all followers share; whatever else happens shows as the slot's level above
`handed`, and is mended by reading the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors import CallError, Ref
from beamish.messenger.channels import messages as c
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.sessions.pages import room_in_frame
from beamish.messenger.streams.as_of import amended, encoded_as_of
from beamish.messenger.streams.log_part import Excerpt, Extract
from beamish.messenger.streams.records import is_public
from beamish.protocol import encode_event

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session

PULL_RECORDS = 64
"""Records of a channel read in one turn."""


class _Channel:
    __slots__ = ("epoch", "handed", "relay", "slot", "subscribed")

    def __init__(self, handed: int, *, subscribed: bool) -> None:
        self.handed = handed
        self.subscribed = subscribed
        self.slot = c.Slot()
        self.epoch = 0
        self.relay: Ref | None = None


class Followed:
    """What one session follows."""

    def __init__(self, actor: Session) -> None:
        self._actor = actor
        self._channels: dict[str, _Channel] = {}
        self._turn_wanted = False

    async def follow(self, wanted: tuple[tuple[str, int], ...]) -> list[dict[str, object]]:
        """Follow these from their cursors, and no others; what to tell the client of each."""
        for channel in [name for name in self._channels if name not in dict(wanted)]:
            self._drop(channel)
        names = tuple(name for name, _ in wanted)
        subscribed = await self._actor.ask_user(c.SubscriptionsAmong(names))
        rows: list[dict[str, object]] = []
        for channel, after in wanted:
            known = self._channels.get(channel)
            if known is None:
                known = self._channels[channel] = _Channel(0, subscribed=channel in subscribed)
            known.subscribed = channel in subscribed
            answer = await self._ask_relay(channel, known)
            if isinstance(answer, Refusal):
                self._drop(channel)
                rows.append({"channel": channel, "error": answer.code})
                continue
            # A cursor of another making, as after a restore, begins anew.
            known.handed = after if after <= answer.version else 0
            known.epoch = answer.epoch
            rows.append(
                {
                    "channel": channel,
                    "epoch": answer.epoch,
                    "n": answer.version,
                    "ordinal": answer.ordinal,
                    "title": answer.title,
                }
            )
        return rows

    async def _ask_relay(self, channel: str, known: _Channel) -> c.Following | Refusal:
        actor = self._actor
        question = c.Follow(actor.ref, known.slot, actor.user, known.subscribed)
        known.slot.told = False
        answer = await actor.ask("relay", channel, question)
        ref = actor.environment.directory.find("relay", channel)
        if ref is not None and ref != known.relay:
            known.relay = ref
            actor.monitor(ref)
        return answer

    def _drop(self, channel: str) -> None:
        known = self._channels.pop(channel, None)
        if known is not None and known.relay is not None:
            known.relay.cast(c.Unfollow(self._actor.ref))

    def posted(self, posts: c.Posts) -> None:
        """A round of a relay has come to us."""
        known = self._channels.get(posts.channel)
        if known is None:
            return
        known.slot.told = False
        begins_here = bool(posts.records) and posts.first == known.handed + 1
        if begins_here and self._actor.outbox.has_room:
            self._hand_on(posts.channel, known, posts, posts.encoded)
        self.go_on()

    def unfollowed(self, message: c.Unfollowed) -> None:
        """We may not read a channel any more."""
        if self._channels.pop(message.channel, None) is not None:
            told = {"channel": message.channel, "code": message.refusal.code}
            self._actor.event("unfollowed", told)

    def relay_down(self, ref: Ref) -> None:
        """A relay has ended: find the next one."""
        for channel, known in self._channels.items():
            if known.relay == ref:
                known.relay = None
                self._actor.ref.cast(c.FollowAgain(channel))

    async def follow_again(self, channel: str) -> None:
        """Be told by the relay that lives now."""
        known = self._channels.get(channel)
        if known is None or known.relay is not None:
            return
        try:
            answer = await self._ask_relay(channel, known)
        except CallError:
            pause = 0.2 + self._actor.system.random.random()
            self._actor.send_after(pause, c.FollowAgain(channel))
            return
        if isinstance(answer, Refusal):
            self.unfollowed(c.Unfollowed(channel, answer))
        self.go_on()

    def go_on(self) -> None:
        """Have a turn run soon if anything is missing and the connection has room."""
        if self._turn_wanted or self._behind() is None:
            return
        if self._actor.outbox.has_room:
            self._turn_wanted = True
            self._actor.ref.cast(c.ChannelsTurn())
        else:
            self._actor.want_room()

    def _behind(self) -> str | None:
        for channel, known in self._channels.items():
            if known.slot.head > known.handed:
                return channel
        return None

    async def turn(self) -> None:
        """Read a channel that is behind, and hand it on."""
        self._turn_wanted = False
        channel = self._behind()
        if channel is None:
            return
        known = self._channels[channel]
        first = known.handed + 1
        last = min(known.slot.head, known.handed + PULL_RECORDS)
        logs = self._actor.environment.logs
        records = await logs.read(channel, first, last)
        excerpt = Extract(tuple(records), await logs.targets(channel, records))
        if self._channels.get(channel) is known and known.handed == first - 1:
            # The next turn takes another channel if one is behind: none keeps the others waiting.
            self._channels[channel] = self._channels.pop(channel)
            self._hand_on(channel, known, excerpt, {})
        self.go_on()

    def _hand_on(
        self, channel: str, known: _Channel, excerpt: Excerpt, shared: dict[str, tuple[bytes, int]]
    ) -> None:
        codec = self._actor.codec
        present = self._actor.environment.logs.refreshed(channel, excerpt)
        if present is not excerpt:
            # Something was changed since it was encoded for all.
            shared = {}
        made = shared.get(codec.name)
        if made is None:
            made = shared[codec.name] = self._event(channel, known.epoch, present)
        event, known.handed = made
        self._actor.outbox.put_update(event)

    def _event(self, channel: str, epoch: int, excerpt: Excerpt) -> tuple[bytes, int]:
        """The event of as many records as fit into a frame, and the last of them."""
        codec = self._actor.codec
        room = room_in_frame(self._actor.environment.settings.limits)
        records = list(excerpt.records)
        while True:
            last = records[-1].n
            public = [record for record in records if is_public(record.fields)]
            shown = [encoded_as_of(record, codec, last) for record in public]
            changed = amended(public, excerpt.targets, first=1)
            beside = [encoded_as_of(record, codec, last) for record in changed]
            if len(records) == 1 or sum(map(len, shown)) + sum(map(len, beside)) <= room:
                break
            records = records[: len(records) // 2]
        parts = {
            "channel": codec.encode(channel),
            "epoch": codec.encode(epoch),
            "from": codec.encode(records[0].n),
            "to": codec.encode(last),
            "records": codec.array(shown),
        }
        if beside:
            parts["amended"] = codec.array(beside)
        ordinals = [r.fields["ordinal"] for r in records if "ordinal" in r.fields]
        if ordinals:
            parts["ordinal"] = codec.encode(ordinals[-1])
        return encode_event(codec, "posts", parts), last
