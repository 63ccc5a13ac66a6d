"""Partitions: routing that is the same everywhere, arguments, names, restarts, refusals."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import ActorError, AlreadyRegistered, StartFailed
from supervision import (
    ChildSpec,
    CountChildren,
    DeleteChild,
    DynamicSupervisor,
    PartitionName,
    PartitionSupervisor,
    StartChild,
    UnsupportedRequest,
    WhichChildren,
    partition_of,
)
from supervision.partition_supervisor import route
from tests.actors.kit import Add, Worker

SPEC = ChildSpec("worker", Worker)


class Colour(enum.Enum):
    RED = 1


async def test_children_are_numbered_and_counted(system, autojump_clock):
    top = await system.spawn(PartitionSupervisor, SPEC, partitions=3)
    children = await top.call(WhichChildren())
    assert [(child.id, child.state) for child in children] == [
        (0, "running"),
        (1, "running"),
        (2, "running"),
    ]
    assert (await top.call(CountChildren())).active == 3
    top = await system.spawn(PartitionSupervisor, Worker)
    assert (await top.call(CountChildren())).active == 8


async def test_a_key_always_finds_the_same_partition(system, autojump_clock):
    top = await system.spawn(PartitionSupervisor, SPEC, partitions=4, name="workers")
    ref = partition_of(top, ("user", "alice"))
    assert ref is partition_of(top, ("user", "alice"))
    assert ref is system.whereis(PartitionName(system, "workers", ("user", "alice")))
    assert await ref.call(Add(1)) == 2
    assert len({partition_of(top, number) for number in range(4)}) == 4


async def test_a_restarted_partition_keeps_its_keys_and_its_siblings_live(system, autojump_clock):
    top = await system.spawn(PartitionSupervisor, SPEC, partitions=2)
    first, other = partition_of(top, 0), partition_of(top, 1)
    system.kill(first)
    await system.join(first)
    await wait_all_tasks_blocked()
    assert partition_of(top, 0) not in (first, other, None)
    assert partition_of(top, 1) is other


async def test_nothing_is_found_where_nothing_runs(system, autojump_clock):
    top = await system.spawn(PartitionSupervisor, SPEC, partitions=1, name="top")
    await system.stop(top)
    assert partition_of(top, "key") is None
    assert system.whereis(PartitionName(system, "top", "key")) is None
    assert partition_of(None, "key") is None


async def test_each_partition_may_have_arguments_of_its_own(system, autojump_clock):
    class Keeps(Worker):
        def __init__(self, *args):
            super().__init__()
            self.args = args

    top = await system.spawn(
        PartitionSupervisor,
        ChildSpec("keeps", Keeps, ("all",)),
        partitions=2,
        with_arguments=lambda args, partition: (*args, partition),
    )
    assert [partition_of(top, key).actor.args for key in (0, 1)] == [("all", 0), ("all", 1)]


async def test_partitioned_dynamic_supervisors_share_the_children(system, autojump_clock):
    await system.spawn(PartitionSupervisor, DynamicSupervisor, partitions=2, name="sessions")
    for user in range(4):
        top = system.whereis(PartitionName(system, "sessions", user))
        await top.call(StartChild(SPEC, name=("session", user)))
    tops = {system.whereis(PartitionName(system, "sessions", user)) for user in range(4)}
    assert [(await top.call(CountChildren())).active for top in tops] == [2, 2]


async def test_the_number_of_partitions_is_fixed(system, autojump_clock):
    top = await system.spawn(PartitionSupervisor, SPEC, partitions=1)
    for request in (StartChild(SPEC), DeleteChild(0)):
        with pytest.raises(UnsupportedRequest, match="has a fixed number of children"):
            await top.call(request)


@pytest.mark.parametrize("partitions", [0, -1, 2.0, True, "4"])
async def test_wrong_numbers_of_partitions_are_refused(system, partitions):
    with pytest.raises(StartFailed, match="Write a whole number from 1 up, as in partitions=8"):
        await system.spawn(PartitionSupervisor, SPEC, partitions=partitions)


async def test_wrong_uses_say_what_to_do_instead(system, autojump_clock):
    with pytest.raises(StartFailed, match="Leave name= out"):
        await system.spawn(PartitionSupervisor, ChildSpec("worker", Worker, name="worker"))
    worker = await system.spawn(Worker)
    with pytest.raises(ActorError, match="is no PartitionSupervisor"):
        partition_of(worker, 1)
    await system.spawn(PartitionSupervisor, SPEC, name="top")
    with pytest.raises(ActorError, match="cannot be given to"):
        PartitionName(system, "top", 1).register(worker)
    with pytest.raises(AlreadyRegistered):
        system.register(PartitionName(system, "top", 1), worker)


KEYS = st.recursive(
    st.text() | st.binary() | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
)


@given(key=KEYS, partitions=st.integers(1, 100))
def test_every_key_has_a_partition(key, partitions):
    assert 0 <= route(key, partitions) < partitions


@given(number=st.integers(-(2**53), 2**53), partitions=st.integers(1, 100))
def test_equal_numbers_go_the_same_way(number, partitions):
    assert route(number, partitions) == route(float(number), partitions)
    assert route(("a", number), partitions) == route(("a", float(number)), partitions)
    assert route(True, partitions) == route(1, partitions)


def test_ints_go_by_remainder_as_in_elixir():
    assert [route(key, 4) for key in (0, 5, -5, 7)] == [0, 1, 1, 3]


def test_keys_that_look_alike_are_told_apart():
    keys = ["1", b"1", ("1",), (("1",),), ("1", ""), ("", "1"), None, "None", Colour.RED, (1,)]
    assert len({route(key, 2**60) for key in keys}) == len(keys)


def test_keys_spread_evenly():
    counts = Counter(route(("user", f"user{number}"), 8) for number in range(8000))
    assert len(counts) == 8
    assert all(850 < count < 1150 for count in counts.values())


def test_a_key_goes_the_same_way_in_every_process():
    code = (
        "from supervision.partition_supervisor import route;"
        "print(route('alice', 1000), route(('user', 7, None, 1.5, b'x'), 1000))"
    )
    for seed in ("0", "1", "random"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        shown = subprocess.run(
            [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
        )
        assert shown.stdout == "889 229\n"


def test_keys_without_content_are_refused():
    with pytest.raises(TypeError, match="a object has no content that is the same in every run"):
        route(object(), 4)
    with pytest.raises(TypeError, match="a frozenset has no content"):
        route(("a", frozenset()), 4)
