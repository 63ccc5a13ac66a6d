"""A mapping drawn over another: what a batch would change, before anything is committed.

Deciding a command needs the effects of those before it in the same batch, yet state may change
only after the commit. A draft therefore writes into overlays and is thrown away; the committed
records are then applied to the state itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Overlay(Generic[K, V]):
    """Reads fall through to `base`; writes and deletions stay here. Values are never changed."""

    __slots__ = ("_base", "_changes", "_size")

    def __init__(self, base: dict[K, V]) -> None:
        self._base = base
        self._changes: dict[K, V | None] = {}
        self._size = len(base)

    def get(self, key: K) -> V | None:
        """The value of `key`, or None."""
        if key in self._changes:
            return self._changes[key]
        return self._base.get(key)

    def __contains__(self, key: K) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self:
            self._size += 1
        self._changes[key] = value

    def pop(self, key: K, default: V | None = None) -> V | None:
        """Remove `key`, giving what it held, or `default`."""
        found = self.get(key)
        if found is None:
            return default
        self._size -= 1
        self._changes[key] = None
        return found

    def __len__(self) -> int:
        return self._size

    def items(self) -> Iterator[tuple[K, V]]:
        """Every pair, those of the base first."""
        for key in [*self._base, *(k for k in self._changes if k not in self._base)]:
            value = self.get(key)
            if value is not None:
                yield key, value
