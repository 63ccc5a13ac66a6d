"""Counts of what clients ask and get."""

from __future__ import annotations

import pytest
import trio

from beamish.messenger.traffic import BOUNDS, Durations, Meter, Traffic
from tests.beamish.messenger.talker import Refused

DIRECT = "d:alice:bob"


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(-1.0, 0), (0.0, 0), (0.001, 0), (0.0011, 1), (10.0, len(BOUNDS) - 1), (99.0, len(BOUNDS))],
)
def test_a_duration_is_counted_in_the_first_bucket_whose_bound_it_does_not_exceed(seconds, bucket):
    took = Durations()
    took.add(seconds)
    assert took.buckets.index(1) == bucket
    assert (took.count, took.sum) == (1, max(0.0, seconds))


async def test_a_command_is_counted_when_it_is_answered_with_the_time_it_took(autojump_clock):
    traffic = Traffic()
    meter = Meter(traffic)
    meter.received({"id": 1, "command": "send"})
    meter.received({"id": 2, "command": "send"})
    await trio.sleep(0.2)
    assert not traffic.commands
    meter.answered(2, "overloaded")
    meter.answered(1, "ok")
    meter.answered(1, "ok")  # Nothing waits under this number any more.
    assert traffic.commands == {("send", "ok"): 1, ("send", "overloaded"): 1}
    assert traffic.took["send"].sum == pytest.approx(0.4)


async def test_names_that_clients_invent_are_counted_as_one():
    traffic = Traffic()
    meter = Meter(traffic)
    for number, name in enumerate(("evil", 7, None, ["send"]), 1):
        meter.received({"id": number, "command": name})
        meter.answered(number, "bad_request")
    assert traffic.commands == {("unknown", "bad_request"): 4}


async def test_a_node_counts_commands_refusals_and_deliveries(make_world, autojump_clock):
    async with make_world() as world, world.running() as node:
        alice, bob = await world.talker("alice"), await world.talker("bob")
        for text in ("one", "two"):
            await alice.send(DIRECT, text)
        await bob.until(lambda: bob.texts(DIRECT) == ["one", "two"])
        with pytest.raises(Refused):
            await alice.question("history", conversation="d:bob:carol")
        traffic = node.environment.traffic
        assert traffic.commands["send", "ok"] == 2
        assert traffic.commands["register", "ok"] == 2
        refused = {name: code for name, code in traffic.commands if code not in ("ok", "silent")}
        assert set(refused) == {"history"}
        assert traffic.commands["history", refused["history"]] == 1
        assert traffic.took["send"].count == 2
        assert traffic.updates >= 4
        assert traffic.delivered.count >= 2
        assert traffic.appended.count == node.journal.statistics().appends > 0
