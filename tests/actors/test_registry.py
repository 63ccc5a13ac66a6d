"""The registry: keys, values, ends of actors, listeners; and a random program against a model."""

from __future__ import annotations

import gc
import sys
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import (
    ActorError,
    AlreadyRegistered,
    Down,
    Entry,
    FellBehind,
    Killed,
    NotRegistered,
    Ref,
    Registered,
    Registry,
    StartFailed,
    Unregistered,
    ValueUpdated,
    on,
    open_system,
)
from supervision import ChildSpec, Supervisor
from tests.actors.kit import Do, DoSync, Note, Worker, seen
from tests.examples import examples


class Listener(Worker):
    """Listens from its start on and keeps, beside the messages, what they add up to."""

    def __init__(self, registry):
        super().__init__()
        self.registry = registry
        self.view = []

    def init(self):
        self.subscription, entries = self.registry.listen()
        self.view = list(entries)

    @on(Registered)
    def registered(self, message):
        self.seen.append(message)
        self.view.append(Entry(message.key, message.ref, message.value))

    @on(Unregistered)
    def unregistered(self, message):
        self.seen.append(message)
        self.view.remove((message.key, message.ref, message.value))

    @on(ValueUpdated)
    def updated(self, message):
        self.seen.append(message)
        (at,) = (i for i, e in enumerate(self.view) if e[:2] == (message.key, message.ref))
        self.view[at] = Entry(message.key, message.ref, message.value)

    @on(FellBehind)
    def behind(self, message):
        self.seen.append(message)


class Registering(Worker):
    """Registers itself in `init`, and then does what else it is told to."""

    def __init__(self, registry, key, then=None):
        super().__init__()
        self.registry, self.key, self.then = registry, key, then

    def init(self):
        self.registry.register(self.key)
        if self.then is not None:
            self.then(self)


def boom(me):
    raise ValueError("boom")


async def end(system, ref):
    system.kill(ref)
    await system.join(ref)


# -- registering and looking up -----------------------------------------------------------------


@pytest.mark.parametrize("keys", ["unique", "duplicate"])
async def test_a_registration_is_found_by_its_key_with_its_value(keys):
    async with open_system() as system:
        registry = Registry(system, keys=keys)
        ref = await system.spawn(Worker)
        registry.register(("user", 1), "value", ref=ref)
        assert registry.lookup(("user", 1)) == (Entry(("user", 1), ref, "value"),)
        assert registry.whereis(("user", 1)) is ref
        assert registry.lookup("other") == ()
        assert registry.whereis("other") is None
        assert len(registry) == 1


async def test_a_unique_key_has_one_holder_and_the_error_names_it():
    async with open_system() as system:
        registry = Registry(system)
        one, two = await system.spawn(Worker), await system.spawn(Worker)
        registry.register("key", 1, ref=one)
        for ref in (one, two):
            with pytest.raises(AlreadyRegistered, match="'key' belongs to <Worker") as caught:
                registry.register("key", 2, ref=ref)
            assert caught.value.ref is one
            assert caught.value.key == "key"
        assert registry.lookup("key") == (("key", one, 1),)
        assert len(registry) == 1


async def test_a_duplicate_key_lists_its_actors_in_the_order_of_their_first_registration():
    async with open_system() as system:
        registry = Registry(system, keys="duplicate")
        one, two = await system.spawn(Worker), await system.spawn(Worker)
        for ref, value in ((two, "a"), (one, "b"), (two, "c")):
            registry.register("key", value, ref=ref)
        assert registry.lookup("key") == (
            ("key", two, "a"),
            ("key", two, "c"),
            ("key", one, "b"),
        )
        assert registry.whereis("key") is two
        assert registry.keys(two) == ("key", "key")
        assert registry.values("key", two) == ("a", "c")
        assert len(registry) == 3


async def test_an_actor_may_have_several_keys():
    async with open_system() as system:
        registry = Registry(system)
        ref, other = await system.spawn(Worker), await system.spawn(Worker)
        for key in "cab":
            registry.register(key, ref=ref)
        registry.register("d", ref=other)
        assert registry.keys(ref) == ("c", "a", "b")
        assert [entry.key for entry in registry.entries()] == ["c", "a", "b", "d"]


