"""Counting a stretch of the log again, where a read mark lands among messages not known one by one.

See `unread`. Which deletions were told to the user depends on how long the membership lasted in
which the last record of the stretch stands. Mostly it is the present one; if not, its end is looked
for behind the stretch, and only if a deletion there makes a difference.
"""

from __future__ import annotations

from beamish.messenger.streams.log_reader import LogReader
from beamish.messenger.streams.records import Record, role_change
from beamish.messenger.users.state import UserState
from beamish.messenger.users.unread import seen_above

PAGE = 512
"""Records looked at together."""


async def count_seen(
    state: UserState, logs: LogReader, conversation: str, stretch: tuple[int, int]
) -> int:
    """How many records of `stretch` are unread messages of others; raises JournalUnavailable."""
    held = state.conversations[conversation]
    records = await logs.read(conversation, *stretch)
    until = held.held
    if stretch[1] < held.joined and _deleted_later(records):
        until = await _end_of_membership(state.user, logs, conversation, stretch[1], held.joined)
    return seen_above(state.user, records, until)


def _deleted_later(records: list[Record]) -> bool:
    return any(record.fields.get("deleted", 0) > records[-1].n for record in records)


async def _end_of_membership(
    user: str, logs: LogReader, conversation: str, member_at: int, joined: int
) -> int:
    """The record by which the membership ended that `user` had at `member_at`, before `joined`."""
    for first in range(member_at + 1, joined, PAGE):
        last = min(first + PAGE, joined) - 1
        for record in await logs.read(conversation, first, last):
            changed, role = role_change(record.fields, user)
            if changed and role is None:
                return record.n
    return joined - 1
