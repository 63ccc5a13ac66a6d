"""What commands and questions give: immutable named tuples, as the events are.

`result_of` finds the form of a numbered command's answer again from what a store keeps of it, so
that a command of an earlier program is answered as one of this.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from beamish.client.events import Record
from beamish.client.wire import Item

FOREVER = 2**53 - 1
"""As `muted_until`: until it is changed."""


class Sent(NamedTuple):
    """The node holds the message on disk: its record number and ordinal, and the server's time."""

    conversation: str
    n: int
    ordinal: int
    at: int


class Changed(NamedTuple):
    """The node holds a change on disk as record `n` of `conversation`.

    Of a change to the account `conversation` is `"@"` and `n` a number in the user's inbox.
    """

    conversation: str
    n: int
    at: int


class Link(NamedTuple):
    """An invitation link. Whoever has `secret` may join; `id` is what everybody may know of it."""

    conversation: str
    n: int
    at: int
    secret: str
    id: str


class ReadState(NamedTuple):
    """The own read mark (a record number), and the unread messages and mentions above it."""

    read: int
    unread: int
    mentions: int = 0


class Page(NamedTuple):
    """A page of history: records in ascending order; `more`: there are others beyond.

    `amended`: records that are not in the page and were changed by touches that are.
    """

    records: list[Record]
    more: bool
    amended: list[Record]


class Device(NamedTuple):
    """One of the user's devices: when it logged in and was last used (ms), whether it asks now."""

    device: str
    name: str
    at: int
    seen: int
    connected: bool
    current: bool


class Account(NamedTuple):
    """What the user has set, on any device.

    `last_seen`: who may know of it, "everyone", "shared" or "nobody". `subscriptions`: maps
    `{channel, since, read, ordinal}`.
    """

    display: str
    status: str
    last_seen: str
    read_marks: bool
    blocks: list[str]
    subscriptions: list[dict[str, Any]]


def link_id(secret: str) -> str:
    """The id by which everybody may know a link with this secret."""
    return base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode()[:16]


def sent_from(ok: Item) -> Sent:
    """The result of `send`."""
    return Sent(ok["conversation"], ok["n"], ok["ordinal"], ok["at"])


def changed_from(ok: Item) -> Changed:
    """The result of most numbered commands."""
    return Changed(ok["conversation"], ok["n"], ok["at"])


def link_from(secret: str, ok: Item) -> Link:
    """The result of `create_link`."""
    return Link(ok["conversation"], ok["n"], ok["at"], secret, link_id(secret))


def result_of(command: str, fields: Item) -> Callable[[Item], Any]:
    """What makes the result of a numbered command from its `ok`."""
    if command == "send":
        return sent_from
    if command == "create_link":
        return partial(link_from, fields["link"])
    return changed_from


def page_from(ok: Item) -> Page:
    """The result of `history`."""
    return Page(ok["records"], ok["more"], ok.get("amended") or [])


def account_from(told: Item) -> Account:
    """The `account` of a snapshot; what a node does not tell is as nobody has set it."""
    privacy = told.get("privacy") or {}
    return Account(
        told.get("display", ""),
        told.get("status", ""),
        privacy.get("last_seen", "everyone"),
        privacy.get("read_marks", True),
        list(told.get("blocks") or ()),
        list(told.get("subscriptions") or ()),
    )
