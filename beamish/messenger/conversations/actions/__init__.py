"""The actions of numbered commands, by concern."""

from beamish.messenger.conversations.actions.action import Action
from beamish.messenger.conversations.actions.admission import (
    Ban,
    CreateLink,
    RevokeLink,
    Unban,
)
from beamish.messenger.conversations.actions.channels import CreateChannel
from beamish.messenger.conversations.actions.membership import (
    CreateGroup,
    Invite,
    Join,
    Leave,
    Remove,
    SetRole,
)
from beamish.messenger.conversations.actions.messages import SendText
from beamish.messenger.conversations.actions.settings import (
    SetInfo,
    SetPermissions,
    SetSlowMode,
)

__all__ = [
    "Action",
    "Ban",
    "CreateChannel",
    "CreateGroup",
    "CreateLink",
    "Invite",
    "Join",
    "Leave",
    "Remove",
    "RevokeLink",
    "SendText",
    "SetInfo",
    "SetPermissions",
    "SetRole",
    "SetSlowMode",
    "Unban",
]
