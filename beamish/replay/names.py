"""User names for nicks: an injective escape into `[a-z0-9._-]{1,64}`.

Nicks differ by case only, hold brackets, bars, spaces and any script, so each byte of a nick's
UTF-8 form becomes one self-delimiting code:

    a-z 0-9 -      itself
    A-Z            "." and the small letter
    _              "__"
    any other      "_" and two hexadecimal digits

No code is the beginning of another, hence different nicks have different names. A name that would
be too long keeps its beginning and ends in `_.` (which no code produces) and 26 base-32 characters
of the nick's BLAKE2b digest. Every name ends in `.` and the tag of the run, so that a second run on
the same node meets fresh names: the tag has no dot, so the last dot delimits it.
"""

from __future__ import annotations

import base64
import hashlib
import random
import string

LONGEST_NAME = 64
RUN_TAG_LENGTH = 6
_DIGEST_BYTES = 16
_TAG_ALPHABET = string.ascii_lowercase + string.digits
_PLAIN = frozenset((string.ascii_lowercase + string.digits + "-").encode())
_CAPITAL = frozenset(string.ascii_uppercase.encode())


def fresh_run_tag(source: random.Random) -> str:
    """A tag for one run, drawn from `source`: 6 characters, 31 bits."""
    return "".join(source.choice(_TAG_ALPHABET) for _ in range(RUN_TAG_LENGTH))


def escape_nick(nick: str, longest: int = LONGEST_NAME) -> str:
    """The escaped form of `nick`, at most `longest` (at least 32) characters.

    Raises ValueError for an empty nick, which cannot name anybody.
    """
    if not nick:
        raise ValueError("A nick must have at least one character to become a user name.")
    data = nick.encode("utf-8", "surrogatepass")
    codes = [_code(byte) for byte in data]
    if sum(map(len, codes)) <= longest:
        return "".join(codes)
    digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
    tail = "_." + base64.b32encode(digest).decode().rstrip("=").lower()
    head = ""
    for code in codes:
        if len(head) + len(code) + len(tail) > longest:
            break
        head += code
    return head + tail


def user_name(nick: str, run_tag: str) -> str:
    """The user name of `nick` in the run tagged `run_tag` (which must have no dot)."""
    suffix = "." + run_tag
    return escape_nick(nick, LONGEST_NAME - len(suffix)) + suffix


def _code(byte: int) -> str:
    if byte in _PLAIN:
        return chr(byte)
    if byte in _CAPITAL:
        return "." + chr(byte).lower()
    if byte == ord("_"):
        return "__"
    return f"_{byte:02x}"