async def test_in_a_handler_the_actor_itself_is_meant():
    async def from_a_nursery(me):
        async with trio.open_nursery() as nursery:

            async def register():
                registry.register("nursery")

            nursery.start_soon(register)

    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Worker)
        await ref.call(DoSync(lambda me: registry.register("plain")))
        await ref.call(Do(from_a_nursery))
        assert registry.whereis("plain") is ref
        assert registry.whereis("nursery") is ref
        assert await ref.call(DoSync(lambda me: registry.keys())) == ("plain", "nursery")


async def test_outside_of_actors_the_ref_must_be_given():
    async with open_system() as system:
        with pytest.raises(ActorError, match="pass the ref that is meant"):
            Registry(system).register("key")


async def test_a_dead_actor_is_not_registered():
    async with open_system() as system:
        registry = Registry(system, "sessions")
        ref = await system.spawn(Worker)
        await end(system, ref)
        with pytest.raises(ActorError, match=r"has ended \(killed\) and cannot be registered"):
            registry.register("key", ref=ref)
        assert len(registry) == 0


async def test_only_actors_of_its_own_system_are_registered():
    class Elsewhere(Ref):
        pass

    async with open_system("one") as one, open_system("two") as two:
        registry, other = Registry(one), Registry(two)
        ref = await one.spawn(Worker)
        for stranger in (await two.spawn(Worker), Elsewhere()):
            with pytest.raises(ActorError, match="not an actor of the system 'one'"):
                registry.register("key", ref=stranger)
        registry.register("key", ref=ref)
        assert other.lookup("key") == ()


async def test_keys_must_be_hashable_and_their_kind_known():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(TypeError, match="a key must be hashable"):
            Registry(system).register([], ref=ref)
        with pytest.raises(ValueError, match="'unique' or 'duplicate', not 'some'"):
            Registry(system, keys="some")


# -- values -------------------------------------------------------------------------------------


async def test_a_value_is_updated_through_its_own_actor_only():
    async with open_system() as system:
        registry = Registry(system)
        one, two = await system.spawn(Worker), await system.spawn(Worker)
        registry.register("key", 1, ref=one)
        assert registry.update_value("key", lambda value: value + 1, ref=one) == (2, 1)
        assert registry.values("key", one) == (2,)
        update = partial(registry.update_value, "key", lambda value: 0)
        assert await two.call(DoSync(lambda me: outcome(update))) is NotRegistered
        with pytest.raises(NotRegistered, match="is not registered under 'key'"):
            update(ref=two)
        assert registry.lookup("key") == (("key", one, 2),)


async def test_an_update_does_not_overwrite_what_its_function_changed():
    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Worker)
        registry.register("key", 1, ref=ref)
        with pytest.raises(NotRegistered, match="was changed while"):
            registry.update_value(
                "key", lambda _: registry.update_value("key", str, ref=ref), ref=ref
            )
        assert registry.values("key", ref) == ("1",)


async def test_a_value_of_a_duplicate_key_is_not_updated():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        with pytest.raises(ActorError, match="needs unique keys"):
            Registry(system, keys="duplicate").update_value("key", str, ref=ref)


async def test_match_finds_by_value_and_unregister_match_ends_only_those():
    async with open_system() as system:
        registry = Registry(system, keys="duplicate")
        one, two = await system.spawn(Worker), await system.spawn(Worker)
        for value in range(5):
            registry.register("key", value, ref=one)
        registry.register("key", 4, ref=two)

        def is_even(value):
            return value % 2 == 0

        assert [e.value for e in registry.match("key", is_even)] == [0, 2, 4, 4]
        assert registry.count_match("key", is_even) == 4
        assert registry.unregister_match("key", is_even, ref=one) == 3
        assert registry.lookup("key") == (("key", one, 1), ("key", one, 3), ("key", two, 4))
        assert registry.unregister("key", ref=one) == 2
        assert registry.unregister("key", ref=one) == 0
        assert len(registry) == 1
        assert registry.lookup("key") == (("key", two, 4),)


async def test_dispatch_calls_once_with_all_entries_and_not_without_any():
    async with open_system() as system:
        registry = Registry(system, keys="duplicate")
        refs = [await system.spawn(Worker) for _ in range(3)]
        for ref in refs:
            registry.register("topic", "from me", ref=ref)
        assert registry.dispatch("topic", lambda es: [e.ref.cast(Note(e.value)) for e in es])
        assert not registry.dispatch("empty", boom)
        with pytest.raises(ValueError, match="boom"):
            registry.dispatch("topic", boom)
        await wait_all_tasks_blocked()
        assert [seen(ref) for ref in refs] == [["from me"]] * 3


