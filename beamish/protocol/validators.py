"""Checks of single fields: each takes a decoded value and returns it, or raises `Refusal`.

The forms are those of section 5 of `docs/protocol.md`. A `Check` gets the limits in force and the
field's name, so that its sentence can name both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from beamish.protocol.errors import ErrorCode, Refusal
from beamish.protocol.limits import MAX_INTEGER, Limits

Check = Callable[[Any, Limits, str], Any]

_USER = re.compile(r"[a-z0-9._-]{1,64}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_GROUP = re.compile(r"[cg]:[a-z2-7]{1,64}")
_CHANNEL = re.compile(r"c:[a-z2-7]{1,64}")
_LINK_SECRET = re.compile(r"[A-Za-z0-9_-]{22,64}")
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{16}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Halves of surrogate pairs, which no frame can hold, come from arguments that are no UTF-8."""

DISPLAY_CHARACTERS = 64
TITLE_CHARACTERS = 128
STATUS_CHARACTERS = 140
EMOJI_CHARACTERS = 16
EMOJI_BYTES = 64
PASSWORD_CHARACTERS = (8, 256)
DESCRIPTION_CHARACTERS = 512
ROLES = ("owner", "admin", "member")


def bad_request(message: str, field: str) -> Refusal:
    """A refusal that names the field at fault."""
    return Refusal(ErrorCode.BAD_REQUEST, message, field=field)


def is_user_name(name: object) -> bool:
    """Whether this may be a user's name."""
    return type(name) is str and _USER.fullmatch(name) is not None


def is_conversation(conversation: object) -> bool:
    """Whether this has the form of a conversation's id, a direct one in normal order."""
    if type(conversation) is not str:
        return False
    if conversation.startswith("d:"):
        parts = conversation.split(":")
        return len(parts) == 3 and parts[1] < parts[2] and all(map(is_user_name, parts[1:]))
    return _GROUP.fullmatch(conversation) is not None


def string(value: Any, _limits: Limits, field: str) -> str:
    """Any string."""
    if type(value) is not str:
        raise bad_request(f"{field} must be a string", field)
    return value


def boolean(value: Any, _limits: Limits, field: str) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise bad_request(f"{field} must be true or false", field)
    return value


def integer(least: int = 0, most: Callable[[Limits], int] | int = MAX_INTEGER) -> Check:
    """An integer from `least` to `most`; `most` may be one of the limits."""

    def check(value: Any, limits: Limits, field: str) -> int:
        greatest = most if isinstance(most, int) else most(limits)
        if type(value) is not int or not least <= value <= greatest:
            raise bad_request(f"{field} must be an integer from {least} to {greatest}", field)
        return value

    return check


def matching(pattern: re.Pattern[str], form: str) -> Check:
    """A string that matches `pattern`; `form` says in words what that is."""

    def check(value: Any, _limits: Limits, field: str) -> str:
        if type(value) is not str or pattern.fullmatch(value) is None:
            raise bad_request(f"{field} must be {form}", field)
        return value

    return check


user = matching(_USER, "1 to 64 characters of a-z 0-9 . _ -")
tag = matching(_TAG, "a random string of 1 to 32 characters of A-Z a-z 0-9 _ -")


link_secret = matching(_LINK_SECRET, "22 to 64 characters of A-Z a-z 0-9 _ -, chosen at random")
link_id = matching(_LINK_ID, "the id of a link, 16 characters of A-Z a-z 0-9 _ -")


def token(value: Any, limits: Limits, field: str) -> str:
    """A session token; a string that cannot be one is a wrong one, not a malformed field."""
    text = string(value, limits, field)
    if _TOKEN.fullmatch(text) is None:
        raise Refusal(ErrorCode.BAD_CREDENTIALS, "this token is not valid: log in with a password")
    return text


def conversation(value: Any, _limits: Limits, field: str) -> str:
    """The id of a conversation."""
    if not is_conversation(value):
        raise bad_request(
            f"{field} must be d:<user>:<user>, two different users with the smaller name first,"
            " or the id of a group or channel",
            field,
        )
    return str(value)


channel = matching(_CHANNEL, "the id of a channel")


def cursors(value: Any, limits: Limits, field: str) -> tuple[tuple[str, int], ...]:
    """Channels, each once, with the number of the last record that a client has of each."""
    if type(value) is not list or any(type(entry) is not dict for entry in value):
        raise bad_request(f"{field} must be an array of maps with channel and after", field)
    if len(value) > limits.followed:
        raise Refusal(
            ErrorCode.TOO_LARGE,
            f"{field} has more than {limits.followed} channels",
            field=field,
            limit=limits.followed,
        )
    number = integer()
    rows = [
        (channel(entry.get("channel"), limits, field), number(entry.get("after"), limits, field))
        for entry in value
    ]
    if len(dict(rows)) != len(rows):
        raise bad_request(f"{field} must name each channel once", field)
    return tuple(rows)


