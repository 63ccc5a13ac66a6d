"""The gateway: one public port for the page, health checks and the WebSocket protocol.

    async with trio.open_nursery() as nursery:
        gateway = await open_gateway(nursery, "127.0.0.1", 8080, node, GatewayConfig(page=folder))
        print(gateway.http_url, gateway.ws_url)
        ...
        await gateway.close(1001, "shutting down")

`serve_connection` carries a `trio_websocket` connection that somebody else's server accepted.
The gateway knows the protocol's encodings and limits and `NodeLike`, nothing of the messenger.
"""

from beamish.gateway.config import GatewayConfig
from beamish.gateway.gateway import Gateway, open_gateway
from beamish.gateway.guest import serve_connection
from beamish.gateway.statistics import GatewayStatistics
from beamish.gateway.tls import TlsError, load_tls

__all__ = [
    "Gateway",
    "GatewayConfig",
    "GatewayStatistics",
    "TlsError",
    "load_tls",
    "open_gateway",
    "serve_connection",
]
