"""The admin port: metrics, figures and health for operators and their programs.

    GET /metrics        what Prometheus scrapes
    GET /status.json    what `beamish status --json` prints
    GET /health/live, /health/ready   as on the public port

It is a gateway of its own that takes no sessions, so heads, times and numbers are bounded as there,
and on a loopback address it answers to loopback names alone. It knows no passwords: whoever reaches
it reads all of it, so a public address has to be asked for twice (`admin-public`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from beamish.gateway import Gateway, GatewayConfig, open_gateway
from beamish.operations.metrics import registry_of
from beamish.operations.plain import plain
from beamish.operations.survey import Survey
from beamish.protocol import Codec, Refusal

if TYPE_CHECKING:
    import trio

    from beamish.node import Node
    from beamish.operations.figures import Figures
    from beamish.operations.watched import Watched
    from beamish.protocol.session import Vouched

MOST_CONNECTIONS = 64


class NoSessions:
    """What stands behind the admin port: as ready as the node, and open to nobody's session."""

    def __init__(self, node: Node) -> None:
        self.ready = node.ready

    def open_session(self, _codec: Codec, _peer: str, _vouched: Vouched | None = None) -> NoReturn:
        """Raises Refusal."""
        raise Refusal("forbidden", "this is the admin port: sessions are on the other one")


async def open_admin(
    nursery: trio.Nursery, address: tuple[str, int], watched: Watched, figures: Figures
) -> Gateway:
    """Listen on a host and port (0: any free one).

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    survey = Survey(watched.node.system)
    registry = registry_of(watched, survey)

    async def metrics() -> tuple[str, bytes]:
        await survey.take()
        return CONTENT_TYPE_LATEST, generate_latest(registry)

    async def status() -> tuple[str, bytes]:
        told = {name: plain(value) for name, value in figures().items()}
        return "application/json", json.dumps(told, indent=2).encode() + b"\n"

    config = GatewayConfig(
        documents={"/metrics": metrics, "/status.json": status},
        max_connections=MOST_CONNECTIONS,
        max_per_address=MOST_CONNECTIONS,
    )
    return await open_gateway(nursery, *address, NoSessions(watched.node), config)