async def test_a_function_given_to_the_registry_can_be_interrupted_and_the_registry_not(
    monkeypatch,
):
    inside = []

    def note(*_):
        inside.append(trio.lowlevel.currently_ki_protected())
        return True

    def use(me):
        registry.register("key")
        registry.match("key", note)
        registry.count_match("key", note)
        registry.dispatch("key", note)
        registry.update_value("key", note)
        registry.unregister_match("key", note)

    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Worker)
        await ref.call(DoSync(use))
        assert inside == [False] * 5
        monkeypatch.setattr(registry._subscribers.__class__, "tell", note)
        await ref.call(DoSync(lambda me: registry.register("key")))
        assert inside[5:] == [True]


# -- the end of actors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        lambda system, ref: ref.cast(DoSync(lambda me: me.stop())),
        lambda system, ref: ref.cast(DoSync(boom)),
        lambda system, ref: system.kill(ref),
    ],
    ids=["stop", "crash", "kill"],
)
async def test_whoever_hears_of_the_end_finds_the_keys_free(how):
    found = []

    class Watching(Worker):
        def init(self):
            self.monitor(ref)

        @on(Down)
        def down(self, message):
            found.append((registry.lookup("key"), registry.keys(message.ref)))

    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Worker)
        await system.spawn(Watching)  # its monitor is older than the registration
        registry.register("key", ref=ref)
        registry.register("other", ref=ref)
        how(system, ref)
        await system.join(ref)
        assert (len(registry), list(registry.entries())) == (0, [])
        await wait_all_tasks_blocked()
        assert found == [((), ())]
        assert ref.ties is None


async def test_a_failed_start_leaves_no_registration():
    async with open_system() as system:
        registry = Registry(system)
        with pytest.raises(StartFailed):
            await system.spawn(Registering, registry, "key", boom)
        assert len(registry) == 0
        ref = await system.spawn(Registering, registry, "key")
        assert registry.whereis("key") is ref
        with pytest.raises(StartFailed, match="AlreadyRegistered: the key 'key' belongs to"):
            await system.spawn(Registering, registry, "key")
        assert registry.whereis("key") is ref


async def test_a_restarted_child_registers_anew():
    async with open_system() as system:
        registry = Registry(system)
        children = [ChildSpec("child", Registering, (registry, "key"))]
        await system.spawn(Supervisor, children)
        first = registry.whereis("key")
        first.cast(DoSync(boom))
        await system.join(first)
        await wait_all_tasks_blocked()
        second = registry.whereis("key")
        assert second.is_alive()
        assert second is not first
        assert len(registry) == 1


async def test_an_actor_being_killed_keeps_its_keys_until_it_has_unwound():
    async def hold(me):
        try:
            await me.sleep(100)
        finally:
            still.append(registry.whereis("key"))

    still = []
    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Registering, registry, "key")
        ref.cast(Do(hold))
        await wait_all_tasks_blocked()
        system.kill(ref)
        assert registry.whereis("key") is ref
        assert await system.join(ref) == Killed()
        assert still == [ref]
        assert registry.whereis("key") is None


async def test_an_actor_without_registrations_is_not_watched_any_more():
    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Worker)
        registry.register("key", ref=ref)
        registry.register("other", ref=ref)
        registry.unregister("key", ref=ref)
        assert len(ref.ties.watchers) == 1
        registry.unregister("other", ref=ref)
        assert ref.ties.watchers is None


async def test_a_system_that_has_stopped_leaves_nothing_registered():
    async with open_system() as system:
        registry = Registry(system)
        for key in range(10):
            await system.spawn(Registering, registry, key)
        assert len(registry) == 10
    assert (len(registry), list(registry.entries())) == (0, [])


class CountedKey:
    """A key that counts how often it is compared or hashed."""

    touched = 0

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        CountedKey.touched += 1
        return hash(self.number)

    def __eq__(self, other):
        CountedKey.touched += 1
        return self.number == other.number


