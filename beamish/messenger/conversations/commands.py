"""What a conversation is asked to do: numbered commands of devices, and duties."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from actors import Request
from beamish.messenger.conversations.actions import Action
from beamish.messenger.conversations.actions.duties import Duty
from beamish.messenger.conversations.command_numbers import Result
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.leases import Lease


@dataclass(frozen=True, slots=True)
class Numbered(Request[Result | Refusal]):
    """Who, from which device, under which number and tag, wants what.

    Answered when its record is on disk, when its first result is found, or when it is refused.
    `sent_at` is when its session sent it, in seconds of the node's steady clock: it may wait in the
    mailbox of a conversation that waits for the disk. Left out, it is never late.
    `lease` says whether the device may still have anything done (None: whoever asks knows).
    """

    user: str
    device: str
    number: int
    tag: str
    action: Action
    sent_at: float = inf
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class Fulfil(Request[bool | Refusal]):
    """Let this duty of the user's be met; answered when it is, on disk."""

    user: str
    duty: Duty
