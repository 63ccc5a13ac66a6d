"""Carrying a WebSocket that somebody else's server accepted.

The host has checked the request, chosen one of our subprotocols and accepted; it keeps its own
bounds on heads, connections and message sizes. From there on the connection is one like ours. Where
the host has found out already who is there, it says so, and nobody else may log in.
"""

from __future__ import annotations

from inspect import isawaitable

import trio
from trio_websocket import WebSocketConnection

from beamish.gateway.connection import BROKE_OFF, Connection
from beamish.gateway.statistics import GatewayStatistics
from beamish.gateway.stream import short_reason
from beamish.protocol import validators
from beamish.protocol.codec import codecs
from beamish.protocol.errors import Refusal
from beamish.protocol.limits import DEFAULT_LIMITS, Limits
from beamish.protocol.session import NodeLike, Vouched

SWEEP_SECONDS = 1.0


async def serve_connection(
    socket: WebSocketConnection,
    node: NodeLike,
    *,
    peer: str = "embedded",
    user: str | None = None,
    display: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    statistics: GatewayStatistics | None = None,
) -> tuple[int, str]:
    """Give an accepted connection a session of `node`; returns how it ended, closed.

    Args:
        socket: accepted with `subprotocol` "beamish.msgpack" or "beamish.json".
        node: gives the session.
        peer: the client's address, for the node's logs and limits.
        user: who this is, where the host knows: only this user may log in on the connection, by
            whatever password or by a token of this user's.
        display: the name to show of a user who is new to the node; `user` if left out.
        limits: of the protocol. Give trio-websocket `max_message_size=limits.frame_bytes`.
        statistics: counted into, where given.

    Returns:
        Close code and reason; 1006 for a connection that broke off.

    Raises:
        ValueError: the connection has another subprotocol, or a name breaks a rule.
        Refusal: the node takes no sessions now; the connection is left open.
    """
    codec = codecs(limits).get(socket.subprotocol or "")
    if codec is None:
        raise ValueError(
            f"accept the connection with subprotocol beamish.json or beamish.msgpack,"
            f" not {socket.subprotocol!r}"
        )
    if user is None:
        opened = node.open_session(codec, peer)
    else:
        opened = node.open_session(codec, peer, _vouched(user, display, limits))
    session = await opened if isawaitable(opened) else opened
    connection = Connection(socket, codec, session, statistics or GatewayStatistics())
    end = (BROKE_OFF, "")
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_sweep, connection)
            end = await connection.run(nursery)
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            if end[0] != BROKE_OFF:
                with trio.move_on_after(3.0):
                    await socket.aclose(end[0], short_reason(end[1]))
            await session.disconnected()
    return end


def _vouched(user: str, display: str | None, limits: Limits) -> Vouched:
    try:
        validators.user(user, limits, "the user's name")
        if display is not None:
            validators.display(display, limits, "the display name")
    except Refusal as refusal:
        raise ValueError(refusal.message) from None
    return Vouched(user, user if display is None else display)


async def _sweep(connection: Connection) -> None:
    while True:
        await trio.sleep(SWEEP_SECONDS)
        connection.sweep(trio.current_time())