@pytest.mark.parametrize("keys", ["unique", "duplicate"])
async def test_an_end_costs_in_proportion_to_the_actors_own_registrations(keys):
    async with open_system() as system:
        registry = Registry(system, keys=keys)
        many, few = await system.spawn(Worker), await system.spawn(Worker)
        for number in range(3000):
            registry.register(CountedKey(number), ref=many)
        shared = CountedKey(-1)
        for number in range(3):
            registry.register(CountedKey(10_000 + number), ref=few)
        if keys == "duplicate":
            for _ in range(3000):
                registry.register(shared, ref=many)
            registry.register(shared, ref=few)
        CountedKey.touched = 0
        await end(system, few)
        assert CountedKey.touched < 100
        assert all(entry.ref is many for entry in registry.entries())


# -- listeners ----------------------------------------------------------------------------------


async def test_a_listener_gets_a_snapshot_and_from_then_on_every_change():
    async with open_system() as system:
        registry = Registry(system, "sessions")
        ref = await system.spawn(Worker)
        registry.register("before", 0, ref=ref)
        listener = await system.spawn(Listener, registry)
        assert listener.actor.view == [("before", ref, 0)]
        monitor = listener.actor.subscription
        registry.register("key", 1, ref=ref)
        registry.update_value("key", lambda value: 2, ref=ref)
        registry.unregister("key", ref=ref)
        await end(system, ref)
        await wait_all_tasks_blocked()
        assert seen(listener) == [
            Registered(monitor, "sessions", "key", ref, 1),
            ValueUpdated(monitor, "sessions", "key", ref, 2),
            Unregistered(monitor, "sessions", "key", ref, 2),
            Unregistered(monitor, "sessions", "before", ref, 0),
        ]
        assert listener.actor.view == []


async def test_unlisten_takes_waiting_messages_back_and_leaves_others():
    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Worker)
        listener = await system.spawn(Listener, registry)
        subscription = listener.actor.subscription
        registry.register("key", ref=ref)
        listener.cast(Note("mine"))
        registry.unregister("key", ref=ref)
        assert registry.unlisten(subscription)
        assert not registry.unlisten(subscription)
        registry.register("key", ref=ref)
        await wait_all_tasks_blocked()
        assert seen(listener) == ["mine"]
        assert "over" in repr(subscription)


async def test_a_listener_that_falls_behind_is_told_so_and_nothing_more():
    class Small(Listener):
        mailbox_limit = 2

    async with open_system() as system:
        registry = Registry(system)
        ref = await system.spawn(Worker)
        listener = await system.spawn(Small, registry)
        for key in range(5):
            registry.register(key, ref=ref)
        assert listener.queue_length == 3
        await wait_all_tasks_blocked()
        subscription = listener.actor.subscription
        assert [type(message) for message in seen(listener)] == [Registered, Registered, FellBehind]
        assert not subscription.active
        registry.register("later", ref=ref)
        await wait_all_tasks_blocked()
        assert len(seen(listener)) == 3
        assert listener.ties.watchers is None


async def test_an_ended_listener_is_forgotten_and_cannot_listen():
    async with open_system() as system:
        registry = Registry(system)
        listener = await system.spawn(Listener, registry)
        subscription = listener.actor.subscription
        await end(system, listener)
        assert not subscription.active
        assert len(registry._subscribers) == 0
        assert not registry._subscribers._by_topic
        with pytest.raises(ActorError, match="cannot follow changes"):
            registry.listen(listener)


# -- cost and model -----------------------------------------------------------------------------


async def test_a_registry_without_registrations_holds_no_memory_of_past_ones():
    async with open_system() as system:
        registry = Registry(system, keys="duplicate")
        ref = await system.spawn(Worker)
        for key in range(100):
            registry.register(key, ref=ref)
        alive = sys.getrefcount(ref)
        await end(system, ref)
        gc.collect()
        assert sys.getrefcount(ref) < alive - 100
        assert not any(getattr(registry, name) for name in ("_by_key", "_holders"))


KEYS = st.sampled_from("abc")
SLOTS = st.integers(0, 2)
REGISTER = st.tuples(st.just("register"), SLOTS, KEYS, st.booleans())
OPERATIONS = st.lists(
    st.one_of(
        REGISTER,
        REGISTER,
        st.tuples(st.just("unregister"), SLOTS, KEYS, st.booleans()),
        st.tuples(st.just("match"), SLOTS, KEYS, st.booleans()),
        st.tuples(st.just("update"), SLOTS, KEYS, st.booleans()),
        st.tuples(st.sampled_from(["kill", "stop", "restart"]), SLOTS),
    ),
    max_size=40,
)


