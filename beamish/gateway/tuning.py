"""What makes trio-websocket cheaper for us: its one private name that we touch.

After the handshake wsproto keeps the whole HTTP machinery of it beside the connection, and goes
through it for every event. The connection alone has the same methods. Where a future version has
no such attributes nothing happens, and `tests/beamish/gateway/test_tuning.py` says so.
"""

from __future__ import annotations

from trio_websocket import WebSocketConnection
from wsproto import WSConnection


def drop_handshake(socket: WebSocketConnection) -> bool:
    """Let go of what an open connection keeps of its handshake; whether there was something."""
    protocol = getattr(socket, "_wsproto", None)
    if not isinstance(protocol, WSConnection) or protocol.connection is None:
        return False
    socket._wsproto = protocol.connection  # type: ignore[assignment]
    return True
