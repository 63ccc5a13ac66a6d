from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio

from beamish.messenger.faults import NoFaults
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node
from beamish.protocol import Limits
from storage import MemoryDisk, MemoryFaults, open_memory
from tests.beamish.messenger.talker import Talker

CHEAP = {"argon2_memory_kib": 8, "argon2_time": 1}


async def inline(work):
    await trio.lowlevel.checkpoint()
    return work()


class World:
    """A node on a disk in memory, and talkers; the node can be stopped and started again."""

    def __init__(self, nursery):
        self.nursery = nursery
        self.disk = MemoryDisk()
        self.journal_faults = MemoryFaults()
        self.node = None

    @asynccontextmanager
    async def running(self, *, faults=None, seed=1, limits=None, authenticate=None, **settings):
        random = Random(seed)
        journal = open_memory(self.disk, faults=self.journal_faults, random=random)
        config = NodeConfig(
            data=Path("unused"),
            journal=journal,
            settings=MessengerSettings(limits=limits or Limits(), **CHEAP, **settings),
            faults=faults or NoFaults(),
            now_ms=lambda: int(1_700_000_000_000 + trio.current_time() * 1000),
            secret=random.randbytes,
            run_in_thread=inline,
            seed=seed,
            authenticate=authenticate,
        )
        async with open_node(config) as self.node:
            yield self.node

    async def talker(self, user, token=None):
        talker = Talker(self.node, self.nursery, user, token=token)
        await talker.until(lambda: talker.ready)
        return talker


@pytest.fixture
def make_world():
    @asynccontextmanager
    async def make():
        async with trio.open_nursery() as nursery:
            yield World(nursery)
            nursery.cancel_scope.cancel()

    return make
