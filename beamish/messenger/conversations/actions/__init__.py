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
from beamish.messenger.conversations.actions.touches import Delete, Edit, React

__all__ = [
    "Action",
    "Ban",
    "CreateChannel",
    "CreateGroup",
    "CreateLink",
    "Delete",
    "Edit",
    "Invite",
    "Join",
    "Leave",
    "React",
    "Remove",
    "RevokeLink",
    "SendText",
    "SetInfo",
    "SetPermissions",
    "SetRole",
    "SetSlowMode",
    "Unban",
]
