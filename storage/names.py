"""Stream names and the slots they belong to.

A name is text of 1 to 400 bytes in UTF-8 without NUL. The bound leaves room in an engine's keys
(LMDB's end at 511 bytes) for a prefix of the engine's own.

Every name belongs to one of a fixed number of slots, by a hash of the part before the first ``#``:
streams that differ only behind it (``c/x`` and ``c/x#marks``) share a slot and so, in a cluster, an
owner. The number of slots is fixed when a data directory is made, since the index of pending work
is ordered by slot.
"""

from __future__ import annotations

from hashlib import blake2b

SLOTS = 4096
"""Slots of a directory made by this version. At most 65,536: an index key gives a slot 2 bytes."""

MAX_NAME_BYTES = 400


def slot_of(stream: str, slots: int = SLOTS) -> int:
    """The slot of a stream name, 0 <= slot < ``slots``; the same on every machine and run."""
    owner = stream.partition("#")[0].encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(owner, digest_size=8).digest(), "big") % slots


def name_fault(stream: str) -> str | None:
    """A sentence that says why this cannot name a stream, or None if it can."""
    if not stream:
        return "a stream's name is empty; give it at least one character"
    try:
        size = len(stream.encode())
    except UnicodeEncodeError:
        return "a stream's name holds a lone surrogate; use text that UTF-8 can encode"
    if size > MAX_NAME_BYTES:
        return f"a stream's name has {size} bytes in UTF-8; use at most {MAX_NAME_BYTES}"
    if "\0" in stream:
        return "a stream's name holds a NUL character; leave it out"
    return None
