"""Names: via other tables, given later, taken back; starts with a monitor."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import (
    ActorError,
    AlreadyRegistered,
    AlreadyStarted,
    Crashed,
    Down,
    Killed,
    Normal,
    Registered,
    Registry,
    StartFailed,
    Stop,
    Unregistered,
    Via,
    open_system,
)
from supervision import ChildSpec, DynamicSupervisor, StartChild, Supervisor, WhichChildren
from tests.actors.kit import Add, Do, Worker, seen


@pytest.fixture
async def system():
    async with open_system(seed=1) as system:
        yield system


@pytest.fixture
def registry(system):
    return Registry(system, "sessions")


class Fails(Worker):
    async def init(self):
        await self.sleep(1)
        raise ValueError("no")


async def test_a_key_of_a_registry_is_a_name(system, autojump_clock, registry):
    ref = await system.spawn(Worker, name=registry.via("alice", 42))
    assert registry.lookup("alice") == (("alice", ref, 42),)
    assert system.whereis(registry.via("alice")) is ref
    assert repr(ref) == "<Worker sessions:'alice' actors#1>"
    system.kill(ref)
    await system.join(ref)
    assert registry.lookup("alice") == ()


async def test_a_taken_key_refuses_the_start_and_names_its_actor(system, autojump_clock, registry):
    ref = await system.spawn(Worker, name=registry.via("alice"))
    with pytest.raises(AlreadyStarted) as info:
        await system.spawn(Worker, name=registry.via("alice"))
    assert info.value.ref is ref
    assert len(system.actors()) == 1


async def test_init_sees_its_key_and_a_failed_start_has_freed_it(system, autojump_clock, registry):
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def start():
            with pytest.raises(StartFailed):
                await system.spawn(Fails, name=registry.via("alice"))
            assert registry.whereis("alice") is None

        await wait_all_tasks_blocked()
        assert registry.whereis("alice") is not None
        with pytest.raises(AlreadyStarted):
            await system.spawn(Worker, name=registry.via("alice"))
    await system.spawn(Worker, name=registry.via("alice"))


async def test_the_key_is_free_when_a_monitor_tells_the_end(system, autojump_clock, registry):
    found = []

    class Watcher(Worker):
        def handle_info(self, message):
            raise AssertionError(message)

        def down(self, message):
            found.append(registry.whereis("alice"))

    ref = await system.spawn(Worker, name=registry.via("alice"))
    watcher = await system.spawn(Watcher)
    await watcher.call(Do(lambda me: me.monitor(ref)))
    system.kill(ref)
    await wait_all_tasks_blocked()
    assert found == [None]


async def test_two_starts_at_once_have_one_winner(system, autojump_clock, registry):
    class Slow(Worker):
        async def init(self):
            await self.sleep(1)

    outcomes = []

    async def start():
        try:
            outcomes.append(await system.spawn(Slow, name=registry.via("alice")))
        except AlreadyStarted as error:
            outcomes.append(error.ref)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(start)
    assert set(outcomes) == {registry.whereis("alice")}
    assert len(system.actors()) == 1


async def test_a_supervised_child_comes_back_under_its_key(system, autojump_clock, registry):
    spec = ChildSpec("child", Worker, name=registry.via("alice"))
    await system.spawn(Supervisor, [spec])
    first = registry.whereis("alice")
    system.kill(first)
    await system.join(first)
    await wait_all_tasks_blocked()
    second = registry.whereis("alice")
    assert second not in (None, first)


async def test_a_dynamic_child_gets_its_key_with_the_request(system, autojump_clock, registry):
    top = await system.spawn(DynamicSupervisor)
    spec = ChildSpec("session", Worker)
    ref = await top.call(StartChild(spec, name=registry.via("bob")))
    assert registry.whereis("bob") is ref
    with pytest.raises(AlreadyStarted):
        await top.call(StartChild(spec, name=registry.via("bob")))
    assert len(await top.call(WhichChildren())) == 1


async def test_an_actor_that_gave_its_key_away_does_not_take_it_back_at_its_end(
    system, autojump_clock, registry
):
    ref = await system.spawn(Worker, name=registry.via("alice"))
    registry.unregister("alice", ref=ref)
    other = await system.spawn(Worker, name=registry.via("alice"))
    await system.stop(ref)
    assert registry.whereis("alice") is other


async def test_listeners_hear_of_a_named_start_and_of_its_end_once(
    system, autojump_clock, registry
):
    class Listener(Worker):
        def handle_info(self, message):
            self.seen.append((type(message), message.key, message.ref))

    listener = await system.spawn(Listener)
    registry.listen(listener)
    ref = await system.spawn(Worker, name=registry.via("alice"))
    await system.stop(ref)
    await wait_all_tasks_blocked()
    assert seen(listener) == [(Registered, "alice", ref), (Unregistered, "alice", ref)]


async def test_duplicate_keys_are_no_names(system, autojump_clock):
    with pytest.raises(ActorError, match="via needs unique keys"):
        Registry(system, keys="duplicate").via("alice")


async def test_a_registry_of_another_system_is_refused(system, autojump_clock):
    async with open_system("other") as other:
        foreign = Registry(other)
        with pytest.raises(ActorError, match="is not an actor of the system 'other'"):
            await system.spawn(Worker, name=foreign.via("alice"))
        assert system.actors() == ()


@dataclass(frozen=True)
class Slot(Via):
    """Somebody's own table: a list with room for one."""

    table: tuple
    broken: bool = False

    def __hash__(self):
        return id(self.table[0])

    def whereis(self):
        return self.table[0][0] if self.table[0] else None

    def register(self, ref):
        if self.table[0]:
            raise AlreadyRegistered("slot", self.table[0][0])
        self.table[0].append(ref)

    def unregister(self, ref):
        if self.broken:
            raise RuntimeError("broken table")
        self.table[0].remove(ref)


