"""The journal's refusals as the protocol says them."""

from __future__ import annotations

from beamish.messenger.conversations.refusal import Refusal
from storage import Refused

_CODES = {
    "full": ("storage_unavailable", 1_000),
    "io": ("storage_unavailable", 1_000),
    "damaged": ("storage_unavailable", 10_000),
    "busy": ("overloaded", 500),
    "closed": ("shutting_down", 1_000),
    "too_large": ("too_large", None),
    "bad_name": ("bad_request", None),
    "invalid": ("internal", None),
}


def refusal_of(refused: object) -> Refusal:
    """A refusal for the client: nothing was written, and the code says whether to try again."""
    assert isinstance(refused, Refused)
    code, retry_after_ms = _CODES[refused.code]
    return Refusal(code, refused.message, None, retry_after_ms)