class Model:
    """A registry as a plain list of entries, beside the real one."""

    def __init__(self, system, registry, slots):
        self.system, self.registry, self.slots = system, registry, slots
        self.unique = registry.keys_are == "unique"
        self.entries = []
        self.ending = {}
        self.clock = 0

    async def settle(self):
        """Let those end that must; until then they keep their registrations."""
        for ref in self.ending:
            await self.system.join(ref)
        self.entries = [entry for entry in self.entries if entry.ref not in self.ending]
        self.ending.clear()

    async def act(self, name, slot, key=None, inside=False):
        self.clock += 1
        ref = self.slots[slot]
        if name == "restart":
            self.system.kill(ref)
            self.ending[ref] = None
            await self.settle()
            self.slots[slot] = await self.system.spawn(Worker)
        elif name in ("kill", "stop"):
            self.system.kill(ref) if name == "kill" else ref.cast(DoSync(lambda me: me.stop()))
            self.ending[ref] = None
        elif inside:
            await self.settle()
            if ref.is_alive():
                expected, step = getattr(self, name)(ref, key, None)
                assert await ref.call(DoSync(lambda me: outcome(step))) == expected
        else:
            expected, step = getattr(self, name)(ref, key, ref)
            assert outcome(step) == expected

    def register(self, ref, key, who):
        step = partial(self.registry.register, key, self.clock, ref=who)
        if not ref.is_alive():
            return ActorError, step
        if self.unique and any(entry.key == key for entry in self.entries):
            return AlreadyRegistered, step
        self.entries.append(Entry(key, ref, self.clock))
        return None, step

    def unregister(self, ref, key, who):
        mine = [e for e in self.entries if e.ref is ref and e.key == key]
        self.entries = [e for e in self.entries if e not in mine]
        return len(mine), partial(self.registry.unregister, key, ref=who)

    def match(self, ref, key, who):
        odd = [e for e in self.entries if e.ref is ref and e.key == key and e.value % 2]
        self.entries = [e for e in self.entries if e not in odd]
        return len(odd), partial(self.registry.unregister_match, key, lambda v: v % 2, ref=who)

    def update(self, ref, key, who):
        step = partial(self.registry.update_value, key, lambda value: -value, ref=who)
        if not self.unique:
            return ActorError, step
        for at, entry in enumerate(self.entries):
            if entry.ref is ref and entry.key == key:
                self.entries[at] = entry._replace(value=-entry.value)
                return (-entry.value, entry.value), step
        return NotRegistered, step

    def check(self):
        registry = self.registry
        assert len(registry) == len(self.entries)
        assert sorted(registry.entries(), key=id_of) == sorted(self.entries, key=id_of)
        for key in "abc":
            here = [entry for entry in self.entries if entry.key == key]
            refs = list(dict.fromkeys(entry.ref for entry in here))
            grouped = [entry for ref in refs for entry in here if entry.ref is ref]
            assert list(registry.lookup(key)) == grouped
        for ref in self.slots:
            mine = [entry.key for entry in self.entries if entry.ref is ref]
            assert sorted(registry.keys(ref)) == sorted(mine)


def id_of(entry):
    return entry.key, entry.ref.number, entry.value


def outcome(step):
    """What the step returns, or the type of what it raises."""
    try:
        return step()
    except ActorError as error:
        return type(error)


async def run_program(keys, program, *, deterministic):
    async with open_system(seed=1, deterministic=deterministic) as system:
        registry = Registry(system, keys=keys)
        model = Model(system, registry, [await system.spawn(Worker) for _ in range(3)])
        listener = await system.spawn(Listener, registry)
        for operation in program:
            await model.act(*operation)
            model.check()
        await model.settle()
        model.check()
        await wait_all_tasks_blocked()
        told = sorted(listener.actor.view, key=id_of)
        assert told == sorted(model.entries, key=id_of)
        return [type(message).__name__ for message in seen(listener)]


@examples(60)
@given(st.sampled_from(["unique", "duplicate"]), OPERATIONS)
def test_any_program_leaves_what_a_plain_list_would_hold_and_listeners_know_it(keys, program):
    told = trio.run(partial(run_program, keys, program, deterministic=False))
    assert trio.run(partial(run_program, keys, program, deterministic=True)) == told
