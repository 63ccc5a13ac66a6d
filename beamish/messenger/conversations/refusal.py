"""Why something was not done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command was not executed and left no trace. `code` is one of the protocol's error codes.

    `expected` accompanies the code "expected": the number that the device has to use next.
    """

    code: str
    message: str
    expected: int | None = None
    retry_after_ms: int | None = None
