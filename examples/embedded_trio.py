"""A trio server with a messenger inside: its own accept loop, its own logins, its own voice.

    export SHOP_KEY="a long secret"
    python examples/embedded_trio.py serve 8000 data
    python examples/embedded_trio.py token alice      then connect, as alice and with any password,
                                                      to ws://127.0.0.1:8000/chat?token=...

The server checks a token of its own, from the query or a cookie, before it accepts a WebSocket, and
hands the connection to the node for that user: there are no passwords. It prints what happens, and
greets everybody who comes for the first time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import sys
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trio
from trio_websocket import WebSocketConnection, WebSocketRequest, wrap_server_stream

from beamish.embedding import (
    Limits,
    Node,
    NodeConfig,
    NotSent,
    SystemUser,
    UserOnline,
    open_node,
    serve_connection,
)

KEY = os.environ["SHOP_KEY"].encode()
SUBPROTOCOLS = ("beamish.msgpack", "beamish.json")
MAX_CONNECTIONS = 1_000
HANDSHAKE_S = 10.0


def token_of(user: str) -> str:
    """What the shop gives to a user who has logged in; here it never expires."""
    return f"{user}.{hmac.new(KEY, user.encode(), hashlib.sha256).hexdigest()}"


def user_of(request: WebSocketRequest) -> str | None:
    """Whose token a request carries, in its query or in a cookie; None: nobody's."""
    cookies: SimpleCookie = SimpleCookie(dict(request.headers).get(b"cookie", b"").decode("latin1"))
    given = parse_qs(urlsplit(request.path).query).get("token", [])
    token = given[0] if given else cookies["token"].value if "token" in cookies else ""
    user = token.rpartition(".")[0]
    return user if user and hmac.compare_digest(token.encode(), token_of(user).encode()) else None


async def accept(request: WebSocketRequest) -> tuple[str, WebSocketConnection] | None:
    """The user and the accepted WebSocket; None for a request that was rejected."""
    user = user_of(request)
    spoken = [name for name in SUBPROTOCOLS if name in request.proposed_subprotocols]
    if user is None or not spoken:
        await request.reject(401 if user is None else 400)
        return None
    return user, await request.accept(subprotocol=spoken[0])


async def visit(node: Node, places: trio.CapacityLimiter, stream: trio.SocketStream) -> None:
    """One connection, from its first byte to its last."""
    peer = stream.socket.getpeername()[0]
    try:
        async with places, trio.open_nursery() as nursery:
            with trio.move_on_after(HANDSHAKE_S) as handshake:
                request = await wrap_server_stream(
                    nursery, stream, max_message_size=Limits().frame_bytes
                )
                accepted = await accept(request)
            if accepted is not None and not handshake.cancelled_caught:
                user, socket = accepted
                await serve_connection(socket, node, user=user, peer=peer)
            nursery.cancel_scope.cancel()
    except* Exception as errors:  # a stranger's, or a fault of one connection: the others go on
        print(f"connection of {peer}: {errors.exceptions[0]!r}", flush=True)
    finally:
        await trio.aclose_forcefully(stream)


async def follow(node: Node, shop: SystemUser) -> None:
    """Print what happens; greet newcomers. The tag makes it one greeting, over restarts too."""
    async with node.events() as events:
        async for event in events:
            print(event, flush=True)
            match event:
                case UserOnline(user=user) if user != shop.name:
                    try:
                        await shop.send(user, f"Welcome to the shop, {user}!", tag="welcome")
                    except NotSent as error:
                        print(f"no greeting for {user}: {error}", flush=True)


async def main(port: int, data: str) -> None:
    """Serve until SIGINT or SIGTERM."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_node(NodeConfig(Path(data))) as node, trio.open_nursery() as nursery:
            shop = await node.system_user("shop", display="The Shop")
            nursery.start_soon(follow, node, shop)
            listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
            handler = partial(visit, node, trio.CapacityLimiter(MAX_CONNECTIONS))
            nursery.start_soon(trio.serve_listeners, handler, listeners)
            print("listening on", listeners[0].socket.getsockname()[1], flush=True)
            await anext(aiter(signals))
            nursery.cancel_scope.cancel()
    print("stopped", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "token":
        print(token_of(sys.argv[2]))
    else:
        trio.run(main, int(sys.argv[2]), sys.argv[3])
