"""The commands of the protocol as typed values, and `parse`, which makes them of decoded items."""

from beamish.protocol.commands.account import (
    Block,
    OnAccount,
    SetConversation,
    SetPrivacy,
    SetProfile,
    Unblock,
)
from beamish.protocol.commands.channels import (
    CreateChannel,
    Follow,
    Subscribe,
    Unsubscribe,
)
from beamish.protocol.commands.command import (
    Command,
    InConversation,
    Numbered,
)
from beamish.protocol.commands.devices import (
    DeleteAccount,
    Devices,
    LogoutEverywhere,
    NameDevice,
    RevokeDevice,
    SetPassword,
)
from beamish.protocol.commands.groups import (
    Ban,
    CreateLink,
    RevokeLink,
    SetInfo,
    SetPermissions,
    SetSlowMode,
    Unban,
)
from beamish.protocol.commands.inbox import (
    Ack,
    Attach,
    Fetch,
    SnapshotPage,
)
from beamish.protocol.commands.login import (
    Hello,
    Login,
    Logout,
    Ping,
    Register,
    Resume,
)
from beamish.protocol.commands.membership import (
    CreateGroup,
    Invite,
    Join,
    Leave,
    Remove,
    SetRole,
)
from beamish.protocol.commands.messages import (
    Delete,
    Edit,
    React,
    Send,
)
from beamish.protocol.commands.parsing import (
    COMMANDS,
    VERSIONS,
    parse,
    reply_id,
    wants_reply,
)
from beamish.protocol.commands.people import (
    UserInfo,
)
from beamish.protocol.commands.reading import (
    ConversationInfo,
    History,
    Marks,
    Read,
)
from beamish.protocol.commands.screen import (
    Look,
    Typing,
)

__all__ = [
    "COMMANDS",
    "VERSIONS",
    "Ack",
    "Attach",
    "Ban",
    "Block",
    "Command",
    "ConversationInfo",
    "CreateChannel",
    "CreateGroup",
    "CreateLink",
    "Delete",
    "DeleteAccount",
    "Devices",
    "Edit",
    "Fetch",
    "Follow",
    "Hello",
    "History",
    "InConversation",
    "Invite",
    "Join",
    "Leave",
    "Login",
    "Logout",
    "LogoutEverywhere",
    "Look",
    "Marks",
    "NameDevice",
    "Numbered",
    "OnAccount",
    "Ping",
    "React",
    "Read",
    "Register",
    "Remove",
    "Resume",
    "RevokeDevice",
    "RevokeLink",
    "Send",
    "SetConversation",
    "SetInfo",
    "SetPassword",
    "SetPermissions",
    "SetPrivacy",
    "SetProfile",
    "SetRole",
    "SetSlowMode",
    "SnapshotPage",
    "Subscribe",
    "Typing",
    "Unban",
    "Unblock",
    "Unsubscribe",
    "UserInfo",
    "parse",
    "reply_id",
    "wants_reply",
]
