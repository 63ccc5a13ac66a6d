"""What a logged-in client asks and commands: each of the protocol's commands has one handler.

Each module holds those of one concern, and a table of them. They are made for each command and not
kept: a table of bound methods would be a kilobyte or two for each connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beamish.messenger.sessions.handlers import (
    account,
    channels,
    devices,
    inbox,
    numbered,
    people,
    reading,
    screen,
)
from beamish.messenger.sessions.handlers.handlers import Handler, Handlers

if TYPE_CHECKING:
    from beamish.messenger.sessions.session import Session
    from beamish.protocol import Command

_TABLE: dict[type[Command], tuple[type[Handlers], Handler]] = {
    command: (group, handler)
    for group, handlers in (
        (account.AccountHandlers, account.HANDLERS),
        (channels.ChannelHandlers, channels.HANDLERS),
        (devices.DeviceHandlers, devices.HANDLERS),
        (inbox.InboxHandlers, inbox.HANDLERS),
        (numbered.NumberedHandlers, numbered.HANDLERS),
        (people.PeopleHandlers, people.HANDLERS),
        (reading.ReadingHandlers, reading.HANDLERS),
        (screen.ScreenHandlers, screen.HANDLERS),
    )
    for command, handler in handlers.items()
}


async def carry_out(actor: Session, command: Any) -> dict[str, object] | bytes | None:
    """The `ok` of the reply to `command`; None when it comes later.

    Raises:
        Refusal: the protocol's; the command is not carried out.
    """
    group, handler = _TABLE[type(command)]
    return await handler(group(actor), command)


__all__ = ["carry_out"]
