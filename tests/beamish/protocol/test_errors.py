"""Errors and replies as they stand on the wire."""

from __future__ import annotations

import pytest

from beamish.protocol import (
    JSON,
    MSGPACK,
    RETRYABLE,
    ErrorCode,
    Refusal,
    encode_event,
    encode_refusal,
    encode_reply,
)


def test_every_code_says_whether_it_is_worth_trying_again():
    assert set(RETRYABLE) == set(ErrorCode)


def test_a_refusal_tells_code_sentence_and_details():
    refusal = Refusal("expected", "the next number is 4", expected=4)
    assert refusal.body() == {
        "code": "expected",
        "message": "the next number is 4",
        "retryable": True,
        "expected": 4,
    }


@pytest.mark.parametrize("code", ["rate_limited", "overloaded"])
def test_codes_that_promise_a_wait_always_tell_one(code):
    assert Refusal(code, "too much").body()["retry_after_ms"] > 0
    assert Refusal(code, "too much", retry_after_ms=7).body()["retry_after_ms"] == 7


def test_an_unknown_code_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="oops"):
        Refusal("oops", "?")


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=lambda codec: codec.name)
def test_replies_refusals_and_events_have_their_form(codec):
    parts = [
        encode_reply(codec, 7, {"n": 1}),
        encode_reply(codec, 2**52, codec.encode({"n": 2})),
        encode_refusal(codec, None, Refusal("internal", "a fault")),
        encode_event(codec, "updates", {"from": codec.encode(1), "items": codec.array([])}),
    ]
    assert codec.decode(codec.to_wire(codec.array(parts))) == [
        {"id": 7, "ok": {"n": 1}},
        {"id": 2**52, "ok": {"n": 2}},
        {
            "id": None,
            "error": {"code": "internal", "message": "a fault", "retryable": True},
        },
        {"event": "updates", "from": 1, "items": []},
    ]
