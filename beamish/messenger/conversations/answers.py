"""What a conversation tells those who ask: as much as they may know.

A member learns of the latest stretch of the log, one who left of the stretch up to that, a stranger
of the bare existence of an open group.
"""

from __future__ import annotations

from dataclasses import replace

from beamish.messenger import messages as m
from beamish.messenger.channels.messages import Reader
from beamish.messenger.conversations.charter import link_id
from beamish.messenger.conversations.effects import Interval
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.ids import direct_users
from beamish.messenger.streams.visibility import Settings
from beamish.messenger.users.state import Levels


def description(
    state: ConversationState, question: m.Describe, now: int
) -> m.Description | Refusal:
    """Settings and members, at `now` in ms UTC."""
    user = question.user
    settings = Settings(state.kind, state.title, state.open)
    count = len(state.members)
    member = state.members.get(user)
    if member is not None:
        members = tuple(sorted(state.members.items()))
        told = m.Description(settings, state.version, members, state.charter, count)
        if member.role == "member":
            return told
        live = sorted((name, link) for name, link in state.links.items() if link.is_live(now))
        return replace(told, bans=tuple(sorted(state.bans)), links=tuple(live))
    if state.kind == "channel" and question.reader:
        return m.Description(settings, state.version, (), state.charter, count)
    if user not in state.bans and (state.open or _invited(state, question.link, now)):
        # Record 1 is all that this says; of later ones only those whom they concern may know.
        gone = state.former.get(user)
        version = 1 if gone is None else gone.last
        return m.Description(settings, version, (), state.charter, count)
    return stranger(state, user)


def channel_reader(
    state: ConversationState,
    user: str,
    *,
    subscribed: bool,
    link: str | None = None,
    now: int = 0,
) -> Reader | Refusal:
    """What `user` may read of a channel: staff, subscribers, everybody if it is public.

    Whoever has a link that lives at `now` may look before subscribing. The banned see nothing.
    """
    settings = Settings(state.kind, state.title, state.open)
    last, ordinal = state.version, state.ordinal
    if state.kind != "channel":
        return Refusal("not_found", f"there is no channel {state.conversation}")
    if user in state.members:
        return Reader(settings, 1, last, ordinal, staff=True)
    if user in state.bans:
        return Refusal("forbidden", "you are banned from this channel")
    if state.open or subscribed or _invited(state, link, now):
        return Reader(settings, 1, last, ordinal, staff=False)
    return Refusal("not_member", f"{state.conversation} is read by its subscribers only")


def _invited(state: ConversationState, secret: str | None, now: int) -> bool:
    link = None if secret is None else state.links.get(link_id(secret))
    return link is not None and link.is_live(now)


def marks_of(
    state: ConversationState, known: dict[str, Levels], question: m.MarksOf
) -> tuple[tuple[str, Levels], ...] | Refusal:
    """How far the others have come, `known` being all levels of the group."""
    interval = readable_by(state, question.user)
    if isinstance(interval, Refusal):
        return interval
    if not interval.first <= question.n <= interval.last:
        return Refusal("not_found", f"you cannot see a record {question.n} here")
    return tuple(
        (user, _as_seen(known.get(user, Levels(0, 0)), interval))
        for user, joined in sorted(fellows(state, question.user, interval).items())
        if joined <= question.n
    )


def fellows(state: ConversationState, user: str, interval: Interval) -> dict[str, int]:
    """The other members since when, for one who left: those at that time who did not join anew."""
    joined = {other: member.joined for other, member in state.members.items()}
    if user not in joined:
        gone = state.former.items()
        joined |= {other: theirs.first for other, theirs in gone if theirs.last > interval.last}
    joined.pop(user, None)
    return joined


def _as_seen(levels: Levels, interval: Interval) -> Levels:
    """Somebody's levels as far as they speak of records that the asker may see."""
    seen = [min(level, interval.last) if level >= interval.first else 0 for level in levels]
    return Levels(*seen)


def readable_by(state: ConversationState, user: str) -> Interval | Refusal:
    """The interval that `user` may read, or why there is none."""
    return state.readable(user) or stranger(state, user)


def stranger(state: ConversationState, user: str) -> Refusal:
    """Why somebody who never was a member learns nothing."""
    pair = direct_users(state.conversation)
    if not state.kind and (pair is None or user in pair):
        return Refusal("not_found", f"there is no conversation {state.conversation}")
    return Refusal(
        "not_member",
        f"you are not a member of {state.conversation}"
        + ("" if pair else ": join it, or have somebody invite you"),
    )
