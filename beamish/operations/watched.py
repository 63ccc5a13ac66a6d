"""The parts of one running node that operators look at, together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from beamish.gateway import Gateway
    from beamish.node import Node
    from beamish.operations.monitor import Monitor


@dataclass(frozen=True, slots=True)
class Watched:
    """A node, its public port, and what watches both."""

    node: Node
    gateway: Gateway
    monitor: Monitor
