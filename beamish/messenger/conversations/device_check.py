"""Which devices a conversation has to remember, and which of them are gone for good.

A conversation keeps the newest tags of every device that ever wrote in it, so that a resend is
recognised for ever. A device that was logged out never comes back, so what is kept of it may go;
yet a last command of it may still be on its way, and must not pass for the first of a new device.
Hence, for each user:

* up to `DEVICES_UNASKED` devices are remembered without a question;
* when one more begins to write, the user's actor is asked, after a look at the journal, which
  devices exist. Those that do not are forgotten, and the user is noted as forgotten in part;
* from then on whoever is not remembered is asked about before its first command is decided.
  Existing, it never wrote here, since only what is gone is forgotten; gone, it is refused.

What is kept of one user is thereby bounded by the devices that a user may have (`limits.devices`),
or by `DEVICES_UNASKED` if that is more. Forgetting needs no record: whether an activation still
remembers a device that is gone changes nothing but what a command of it is refused with.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from actors import CallError
from beamish.messenger.conversations.commands import Numbered
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.leases import GONE
from beamish.messenger.messages import AccountOf

if TYPE_CHECKING:
    from beamish.messenger.conversations.conversation import Conversation
    from beamish.messenger.conversations.state import ConversationState

DEVICES_UNASKED = 8
"""Devices of one user that a conversation remembers before it asks which of them exist."""

Checked = dict[str, Collection[str] | Refusal]
"""By user who was asked: the devices that exist, or why that could not be found out."""

UNKNOWN = Refusal("overloaded", "the user's devices could not be looked up", None, 500)


async def check_devices(actor: Conversation, asked: Sequence[object]) -> Checked:
    """Ask about devices that are new to the conversation where that is needed; forget the gone."""
    users = _in_question(actor.state, asked)
    checked: Checked = {}
    for user in users:
        directory = actor.environment.directory
        try:
            ref = directory.find("user", user) or await directory.activate("user", user)
            account = await ref.call(AccountOf(), timeout=30.0)
        except CallError:
            checked[user] = UNKNOWN
            continue
        existing = checked[user] = () if account is None else account.tokens.keys()
        actor.state.forget_devices(user, existing)
    return checked


def _in_question(state: ConversationState, asked: Sequence[object]) -> list[str]:
    users: dict[str, None] = {}
    for what in asked:
        if isinstance(what, Numbered) and (what.user, what.device) not in state.numbers:
            many = state.devices.get(what.user, 0) >= DEVICES_UNASKED
            if many or what.user in state.forgotten_in_part:
                users[what.user] = None
    return list(users)


def refusal_of_device(
    state: ConversationState, checked: Checked, command: Numbered
) -> Refusal | None:
    """Why a command of this device must not be decided; None for one that exists."""
    found = checked.get(command.user)
    if found is None or (command.user, command.device) in state.numbers:
        return None
    if isinstance(found, Refusal):
        return found
    return None if command.device in found else GONE
