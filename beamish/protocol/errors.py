"""Error codes, close codes and the exceptions that carry them (sections 11 and 12).

Two families, because they end differently. A `Refusal` answers one command: the connection goes
on. A `ProtocolError` condemns a whole frame: nothing in it can be trusted, so the connection is
closed with its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType


class ErrorCode(StrEnum):
    """What an error says to a program."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_COMMAND = "unknown_command"
    TOO_LARGE = "too_large"
    UNAUTHENTICATED = "unauthenticated"
    BAD_CREDENTIALS = "bad_credentials"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NOT_MEMBER = "not_member"
    EXISTS = "exists"
    NUMBER_USED = "number_used"
    EXPECTED = "expected"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    SHUTTING_DOWN = "shutting_down"
    UNSUPPORTED_VERSION = "unsupported_version"
    INTERNAL = "internal"


RETRYABLE: Mapping[ErrorCode, bool] = MappingProxyType(
    {
        ErrorCode.BAD_REQUEST: False,
        ErrorCode.UNKNOWN_COMMAND: False,
        ErrorCode.TOO_LARGE: False,
        ErrorCode.UNAUTHENTICATED: False,
        ErrorCode.BAD_CREDENTIALS: False,
        ErrorCode.FORBIDDEN: False,
        ErrorCode.NOT_FOUND: False,
        ErrorCode.NOT_MEMBER: False,
        ErrorCode.EXISTS: False,
        ErrorCode.NUMBER_USED: False,
        ErrorCode.EXPECTED: True,
        ErrorCode.RATE_LIMITED: True,
        ErrorCode.OVERLOADED: True,
        ErrorCode.STORAGE_UNAVAILABLE: True,
        ErrorCode.SHUTTING_DOWN: True,
        ErrorCode.UNSUPPORTED_VERSION: False,
        ErrorCode.INTERNAL: True,
    }
)
"""Whether the same command may succeed later, unaltered."""

DEFAULT_RETRY_AFTER_MS: Mapping[ErrorCode, int] = MappingProxyType(
    {ErrorCode.RATE_LIMITED: 1_000, ErrorCode.OVERLOADED: 500}
)
"""`retry_after_ms` of the codes that promise one, where the refusing part states none."""


class CloseCode(IntEnum):
    """The WebSocket close codes that this node sends."""

    NORMAL = 1000
    GOING_AWAY = 1001
    FRAMING = 1002
    WRONG_FRAME_KIND = 1003
    INVALID_UTF8 = 1007
    FRAME_TOO_LARGE = 1009
    INTERNAL = 1011
    BAD_FRAME = 4400
    REVOKED = 4401
    TOO_MANY_FAILED_LOGINS = 4403
    NO_LOGIN = 4408
    REPLACED = 4409
    SLOW_READER = 4410
    RATE_IGNORED = 4429


class ProtocolError(Exception):
    """A frame that breaks the encoding's rules: close with `code`, `str(error)` as the reason."""

    def __init__(self, message: str, code: CloseCode = CloseCode.BAD_FRAME) -> None:
        super().__init__(message)
        self.code = code


class Refusal(Exception):
    """A command that is not carried out.

    Args:
        code: one of `ErrorCode` (or its text).
        message: a sentence for people: what was wrong and what to do instead.
        retry_after_ms: how long to wait before trying again, where known.
        details: further fields of the error: `field`, `limit`, `expected`, `versions`.
    """

    def __init__(
        self,
        code: ErrorCode | str,
        message: str,
        *,
        retry_after_ms: int | None = None,
        **details: object,
    ) -> None:
        super().__init__(message)
        self.code = ErrorCode(code)
        self.message = message
        if retry_after_ms is None:
            retry_after_ms = DEFAULT_RETRY_AFTER_MS.get(self.code)
        self.retry_after_ms = retry_after_ms
        self.details = details

    @property
    def retryable(self) -> bool:
        """Whether the same command may succeed later, unaltered."""
        return RETRYABLE[self.code]

    def body(self) -> dict[str, object]:
        """The map that stands under `error` on the wire."""
        body: dict[str, object] = {
            "code": self.code.value,
            "message": self.message,
            "retryable": self.retryable,
        }
        if self.retry_after_ms is not None:
            body["retry_after_ms"] = self.retry_after_ms
        body.update(self.details)
        return body
