"""Actors that crash and a journal that fails lose, double and reorder nothing.

Talkers chat in a group and in pairs while faults are on; then the faults end and everything must
come to rest: every acknowledged message once in every member's hands, in one order, and each
sender's own order kept.
"""

from __future__ import annotations

from random import Random

import pytest
import trio

from beamish.messenger.faults import POINTS, CrashInjector

USERS = ["alice", "bob", "carol", "dave"]
KINDS = frozenset({"user", "conversation", "session"})


async def chat(talkers, group, rng, count, sent):
    """Every talker sends `count` messages, some to the group, some to somebody else."""

    async def one(talker):
        for i in range(count):
            text = f"{talker.user} {i}"
            if rng.random() < 0.6:
                conversation = group
            else:
                other = rng.choice([user for user in USERS if user != talker.user])
                first, second = sorted((talker.user, other))
                conversation = f"d:{first}:{second}"
            ok = await talker.send(conversation, text)
            sent.setdefault(conversation, {})[ok["n"]] = text
            if rng.random() < 0.1:
                await talker.question("read", conversation=conversation, upto=ok["n"])
            if rng.random() < 0.05:
                await talker.cut()
            await trio.sleep(rng.random() * 0.1)

    async with trio.open_nursery() as nursery:
        for talker in talkers:
            nursery.start_soon(one, talker)


async def settle(world, talkers, group, sent):
    for talker in talkers:
        for conversation, log in sent.items():
            users = conversation.split(":")[1:]
            if conversation == group or talker.user in users:
                expected = [log[n] for n in sorted(log)]
                await talker.until(
                    lambda c=conversation, e=expected, t=talker: t.texts(c) == e, within=120
                )
    for talker in talkers:
        assert not talker.doubled
        for conversation in talker.records:
            mine = [t for t in talker.texts(conversation) if t.startswith(f"{talker.user} ")]
            assert mine == sorted(mine, key=lambda t: int(t.split()[1]))
    with trio.move_on_after(120):
        while (await world.node.journal.pending()).streams:  # noqa: ASYNC110
            await trio.sleep(1)
    assert (await world.node.journal.pending()).streams == ()


async def run(make_world, *, faults, seed, journal=None):
    rng = Random(seed)
    async with make_world() as world:
        async with world.running(faults=faults, seed=seed):
            talkers = [await world.talker(user) for user in USERS]
            group = await talkers[0].create_group("All", USERS[1:])
            for name, chance in (journal or {}).items():
                setattr(world.journal_faults, name, chance)
            sent = {}
            await chat(talkers, group, rng, 25, sent)
            faults.off()
            for name in journal or {}:
                setattr(world.journal_faults, name, 0.0)
            await settle(world, talkers, group, sent)
        return faults


class Crashes(CrashInjector):
    """Crashes until it is switched off, and never while accounts are made."""

    def __init__(self, probability, seed):
        super().__init__(probability, Random(seed), KINDS)
        self.calm = False

    def off(self):
        self.calm = True

    def passing(self, kind, point):
        if not self.calm:
            super().passing(kind, point)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("probability", [0.01, 0.05])
async def test_crashing_actors_lose_double_and_reorder_nothing(
    make_world, autojump_clock, probability, seed
):
    faults = await run(make_world, faults=Crashes(probability, seed), seed=seed)
    crashed = {key.split(":")[0] for key in faults.crashes}
    if probability == 0.05:
        assert crashed == KINDS
        assert {key.split(": ")[1] for key in faults.crashes} == set(POINTS)


@pytest.mark.parametrize("seed", range(4))
async def test_lost_answers_and_late_appends_lose_double_and_reorder_nothing(
    make_world, autojump_clock, seed
):
    await run(
        make_world,
        faults=Crashes(0.0, seed),
        seed=seed,
        journal={
            "answer_lost": 0.05,
            "answer_late": 0.05,
            "commit_fails_done": 0.02,
            "commit_fails_undone": 0.02,
            "busy": 0.02,
            "read_fails": 0.02,
        },
    )


@pytest.mark.parametrize("seed", range(3))
async def test_crashes_and_a_failing_journal_together_change_nothing(
    make_world, autojump_clock, seed
):
    await run(
        make_world,
        faults=Crashes(0.02, seed),
        seed=seed,
        journal={"answer_lost": 0.03, "answer_late": 0.03, "read_fails": 0.01},
    )
