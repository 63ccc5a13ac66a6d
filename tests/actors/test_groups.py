"""Groups: joining, leaving, ends, monitors; and a random program against a model."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import (
    ActorError,
    FellBehind,
    Groups,
    Joined,
    Killed,
    Left,
    Ref,
    StartFailed,
    on,
    open_system,
)
from tests.actors.kit import Do, DoSync, Note, Worker, seen
from tests.examples import examples


class Watcher(Worker):
    """Monitors one group, or the scope (group None), and adds up what it is told."""

    def __init__(self, groups, group=None):
        super().__init__()
        self.groups, self.group = groups, group

    def init(self):
        if self.group is None:
            self.monitor_ref, now = self.groups.monitor_scope()
        else:
            self.monitor_ref, members = self.groups.monitor(self.group)
            now = {self.group: members} if members else {}
        self.snapshot = now
        self.view = {group: Counter(members) for group, members in now.items()}

    @on(Joined)
    def joined(self, message):
        self.seen.append(message)
        self.view.setdefault(message.group, Counter()).update(message.refs)

    @on(Left)
    def left(self, message):
        self.seen.append(message)
        members = self.view[message.group]
        members.subtract(message.refs)
        assert min(members.values()) >= 0, "told of leaving without joining"
        self.view[message.group] = +members
        if not +members:
            del self.view[message.group]

    @on(FellBehind)
    def behind(self, message):
        self.seen.append(message)


class Joining(Worker):
    """Joins a group in `init`, and then does what else it is told to."""

    def __init__(self, groups, group, then=None):
        super().__init__()
        self.groups, self.group, self.then = groups, group, then

    def init(self):
        self.groups.join(self.group)
        if self.then is not None:
            self.then(self)


def boom(me):
    raise ValueError("boom")


async def end(system, ref):
    system.kill(ref)
    await system.join(ref)


async def workers(system, count):
    return [await system.spawn(Worker) for _ in range(count)]


# -- joining and leaving ------------------------------------------------------------------------


async def test_members_are_listed_in_the_order_in_which_they_joined():
    async with open_system() as system:
        groups = Groups(system)
        one, two, three = await workers(system, 3)
        groups.join("room", two)
        groups.join("room", [three, one])
        assert groups.members("room") == (two, three, one)
        assert groups.local_members("room") == (two, three, one)
        groups.leave("room", two)
        groups.join("room", two)
        assert groups.members("room") == (three, one, two)


async def test_a_group_exists_while_it_has_members():
    async with open_system() as system:
        groups = Groups(system)
        (ref,) = await workers(system, 1)
        assert groups.members("room") == ()
        groups.join("room", [])
        assert groups.which_groups() == ()
        for group in ("room", ("a", "tuple"), 7):
            groups.join(group, ref)
        assert groups.which_groups() == ("room", ("a", "tuple"), 7)
        assert groups.which_local_groups() == groups.which_groups()
        assert groups.groups_of(ref) == groups.which_groups()
        assert groups.leave("room", ref)
        assert groups.which_groups() == (("a", "tuple"), 7)
        await end(system, ref)
        assert groups.which_groups() == ()


async def test_who_has_joined_twice_is_listed_twice_and_leaves_twice():
    async with open_system() as system:
        groups = Groups(system)
        one, two = await workers(system, 2)
        groups.join("room", [one, two, one])
        groups.join("room", one)
        assert groups.members("room") == (one, one, one, two)
        assert groups.leave("room", [one, one])
        assert groups.members("room") == (one, two)
        assert groups.leave("room", one)
        assert not groups.leave("room", one)
        assert groups.members("room") == (two,)


async def test_leaving_says_whether_anybody_was_a_member():
    async with open_system() as system:
        groups = Groups(system)
        one, two = await workers(system, 2)
        assert not groups.leave("room", one)
        groups.join("room", one)
        assert groups.leave("room", [two, one, one])
        assert not groups.leave("room", [two, one])


async def test_in_a_handler_the_actor_itself_is_meant():
    async def from_a_nursery(me):
        async with trio.open_nursery() as nursery:

            async def join():
                groups.join("nursery")

            nursery.start_soon(join)

    async with open_system() as system:
        groups = Groups(system)
        (ref,) = await workers(system, 1)
        await ref.call(DoSync(lambda me: groups.join("plain")))
        await ref.call(Do(from_a_nursery))
        assert groups.groups_of(ref) == ("plain", "nursery")
        assert await ref.call(DoSync(lambda me: groups.leave("plain")))
        assert await ref.call(DoSync(lambda me: groups.groups_of())) == ("nursery",)
        with pytest.raises(ActorError, match="pass the ref that is meant"):
            groups.join("plain")


async def test_scopes_and_systems_share_nothing():
    async with open_system("one") as one, open_system("two") as two:
        rooms, topics, other = Groups(one, "rooms"), Groups(one, "topics"), Groups(two, "rooms")
        (ref,) = await workers(one, 1)
        rooms.join("lobby", ref)
        assert topics.members("lobby") == ()
        assert other.members("lobby") == ()
        topics.join("lobby", ref)
        rooms.leave("lobby", ref)
        assert topics.members("lobby") == (ref,)


async def test_a_monitor_of_one_scope_is_nothing_to_another():
    async with open_system() as system:
        rooms, topics = Groups(system, "rooms"), Groups(system, "topics")
        watcher = await system.spawn(Watcher, rooms)
        rooms.join("lobby", watcher)
        assert not topics.demonitor(watcher.actor.monitor_ref)
        await wait_all_tasks_blocked()
        assert len(seen(watcher)) == 1


async def test_a_stranger_joins_nobody():
    class Elsewhere(Ref):
        pass

    async with open_system("one") as one, open_system("two") as two:
        groups = Groups(one)
        (ref,), (foreign,) = await workers(one, 1), await workers(two, 1)
        groups.join("here", ref)
        for stranger in (foreign, Elsewhere()):
            with pytest.raises(ActorError, match="not an actor of the system 'one'"):
                groups.join("room", [ref, stranger])
            with pytest.raises(ActorError, match="not an actor of the system 'one'"):
                groups.leave("here", [ref, stranger])
        assert groups.which_groups() == ("here",)
        assert groups.members("here") == (ref,)


async def test_a_group_must_be_hashable():
    async with open_system() as system:
        (ref,) = await workers(system, 1)
        with pytest.raises(TypeError, match="a group must be hashable"):
            Groups(system).join([], ref)


# -- the end of members -------------------------------------------------------------------------


async def test_an_ended_actor_is_not_joined_and_the_others_are():
    async with open_system() as system:
        groups = Groups(system)
        dead, alive = await workers(system, 2)
        await end(system, dead)
        watcher = await system.spawn(Watcher, groups)
        groups.join("room", [dead, alive])
        groups.join("other", dead)
        assert groups.which_groups() == ("room",)
        assert groups.members("room") == (alive,)
        await wait_all_tasks_blocked()
        assert [message.refs for message in seen(watcher)] == [(alive,)]


async def test_a_failed_start_leaves_no_member():
    async with open_system() as system:
        groups = Groups(system)
        watcher = await system.spawn(Watcher, groups)
        with pytest.raises(StartFailed):
            await system.spawn(Joining, groups, "room", boom)
        assert groups.which_groups() == ()
        await wait_all_tasks_blocked()
        assert [type(message) for message in seen(watcher)] == [Joined, Left]


async def test_an_actor_being_killed_is_a_member_until_it_has_unwound():
    async def hold(me):
        try:
            await me.sleep(100)
        finally:
            still.append(groups.members("room"))

    still = []
    async with open_system() as system:
        groups = Groups(system)
        ref = await system.spawn(Joining, groups, "room")
        ref.cast(Do(hold))
        await wait_all_tasks_blocked()
        system.kill(ref)
        assert groups.members("room") == (ref,)
        assert await system.join(ref) == Killed()
        assert still == [(ref,)]
        assert groups.members("room") == ()


async def test_a_member_that_has_left_everything_is_not_watched_any_more():
    async with open_system() as system:
        groups = Groups(system)
        (ref,) = await workers(system, 1)
        groups.join("one", [ref, ref])
        groups.join("two", ref)
        assert len(ref.ties.watchers) == 1
        groups.leave("two", ref)
        groups.leave("one", [ref, ref])
        assert ref.ties.watchers is None


async def test_a_system_that_has_stopped_leaves_no_groups():
    async with open_system() as system:
        groups = Groups(system)
        for number in range(10):
            await system.spawn(Joining, groups, number % 3)
        assert len(groups.which_groups()) == 3
    assert groups.which_groups() == ()


# -- monitors -----------------------------------------------------------------------------------


async def test_a_monitor_gives_the_members_and_from_then_on_every_change():
    async with open_system() as system:
        groups = Groups(system, "rooms")
        one, two = await workers(system, 2)
        groups.join("lobby", one)
        watcher = await system.spawn(Watcher, groups, "lobby")
        monitor = watcher.actor.monitor_ref
        assert watcher.actor.snapshot == {"lobby": (one,)}
        groups.join("lobby", [one, two])
        groups.join("other", two)
        groups.leave("lobby", [two, two, one])
        await end(system, one)
        groups.join("lobby", two)
        await wait_all_tasks_blocked()
        assert seen(watcher) == [
            Joined(monitor, "rooms", "lobby", (one, two)),
            Left(monitor, "rooms", "lobby", (two, one)),
            Left(monitor, "rooms", "lobby", (one,)),
            Joined(monitor, "rooms", "lobby", (two,)),
        ]


async def test_a_monitor_of_the_scope_sees_all_groups_and_an_end_as_one_message_for_each():
    async with open_system() as system:
        groups = Groups(system)
        one, two = await workers(system, 2)
        groups.join("b", [one, one])
        groups.join("a", [two, one])
        watcher = await system.spawn(Watcher, groups)
        assert watcher.actor.snapshot == {"b": (one, one), "a": (two, one)}
        assert list(watcher.actor.snapshot) == ["b", "a"]
        await end(system, one)
        await wait_all_tasks_blocked()
        assert [(message.group, message.refs) for message in seen(watcher)] == [
            ("b", (one, one)),
            ("a", (one,)),
        ]


async def test_each_monitor_is_told_and_a_member_also_of_itself():
    async with open_system() as system:
        groups = Groups(system)
        watcher = await system.spawn(Watcher, groups)
        second, members = groups.monitor("room", watcher)
        assert members == ()
        groups.join("room", watcher)
        await wait_all_tasks_blocked()
        assert [message.monitor for message in seen(watcher)] == [watcher.actor.monitor_ref, second]


async def test_demonitor_takes_waiting_messages_back_and_leaves_others():
    async with open_system() as system:
        groups = Groups(system)
        (ref,) = await workers(system, 1)
        watcher = await system.spawn(Watcher, groups)
        second, _ = groups.monitor("room", watcher)
        groups.join("room", ref)
        watcher.cast(Note("mine"))
        assert groups.demonitor(watcher.actor.monitor_ref)
        assert not groups.demonitor(watcher.actor.monitor_ref)
        groups.leave("room", ref)
        await wait_all_tasks_blocked()
        assert seen(watcher)[1] == "mine"
        assert [type(message) for message in seen(watcher)] == [Joined, str, Left]
        assert seen(watcher)[0].monitor is second


async def test_an_ended_watcher_is_forgotten():
    async with open_system() as system:
        groups = Groups(system)
        watcher = await system.spawn(Watcher, groups, "room")
        assert len(groups._subscribers) == 1
        await end(system, watcher)
        assert len(groups._subscribers) == 0
        assert not groups._subscribers._by_topic
        with pytest.raises(ActorError, match="cannot follow changes"):
            groups.monitor_scope(watcher)


async def test_a_watcher_that_falls_behind_is_told_so_and_may_begin_anew():
    class Small(Watcher):
        mailbox_limit = 2

    async with open_system() as system:
        groups = Groups(system)
        (ref,) = await workers(system, 1)
        watcher = await system.spawn(Small, groups)
        for group in range(5):
            groups.join(group, ref)
        assert watcher.queue_length == 3
        await wait_all_tasks_blocked()
        assert [type(message) for message in seen(watcher)] == [Joined, Joined, FellBehind]
        assert not watcher.actor.monitor_ref.active
        await watcher.call(DoSync(lambda me: me.init()))
        groups.leave(0, ref)
        await wait_all_tasks_blocked()
        assert list(watcher.actor.view) == [1, 2, 3, 4]


# -- model --------------------------------------------------------------------------------------

GROUPS = st.sampled_from("ab")
SLOTS = st.lists(st.integers(0, 3), min_size=1, max_size=3)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["join", "join", "leave"]), SLOTS, GROUPS, st.booleans()),
        st.tuples(st.sampled_from(["kill", "stop", "restart"]), SLOTS),
        st.tuples(st.sampled_from(["watch", "watch_scope", "unwatch"]), SLOTS, GROUPS),
    ),
    max_size=40,
)


class Model:
    """A scope as plain lists, beside the real one."""

    def __init__(self, system, groups, slots):
        self.system, self.groups, self.slots = system, groups, slots
        self.members = {"a": [], "b": []}
        self.ending = {}
        self.watchers = []

    async def settle(self):
        """Let those end that must; until then they are members."""
        for ref in self.ending:
            await self.system.join(ref)
        for group, refs in self.members.items():
            self.members[group] = [ref for ref in refs if ref not in self.ending]
        self.ending.clear()

    async def act(self, name, slots, group=None, inside=False):
        refs = [self.slots[slot] for slot in slots]
        if name in ("kill", "stop", "restart"):
            for ref in refs:
                self.system.kill(ref) if name != "stop" else ref.cast(DoSync(lambda me: me.stop()))
                self.ending[ref] = None
            if name == "restart":
                await self.settle()
                for slot in slots:
                    self.slots[slot] = await self.system.spawn(Worker)
        elif name in ("watch", "watch_scope"):
            await self.settle()
            args = (group,) if name == "watch" else ()
            self.watchers.append(await self.system.spawn(Watcher, self.groups, *args))
        elif name == "unwatch":
            if self.watchers:
                watcher = self.watchers.pop(0)
                assert self.groups.demonitor(watcher.actor.monitor_ref)
        elif inside:
            await self.settle()
            ref = refs[0]
            if ref.is_alive():
                expected, step = getattr(self, name)(group, [ref], None)
                assert await ref.call(DoSync(lambda me: step())) == expected
        else:
            expected, step = getattr(self, name)(group, refs, refs)
            assert step() == expected

    def join(self, group, refs, given):
        self.members[group] += [ref for ref in refs if ref.is_alive()]
        return None, partial(self.groups.join, group, given)

    def leave(self, group, refs, given):
        any_left = False
        for ref in refs:
            if ref in self.members[group]:
                self.members[group].remove(ref)
                any_left = True
        return any_left, partial(self.groups.leave, group, given)

    def expected(self):
        return {group: Counter(refs) for group, refs in self.members.items() if refs}

    def check(self):
        groups = self.groups
        shown = {group: Counter(groups.members(group)) for group in groups.which_groups()}
        assert shown == self.expected()
        for ref in self.slots:
            mine = sorted(group for group, refs in self.members.items() if ref in refs)
            assert sorted(groups.groups_of(ref)) == mine

    def check_watchers(self):
        for watcher in self.watchers:
            group = watcher.actor.group
            mine = {g: refs for g, refs in self.expected().items() if group in (None, g)}
            assert watcher.actor.view == mine


async def run_program(program, *, deterministic):
    async with open_system(seed=1, deterministic=deterministic) as system:
        groups = Groups(system)
        model = Model(system, groups, await workers(system, 4))
        watcher = await system.spawn(Watcher, groups)
        for operation in program:
            await model.act(*operation)
            model.check()
        await model.settle()
        model.check()
        await wait_all_tasks_blocked()
        model.check_watchers()
        assert watcher.actor.view == model.expected()
        changes = [(m.group, [ref.number for ref in m.refs]) for m in seen(watcher)]
        shown = {g: [ref.number for ref in groups.members(g)] for g in groups.which_groups()}
        return changes, list(shown.items())


@examples(60)
@given(OPERATIONS)
def test_any_program_leaves_what_plain_lists_would_hold_and_monitors_know_it(program):
    first = trio.run(partial(run_program, program, deterministic=True))
    assert trio.run(partial(run_program, program, deterministic=True)) == first
    trio.run(partial(run_program, program, deterministic=False))
