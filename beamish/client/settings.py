"""Times and bounds of a client; the defaults are those that the protocol recommends."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All times in seconds.

    `give_up`: without a login for so long the client fails with `Unreachable`; infinite: never.
    `backoff_first`, `backoff_cap`: attempt k (from 0) waits a random time between 0 and
    min(backoff_cap, backoff_first * 2**k); k is 0 again once a login has lasted `steady`.
    `connect_timeout`: for opening a socket and the WebSocket, and again until the node answers
    hello; `login_timeout`: until the login is answered, which may queue behind other people's
    password hashes.
    `ping_after`: so long nothing was received, a ping is sent; `ping_timeout`: without an answer to
    it, or when one write takes longer, the connection counts as dead.
    `ack_delay`: acknowledgements wait so long for later ones to join them.
    `event_limit`: records that may wait for the iterator; beyond it updates are fetched later.
    `max_pending`: unanswered commands in all conversations together (64 in each, always).
    `fill_from_history`: after a snapshot, read from history what this device lacks.
    `close_timeout`: for an orderly goodbye when the client is closed.
    """

    give_up: float = math.inf
    backoff_first: float = 0.5
    backoff_cap: float = 30.0
    steady: float = 30.0
    connect_timeout: float = 10.0
    login_timeout: float = 60.0
    ping_after: float = 20.0
    ping_timeout: float = 10.0
    ack_delay: float = 0.25
    event_limit: int = 4096
    max_pending: int = 4096
    fill_from_history: bool = True
    close_timeout: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what could never work.

        Raises:
            ValueError: a time or bound is not positive.
        """
        for name in self.__slots__:
            value = getattr(self, name)
            if name not in ("ack_delay", "fill_from_history", "backoff_first") and value <= 0:
                raise ValueError(f"Settings.{name} is {value}: give a number above 0")
