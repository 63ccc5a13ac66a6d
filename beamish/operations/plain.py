"""Figures as JSON can hold them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


def plain(value: object) -> Any:
    """`value` as JSON can hold it: dataclasses as maps, anything unknown as its text."""
    if is_dataclass(value) and not isinstance(value, type):
        # Not `asdict`: it makes maps anew from pairs, and a Counter would count the pairs.
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
