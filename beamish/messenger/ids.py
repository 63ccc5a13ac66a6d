"""Names of users, conversations and streams, and how ids derive from what they name.

A direct conversation's id is a function of its two users, a group's id a function of the command
that creates it, so that a resent creation meets its own first attempt. Streams carry the id, so a
name is bounded long before the journal's limit on stream names.
"""

from __future__ import annotations

import base64
import hashlib
import re

USER_STREAM = "u/"
CONVERSATION_STREAM = "c/"
MARKS_SUFFIX = "#marks"

ACCOUNT_LANE = "@"
"""What stands for a conversation's id in commands to the own account."""

_USER = re.compile(r"[a-z0-9._-]{1,64}")
_GROUP = re.compile(r"g:[a-z2-7]{24}")
_CHANNEL = re.compile(r"c:[a-z2-7]{24}")


def is_user_name(text: str) -> bool:
    """Whether `text` may name a user: 1 to 64 characters of `a-z 0-9 . _ -`."""
    return _USER.fullmatch(text) is not None


def direct_id(one: str, other: str) -> str:
    """The id of the direct conversation of two users, the same whoever asks."""
    first, second = sorted((one, other))
    return f"d:{first}:{second}"


def direct_users(conversation: str) -> tuple[str, str] | None:
    """The two users of a direct conversation's id, or None when it is not one in normal form."""
    parts = conversation.split(":")
    if len(parts) != 3 or parts[0] != "d" or parts[1] >= parts[2]:
        return None
    if not (is_user_name(parts[1]) and is_user_name(parts[2])):
        return None
    return parts[1], parts[2]


def is_group_id(conversation: str) -> bool:
    """Whether `conversation` has the form of a group's id."""
    return _GROUP.fullmatch(conversation) is not None


def is_channel_id(conversation: str) -> bool:
    """Whether `conversation` has the form of a channel's id."""
    return _CHANNEL.fullmatch(conversation) is not None


def is_conversation_id(conversation: str) -> bool:
    """Whether `conversation` has the form of any conversation's id."""
    return (
        is_group_id(conversation)
        or is_channel_id(conversation)
        or direct_users(conversation) is not None
    )


def group_id(user: str, device: str, tag: str) -> str:
    """The id of the group that the command `tag` of this user's device creates."""
    return "g:" + _derived(user, device, tag, b"beamish-group")


def channel_id(user: str, device: str, tag: str) -> str:
    """The id of the channel that the command `tag` of this user's device creates."""
    return "c:" + _derived(user, device, tag, b"beamish-channel")


def _derived(user: str, device: str, tag: str, person: bytes) -> str:
    source = f"{user}/{device}/{tag}".encode()
    digest = hashlib.blake2b(source, digest_size=15, person=person).digest()
    return base64.b32encode(digest).decode("ascii").lower()


def user_stream(user: str) -> str:
    """The stream that holds a user's inbox."""
    return USER_STREAM + user


def conversation_stream(conversation: str) -> str:
    """The stream that holds a conversation's log."""
    return CONVERSATION_STREAM + conversation


def marks_stream(conversation: str) -> str:
    """The stream that holds the levels of a group's members; it shares the log's hash slot."""
    return CONVERSATION_STREAM + conversation + MARKS_SUFFIX


def owner_of_stream(stream: str) -> tuple[str, str] | None:
    """The actor that works on a stream, as `(kind, key)`; None for a stream of another making."""
    if stream.startswith(USER_STREAM):
        return "user", stream[len(USER_STREAM) :]
    if stream.startswith(CONVERSATION_STREAM):
        return "conversation", stream[len(CONVERSATION_STREAM) :].removesuffix(MARKS_SUFFIX)
    return None
