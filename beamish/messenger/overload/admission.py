"""Whether a client's command is begun at all: the first look at it, before anything is done for it.

Refusing here is cheap and certain: nothing was decided, no number is used, and the client knows
when to come again.
"""

from __future__ import annotations

from beamish.messenger.environment import Environment
from beamish.protocol import Command, ErrorCode, Login, Numbered, Refusal, Register


def check(environment: Environment, user: str, command: Command) -> None:
    """Raise the protocol's Refusal for a command of `user` that is not begun now."""
    load = environment.load
    if isinstance(command, Numbered):
        wait_s = environment.floods.wait_s(user)
        if wait_s > 0:
            raise Refusal(
                ErrorCode.RATE_LIMITED,
                "you send too much at once: wait a little",
                retry_after_ms=int(1000 * wait_s) + 1,
            )
        if not load.admits_messages_of(user):
            raise Refusal(
                ErrorCode.OVERLOADED,
                "this node has more to do than it can: try again",
                retry_after_ms=load.retry_after_ms,
            )
    elif isinstance(command, Login | Register) and not load.admits("logins"):
        raise Refusal(
            ErrorCode.OVERLOADED,
            "this node has more to do than it can: try again, or use a token",
            retry_after_ms=load.retry_after_ms,
        )
