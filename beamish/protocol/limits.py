"""The protocol's limits: one value for each name in section 13 of `docs/protocol.md`.

`hello` tells them to clients under these names. All are integers; `*_bytes` are bytes, `*_ms`
milliseconds, the rest counts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

MAX_INTEGER = 2**53 - 1
"""The greatest integer on the wire: what every JSON implementation holds exactly."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force on a node. Raises ValueError for a value that could not work."""

    frame_bytes: int = 262_144
    server_frame_bytes: int = 1_048_576
    items: int = 256
    depth: int = 8
    array: int = 1_024
    map: int = 32
    text_bytes: int = 16_384
    unanswered: int = 64
    members: int = 1_024
    receipts_each: int = 32
    mentions: int = 32
    reactions: int = 256
    devices: int = 16
    inbox: int = 10_000
    fetch_items: int = 500
    history_records: int = 200
    snapshot_rows: int = 200
    followed: int = 256
    commands_per_s: int = 1_000
    burst: int = 2_000
    login_timeout_ms: int = 10_000
    ping_interval_ms: int = 20_000
    ping_timeout_ms: int = 20_000
    write_timeout_ms: int = 20_000

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 1 <= value <= MAX_INTEGER:
                raise ValueError(f"the limit {name} must be from 1 to 2^53 - 1, not {value}")
        if self.text_bytes * 2 > self.frame_bytes:
            raise ValueError(
                f"text_bytes ({self.text_bytes}) must be at most half of frame_bytes"
                f" ({self.frame_bytes}): a text has to fit into a frame, escaped"
            )

    def as_map(self) -> dict[str, int]:
        """The limits as `hello` tells them."""
        return asdict(self)


DEFAULT_LIMITS = Limits()
