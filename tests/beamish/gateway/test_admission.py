"""Bounds on connections, in all and per address."""

from __future__ import annotations

import pytest

from beamish.gateway.admission import Admission, address_group, is_loopback
from beamish.rate import TokenBucket


def test_the_bound_per_address_counts_each_address_for_itself():
    admission = Admission(100, 2, loopback_exempt=True)
    assert [admission.enter("192.0.2.1") for _ in range(3)] == [None, None, 429]
    assert admission.enter("192.0.2.2") is None
    admission.leave("192.0.2.1")
    assert admission.enter("192.0.2.1") is None


def test_loopback_is_exempt_unless_told_otherwise():
    exempt = Admission(100, 1, loopback_exempt=True)
    assert [exempt.enter("127.0.0.1") for _ in range(5)] == [None] * 5
    strict = Admission(100, 1, loopback_exempt=False)
    assert [strict.enter("127.0.0.1") for _ in range(2)] == [None, 429]


def test_the_bound_of_all_holds_for_everybody():
    admission = Admission(2, 10, loopback_exempt=True)
    assert [admission.enter("127.0.0.1") for _ in range(3)] == [None, None, 503]


def test_nothing_is_remembered_of_addresses_that_are_gone():
    admission = Admission(1_000, 10, loopback_exempt=True)
    for n in range(200):
        address = f"192.0.2.{n}"
        assert admission.enter(address) is None
        admission.leave(address)
    assert admission.open == 0
    assert len(admission._by_address) == 0


def test_refused_connections_are_not_remembered_either():
    admission = Admission(1, 0, loopback_exempt=False)
    for n in range(200):
        assert admission.enter(f"192.0.2.{n}") == 429
    assert len(admission._by_address) == 0


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address, group):
    assert address_group(address) == group


def test_loopback_is_told_in_all_its_spellings():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1")))


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate():
    bucket = TokenBucket(8, 16, now=100.0)
    assert bucket.take(25, 100.0) == 16
    assert bucket.take(1, 100.0625) == 0
    assert bucket.wait_for(1) == pytest.approx(0.0625)
    assert bucket.take(5, 100.375) == 3
    assert bucket.take(100, 200.0) == 16


def test_a_bucket_says_how_long_a_whole_row_has_to_wait():
    bucket = TokenBucket(10, 20, now=0.0)
    bucket.take(20, 0.0)
    assert bucket.wait_for(5) == pytest.approx(0.5)
    assert bucket.wait_for(1_000) == pytest.approx(2.0)
