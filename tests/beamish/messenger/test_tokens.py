"""Tokens: what is in them comes back out, everything else is no token; digests decide by `same`."""

from __future__ import annotations

import hmac
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.accounts import tokens
from beamish.messenger.accounts.tokens import digest_of, new_device, new_token, read_token, same
from tests.beamish.messenger.talker import Refused

USERS = st.from_regex(r"[a-z0-9._-]{1,64}", fullmatch=True)


@given(USERS, st.integers())
def test_a_token_names_user_device_and_digest(user, seed):
    secret = Random(seed).randbytes
    device = new_device(secret)
    text, digest = new_token(user, device, secret)
    assert len(text) <= 128
    assert read_token(text) == (user, device, digest)


@given(st.text(max_size=130))
def test_whatever_else_is_read_as_a_token_or_as_none(text):
    found = read_token(text)
    assert found is None or len(found.digest) == 32


@given(st.binary(), st.binary())
def test_digests_are_the_same_only_if_their_keys_are(one, other):
    assert same(digest_of(one), digest_of(other)) == (one == other)
    assert not same(None, digest_of(one))


async def test_a_forged_token_is_refused_by_a_comparison_in_constant_time(
    make_world, autojump_clock, monkeypatch
):
    async with make_world() as world, world.running():
        alice = await world.talker("alice")
        await alice.go_offline()
        compared = []

        def noting(known, given):
            compared.append(known == given)
            return hmac.compare_digest(known, given)

        monkeypatch.setattr(tokens, "hmac", type("Seam", (), {"compare_digest": noting}))
        forged, _ = new_token("alice", alice.device, Random(7).randbytes)
        right, alice.token = alice.token, forged
        alice.go_online()
        await alice.until(lambda: "bad_credentials" in alice.codes)
        assert compared == [False]
        alice.token, alice.once = right, False
        other = await world.talker("alice", token=right)
        assert other.ready
        assert compared[1:] == [True, True, True]
        with pytest.raises(Refused):
            await other.ask("resume", token=right)