def label(most: int) -> Check:
    """Text that is shown in one line: 1 to `most` characters, no control characters, trimmed."""

    def check(value: Any, _limits: Limits, field: str) -> str:
        if type(value) is not str or not 1 <= len(value) <= most:
            raise bad_request(f"{field} must have 1 to {most} characters", field)
        if _CONTROL.search(value) or value != value.strip():
            raise bad_request(
                f"{field} must not hold control characters or begin or end with a blank", field
            )
        return value

    return check


display = label(DISPLAY_CHARACTERS)
title = label(TITLE_CHARACTERS)


_BREAKS = str.maketrans("", "", "\n\t")


def description(value: Any, _limits: Limits, field: str) -> str:
    """Text of some lines, or none."""
    if type(value) is not str or len(value) > DESCRIPTION_CHARACTERS:
        raise bad_request(f"{field} must have at most {DESCRIPTION_CHARACTERS} characters", field)
    if _CONTROL.search(value.translate(_BREAKS)):
        raise bad_request(f"{field} must not hold control characters but line breaks", field)
    return value


def password(value: Any, _limits: Limits, field: str) -> str:
    """A password, at registration and login."""
    least, most = PASSWORD_CHARACTERS
    if type(value) is not str or not least <= len(value) <= most:
        raise bad_request(f"{field} must have {least} to {most} characters", field)
    return value


def text(value: Any, limits: Limits, field: str) -> str:
    """A message's text, kept unaltered."""
    if type(value) is not str or not value:
        raise bad_request(f"{field} must be a string that is not empty", field)
    most = limits.text_bytes
    # A character has at most four bytes: short texts, nearly all, need not be encoded to be sure.
    if 4 * len(value) > most and len(value.encode("utf-8")) > most:
        raise Refusal(
            ErrorCode.TOO_LARGE,
            f"{field} has more than {most} bytes: send it in parts",
            field=field,
            limit=most,
        )
    return value


def one_of(*names: str) -> Check:
    """One of a few strings."""

    def check(value: Any, _limits: Limits, field: str) -> str:
        if type(value) is not str or value not in names:
            raise bad_request(f"{field} must be {' or '.join(map(repr, names))}", field)
        return value

    return check


def emoji(value: Any, _limits: Limits, field: str) -> str:
    """A reaction: a few visible characters, or none."""
    most, most_bytes = EMOJI_CHARACTERS, EMOJI_BYTES
    if type(value) is not str or len(value) > most or len(_utf8(value)) > most_bytes:
        raise bad_request(f"{field} must have at most {most} characters, {most_bytes} bytes", field)
    if _CONTROL.search(value) or any(map(str.isspace, value)):
        raise bad_request(f"{field} must not hold blanks or control characters", field)
    return value


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def role(value: Any, _limits: Limits, field: str) -> str:
    """A role in a group."""
    if value not in ROLES:
        raise bad_request(f"{field} must be one of {', '.join(ROLES)}", field)
    return str(value)


audience = one_of("everyone", "shared", "nobody")
account_lane = one_of("@")


def status(value: Any, _limits: Limits, field: str) -> str:
    """What somebody says of themselves in one line; may be empty."""
    return "" if value == "" else str(label(STATUS_CHARACTERS)(value, _limits, field))


def versions(value: Any, _limits: Limits, field: str) -> tuple[int, ...]:
    """The protocol versions that a client speaks."""
    if type(value) is not list or not 1 <= len(value) <= 16:
        raise bad_request(f"{field} must be an array of 1 to 16 integers", field)
    if any(type(version) is not int for version in value):
        raise bad_request(f"{field} must hold integers", field)
    return tuple(value)


def distinct_users(most: Callable[[Limits], int]) -> Check:
    """Distinct user names, at most as many as a limit says."""

    def check(value: Any, limits: Limits, field: str) -> tuple[str, ...]:
        if type(value) is not list:
            raise bad_request(f"{field} must be an array of user names", field)
        limit = most(limits)
        if len(value) > limit:
            raise Refusal(
                ErrorCode.TOO_LARGE,
                f"{field} has more than {limit} names",
                field=field,
                limit=limit,
            )
        names = tuple(user(name, limits, field) for name in value)
        if len(set(names)) != len(names):
            raise bad_request(f"{field} must name each user once", field)
        return names

    return check


users = distinct_users(lambda limits: limits.array)
mentions = distinct_users(lambda limits: limits.mentions)


def few(of: Check, most: int) -> Check:
    """A list of up to `most` different things."""

    def check(value: Any, limits: Limits, field: str) -> tuple[Any, ...]:
        if type(value) is not list or len(value) > most:
            raise bad_request(f"{field} must be an array of at most {most}", field)
        things = tuple(of(thing, limits, field) for thing in value)
        if len(set(things)) != len(things):
            raise bad_request(f"{field} must name each once", field)
        return things

    return check
