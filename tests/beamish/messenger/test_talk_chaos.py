"""Edits, reactions and deletions under crashing actors and a failing journal.

Three users do at random whatever one can do with messages, then the faults end, and everybody's
store, history and counts must be those of the log itself.
"""

from __future__ import annotations

from random import Random

import msgpack
import pytest
import trio

from tests.beamish.messenger.talker import Refused
from tests.beamish.messenger.test_chaos import Crashes

USERS = ["alice", "bob", "carol"]


async def one(talker, group, rng, count):
    """One user's doings; refusals are fine: a message may be gone by now."""
    for i in range(count):
        await trio.sleep(rng.random() * 0.1)
        log = talker.records.get(group, {})
        messages = [n for n, record in log.items() if record["type"] == "message"]
        target = rng.choice(messages[-6:]) if messages else 1
        move = rng.choice(["send", "send", "send", "edit", "delete", "react", "read"])
        fields = {
            "send": {"text": f"{talker.user} {i}", "mentions": rng.sample(USERS, 1)},
            "edit": {"text": f"{talker.user} edited {i}", "mentions": rng.sample(USERS, 1)},
            "react": {"emoji": rng.choice(["", "+", "-"])},
        }.get(move, {})
        if move == "read":
            await talker.question("read", conversation=group, upto=target)
            continue
        if move != "send":
            fields["target"] = target
        try:
            await talker.command(move, group, **fields)
        except Refused as refused:
            if refused.code not in ("not_found", "forbidden"):
                raise
        if rng.random() < 0.05:
            await talker.cut()


async def run(make_world, *, probability, seed, journal):
    faults = Crashes(probability, seed)
    rng = Random(seed)
    async with make_world() as world, world.running(faults=faults, seed=seed):
        talkers = [await world.talker(user) for user in USERS]
        group = await talkers[0].create_group("All", USERS[1:])
        for name, chance in journal.items():
            setattr(world.journal_faults, name, chance)
        async with trio.open_nursery() as nursery:
            for talker in talkers:
                nursery.start_soon(one, talker, group, Random(rng.random()), 40)
        faults.off()
        for name in journal:
            setattr(world.journal_faults, name, 0.0)
        with trio.move_on_after(120):
            while (await world.node.journal.pending()).streams:  # noqa: ASYNC110
                await trio.sleep(1)
        raw = await world.node.journal.read(f"c/{group}", 1, limit=1_000)
        log = [msgpack.unpackb(record) for record in raw.records]
        for talker in talkers:
            await check(talker, group, log)
    return log


async def check(talker, group, log):
    await talker.until(lambda: talker.cursor > 0 and len(talker.records[group]) == len(log))
    await talker.until(lambda: list_of(talker.records[group]) == log, within=120)
    assert not talker.doubled
    told, n = [], 0
    while n < len(log):
        page = await talker.question("history", conversation=group, after=n, limit=200)
        told += page["records"]
        n = told[-1]["n"]
    assert told == log
    (row,) = (await talker.question("snapshot"))["conversations"]
    mentioned = originals(log)
    unread = [
        record["n"]
        for record in log
        if record["type"] == "message"
        and record["by"] != talker.user
        and record["n"] > row["read"]
        and "deleted" not in record
    ]
    assert row["unread"] == len(unread)
    assert row["mentions"] == len([n for n in unread if talker.user in mentioned[n]])


def list_of(records):
    return [records[n] for n in sorted(records)]


def originals(log):
    """Whom each message mentioned when it was sent."""
    return {
        record["n"]: record.get("mentioned", record.get("mentions", []))
        for record in log
        if record["type"] == "message"
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("probability", "journal"),
    [
        (0.0, {}),
        (0.03, {}),
        (
            0.0,
            {
                "answer_lost": 0.08,
                "answer_late": 0.08,
                "commit_fails_done": 0.03,
                "commit_fails_undone": 0.03,
                "busy": 0.02,
                "read_fails": 0.02,
            },
        ),
        (0.02, {"answer_lost": 0.05, "answer_late": 0.05, "read_fails": 0.01}),
    ],
    ids=["calm", "crashes", "journal", "both"],
)
async def test_everybody_comes_to_see_what_the_log_says(
    make_world, autojump_clock, probability, journal, seed
):
    log = await run(make_world, probability=probability, seed=seed, journal=journal)
    kinds = {record["type"] for record in log}
    assert kinds == {"create", "message", "edit", "react", "delete"}
