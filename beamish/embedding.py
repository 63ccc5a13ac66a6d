"""What a program needs to have a messenger inside: the public names, from one place.

    async with open_node(NodeConfig(data=Path("data"), authenticate=...)) as node:
        await serve_connection(socket, node, user="alice")     # a connection of the own server
        async with node.events() as events: ...                # what happens
        helpdesk = await node.system_user("helpdesk")          # who speaks for the program

The contracts stand where the names come from: `beamish.messenger.sessions.host_login`,
`beamish.gateway.guest`, `beamish.messenger.events`, `beamish.messenger.system_user`. The page
"A messenger in your program" of the documentation shows them at work.
"""

from beamish.gateway import GatewayConfig, open_gateway, serve_connection
from beamish.messenger.events import (
    ConversationChanged,
    Event,
    EventsDropped,
    EventStream,
    MembersChanged,
    MessageAppended,
    UserOffline,
    UserOnline,
)
from beamish.messenger.sessions.host_login import Authenticate
from beamish.messenger.settings import MessengerSettings
from beamish.messenger.system_user import MaybeSent, NotSent, Sent, SystemUser
from beamish.node import Node, NodeConfig, NodeFailed, open_node
from beamish.protocol import Limits

__all__ = [
    "Authenticate",
    "ConversationChanged",
    "Event",
    "EventStream",
    "EventsDropped",
    "GatewayConfig",
    "Limits",
    "MaybeSent",
    "MembersChanged",
    "MessageAppended",
    "MessengerSettings",
    "Node",
    "NodeConfig",
    "NodeFailed",
    "NotSent",
    "Sent",
    "SystemUser",
    "UserOffline",
    "UserOnline",
    "open_gateway",
    "open_node",
    "serve_connection",
]
