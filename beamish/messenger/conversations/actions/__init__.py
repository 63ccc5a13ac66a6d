"""The actions of numbered commands, by concern."""

from beamish.messenger.conversations.actions.action import Action
from beamish.messenger.conversations.actions.membership import (
    CreateGroup,
    Invite,
    Join,
    Leave,
    Remove,
    SetRole,
)
from beamish.messenger.conversations.actions.messages import SendText

__all__ = [
    "Action",
    "CreateGroup",
    "Invite",
    "Join",
    "Leave",
    "Remove",
    "SendText",
    "SetRole",
]
