"""Session tokens: who, which device, and a secret of 128 bits, in one opaque string.

The node keeps only the secret's sha256, so reading its disk gives nobody a login; digests are
compared by `same`, in the same time wherever they differ. A token costs no password hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import NamedTuple

SECRET_BYTES = 16
DEVICE_BYTES = 9


class Token(NamedTuple):
    """A token taken apart; `digest` is what the account holds of it."""

    user: str
    device: str
    digest: bytes


def new_device(secret: Callable[[int], bytes]) -> str:
    """A fresh device id: 12 characters of base64url."""
    return base64.urlsafe_b64encode(secret(DEVICE_BYTES)).decode("ascii")


def new_token(user: str, device: str, secret: Callable[[int], bytes]) -> tuple[str, bytes]:
    """A fresh token for a device, and the digest to keep; at most 128 characters."""
    key = secret(SECRET_BYTES)
    plain = user.encode() + b"\0" + device.encode() + b"\0" + key
    return base64.urlsafe_b64encode(plain).decode("ascii").rstrip("="), digest_of(key)


def read_token(text: str) -> Token | None:
    """A token's parts, or None for something that never was one."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        user, device, key = plain.split(b"\0", 2)
        if len(key) != SECRET_BYTES:
            return None
        return Token(user.decode("ascii"), device.decode("ascii"), digest_of(key))
    except (binascii.Error, ValueError):
        return None


def digest_of(key: bytes) -> bytes:
    """What is stored of a token's secret."""
    return hashlib.sha256(key).digest()


def same(known: bytes | None, given: bytes) -> bool:
    """Whether a device's digest is the one given, in constant time; False where there is none."""
    return known is not None and hmac.compare_digest(known, given)
