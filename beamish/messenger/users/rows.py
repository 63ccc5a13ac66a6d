"""A user's conversations as rows of a snapshot page, and the account as the first page tells it.

A receipt may be told before the first range of its conversation: the author's own inbox is served
like any other, perhaps later. Such a row (`last` is 0) cannot say what the conversation is; the
session asks the conversation itself and `complete`s it.
"""

from __future__ import annotations

from typing import Any

from beamish.messenger.messages import Description, Page
from beamish.messenger.users.state import UserState


def snapshot_page(state: UserState, after: str | None, limit: int) -> Page:
    """At most `limit` conversations with ids behind `after`."""
    names = sorted(c for c in state.conversations if after is None or c > after)
    page = names[:limit]
    rows = tuple(_row(state, conversation) for conversation in page)
    following = page[-1] if len(names) > limit else None
    return Page(state.version, rows, following, account_map(state) if after is None else None)


def account_map(state: UserState) -> dict[str, Any]:
    """The account as its own devices see it."""
    account = state.account
    return {
        "display": account.display,
        "status": account.status,
        "privacy": account.privacy._asdict(),
        "blocks": account.blocked,
        "subscriptions": [
            {"channel": channel, **known._asdict()}
            for channel, known in account.subscriptions.items()
        ],
    }


def _row(state: UserState, conversation: str) -> dict[str, Any]:
    held = state.conversations[conversation]
    row: dict[str, Any] = {
        "conversation": conversation,
        "kind": held.kind,
        "title": held.title,
        "open": held.open,
        "member": held.role is not None,
        "joined": held.joined,
        "last": held.held,
        "ordinal": held.ordinal,
        "at": held.at,
        "delivered": held.levels.delivered,
        "read": held.levels.read,
        "unread": held.unread.total,
        "mentions": 0 if held.mentions is None else len(held.mentions),
        **held.shown._asdict(),
        "receipts": [
            {"user": user, "delivered": levels.delivered, "read": levels.read}
            for user, levels in (held.receipts or {}).items()
        ],
    }
    if held.role is not None:
        row["role"] = held.role
    if not held.held:
        del row["at"]
    return row


def complete(row: dict[str, Any], user: str, found: Description) -> dict[str, Any]:
    """A row of which the inbox holds no range yet, with what the conversation says of itself."""
    settings = found.settings
    row = {**row, "kind": settings.kind, "title": settings.title, "open": settings.open}
    member = dict(found.members).get(user)
    if member is not None:
        row.update(member=True, role=member.role, joined=member.joined)
    return row