async def test_others_may_implement_via(system, autojump_clock):
    slot = Slot(([],))
    ref = await system.spawn(Worker, name=slot)
    with pytest.raises(AlreadyStarted):
        await system.spawn(Worker, name=slot)
    assert system.whereis(slot) is ref
    await system.stop(ref)
    assert slot.table == ([],)


async def test_a_name_taken_during_construction_refuses_the_start(system, autojump_clock):
    slot = Slot(([],))
    other = await system.spawn(Worker)

    class Slow(Worker):
        def __init__(self):
            super().__init__()
            slot.table[0].append(other)

    with pytest.raises(AlreadyStarted) as info:
        await system.spawn(Slow, name=slot)
    assert info.value.ref is other
    assert system.actors() == (other,)


async def test_a_table_that_fails_at_the_end_harms_nobody(system, autojump_clock, caplog):
    ref = await system.spawn(Worker, name=Slot(([],), broken=True))
    await system.stop(ref)
    assert "unregistering its name failed" in caplog.text


async def test_a_name_may_be_given_later_and_taken_back(system, autojump_clock):
    ref = await system.spawn(Worker)
    system.register("worker", ref)
    assert system.whereis("worker") is ref
    assert "'worker'" in repr(ref)
    system.unregister("worker")
    assert system.whereis("worker") is None
    assert ref.name is None
    system.register("worker", ref)
    await system.stop(ref)
    assert system.whereis("worker") is None


async def test_one_actor_has_one_name_and_one_name_one_actor(system, autojump_clock):
    ref, other = await system.spawn(Worker, name="first"), await system.spawn(Worker)
    with pytest.raises(ActorError, match="has a name already"):
        system.register("second", ref)
    with pytest.raises(AlreadyRegistered) as info:
        system.register("first", other)
    assert info.value.ref is ref
    with pytest.raises(ActorError, match="no actor has the name 'nobody'"):
        system.unregister("nobody")
    with pytest.raises(TypeError, match="None is no name"):
        system.register(None, other)
    await system.stop(other)
    with pytest.raises(ActorError, match="has ended"):
        system.register("second", other)


async def test_a_via_name_may_be_given_later(system, autojump_clock, registry):
    ref = await system.spawn(Worker)
    system.register(registry.via("alice"), ref)
    assert registry.whereis("alice") is ref
    system.unregister(registry.via("alice"))
    assert registry.whereis("alice") is None


async def test_a_monitored_start_tells_the_true_reason_of_any_end(system, autojump_clock):
    class Brief(Worker):
        def init(self):
            self.stop(Killed())

    async def start(me):
        return await me.spawn_monitor(Brief)

    watcher = await system.spawn(Worker)
    ref, monitor = await watcher.call(Do(start))
    await wait_all_tasks_blocked()
    assert seen(watcher) == [Down(monitor, ref, Killed())]

    ref, monitor = await watcher.call(Do(lambda me: me.spawn_monitor(Worker, name="w")))
    assert system.whereis("w") is ref
    await system.stop(ref)
    await wait_all_tasks_blocked()
    assert seen(watcher)[1:] == [Down(monitor, ref, Normal())]


async def test_a_monitored_start_is_not_linked_and_its_failure_brings_no_down(
    system, autojump_clock
):
    class Refuses(Worker):
        async def init(self):
            await self.sleep(1)
            raise Stop(Crashed("refused"))

    watcher = await system.spawn(Worker)

    async def start(me):
        with pytest.raises(StartFailed):
            await me.spawn_monitor(Refuses)

    await watcher.call(Do(start))
    ref, _ = await watcher.call(Do(lambda me: me.spawn_monitor(Worker)))
    system.kill(ref)
    await wait_all_tasks_blocked()
    assert watcher.is_alive()
    assert len(seen(watcher)) == 1


class Moody:
    """A name whose hash fails from some moment on."""

    failing = False

    def __hash__(self):
        if self.failing:
            raise RuntimeError("no hash today")
        return 1


async def test_a_name_whose_hash_has_begun_to_fail_ends_nobody_but_its_actor(system, caplog):
    name = Moody()
    ref, other = await system.spawn(Worker, name=name), await system.spawn(Worker)
    name.failing = True
    system.kill(ref)
    assert await system.join(ref) == Killed()
    assert await other.call(Add(1)) == 2
    assert "unregistering its name failed" in caplog.text
