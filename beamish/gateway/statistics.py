"""What the gateway counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class GatewayStatistics:
    """Counters since the start; `connections`, `sessions` and `handshakes` are those open now.

    Attributes:
        accepted: TCP connections.
        connections: open TCP connections of any kind.
        sessions: open WebSocket connections.
        frames_in, frames_out, items_in, items_out: WebSocket messages and the items in them.
        bytes_in, bytes_out: their encoded size.
        rate_limited: commands refused for their rate.
        refused: connections refused before a session, by HTTP status.
        closed: ended WebSocket connections by close code; 1006 is one that broke off.
        handshakes: TLS handshakes under way now.
        handshakes_failed: of those that ended, the ones that came to nothing; `handshakes_refused`
            were not begun, since there were too many.
        faults: connections that ended by an exception of ours.
    """

    accepted: int = 0
    connections: int = 0
    sessions: int = 0
    frames_in: int = 0
    frames_out: int = 0
    items_in: int = 0
    items_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    rate_limited: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    handshakes: int = 0
    handshakes_failed: int = 0
    handshakes_refused: int = 0
    faults: int = 0
