"""What the client raises: one class for each family of error codes, so that callers catch meanings.

`ClientError` is the root. `CommandError` and its subclasses carry what a node answered: `code` (the
protocol's error code), `message` (the node's sentence), `retryable` and `retry_after` (seconds or
None). Retryable answers are retried by the client itself and reach callers only through
`Unavailable`, raised where a caller has set a time limit. The other classes are the client's own.
"""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """Root of everything that `beamish.client` raises on purpose."""


class CommandError(ClientError):
    """A node refused a command. `code`, `message`, `retryable`, `retry_after` (seconds or None)."""

    def __init__(
        self, code: str, message: str, *, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after


class BadRequest(CommandError):
    """bad_request, unknown_command, too_large: the command itself is wrong; change it."""


class VersionNotSupported(CommandError):
    """unsupported_version: this client and the node have no protocol version in common."""


class AuthenticationFailed(CommandError):
    """unauthenticated, bad_credentials: wrong name, password or token, or a revoked device."""


class NotAllowed(CommandError):
    """forbidden, not_member: the user may not do this here."""


class NotFound(CommandError):
    """not_found: no such user, conversation or record that this user may see."""


class AlreadyExists(CommandError):
    """exists: the name is taken, or the user is a member already."""


class NumberConflict(CommandError):
    """number_used, expected: this device's numbering was used by somebody else.

    Two programs share one store, or an old copy of a store was put back. Log in anew with an
    empty store.
    """


class Unavailable(CommandError):
    """rate_limited, overloaded, storage_unavailable, shutting_down, internal: not now."""


class Unreachable(ClientError):
    """No node could be reached for `Settings.give_up` seconds."""


class OutboxFull(ClientError):
    """The bound of unanswered commands is reached: wait for answers, or use the waiting variant."""


class OutcomeUnknown(ClientError):
    """The command's device was replaced before an answer came; it may have happened or not.

    Compare with the conversation's history before sending again.
    """


class ClientClosed(ClientError):
    """The client was closed, or has failed; `client.failure` tells why."""


class TransportClosed(ClientError):
    """A transport's connection has ended, or none came about.

    `reason`: a sentence. `code`: the WebSocket close code or None. `retry_after`: seconds that the
    node asked to stay away.
    """

    def __init__(self, reason: str, code: int | None = None, retry_after: float = 0.0) -> None:
        super().__init__(reason if code is None else f"{reason} (close code {code})")
        self.reason = reason
        self.code = code
        self.retry_after = retry_after


class StoreError(ClientError):
    """A store cannot be used: in use by another client, damaged, or of another user."""


_FAMILIES: dict[str, type[CommandError]] = {
    "bad_request": BadRequest,
    "unknown_command": BadRequest,
    "too_large": BadRequest,
    "unsupported_version": VersionNotSupported,
    "unauthenticated": AuthenticationFailed,
    "bad_credentials": AuthenticationFailed,
    "forbidden": NotAllowed,
    "not_member": NotAllowed,
    "not_found": NotFound,
    "exists": AlreadyExists,
    "number_used": NumberConflict,
    "expected": NumberConflict,
    "rate_limited": Unavailable,
    "overloaded": Unavailable,
    "storage_unavailable": Unavailable,
    "shutting_down": Unavailable,
    "internal": Unavailable,
}


def error_from(answer: dict[str, Any]) -> CommandError:
    """The exception for a node's `error` map; an unknown code gives a plain `CommandError`."""
    code = str(answer.get("code", "internal"))
    after = answer.get("retry_after_ms")
    return _FAMILIES.get(code, CommandError)(
        code,
        str(answer.get("message", "")),
        retryable=bool(answer.get("retryable", False)),
        retry_after=after / 1000 if isinstance(after, (int, float)) else None,
    )
