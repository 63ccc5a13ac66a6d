"""How a plan is played."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaySettings:
    """Times in seconds.

    `urls`: WebSocket addresses of nodes; each connection begins at a random one and goes elsewhere
    when it is lost.
    `speed`: log time per real time; None plays every line as soon as its turn comes (`--now`).
    `connections`: most users online at once; None: all.
    `give_up`: when no node could be reached for so long, the run ends.
    `quiet`: after the last line, what is due counts as lost when nothing came for so long while
    connected.
    `registering`, `reading`: so many users at once register at the start, read all at the end.
    """

    urls: tuple[str, ...]
    speed: float | None = None
    connections: int | None = None
    give_up: float = 60.0
    quiet: float = 30.0
    registering: int = 32
    reading: int = 16

    def __post_init__(self) -> None:
        """Refuse what could never work.

        Raises:
            ValueError: no address, or a number that is not positive.
        """
        if not self.urls:
            raise ValueError("A replay needs the address of a node: give at least one --url.")
        for name in ("speed", "connections", "give_up", "quiet", "registering", "reading"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value:g}: give a number above 0.")
