"""Hot code upgrades: all or none, nothing lost, old and new classes side by side."""

from __future__ import annotations

import gc
import itertools
import sys
import types
import weakref

import pytest
import trio

from actors import (
    Actor,
    CallError,
    Signal,
    TaskActor,
    Unhandled,
    UpgradeFailed,
    on,
    open_system,
)
from actors.upgrading.versions import newest
from tests.actors.kit import Add, Do, DoSync, Get, Worker

HEAD = """
from __future__ import annotations
from dataclasses import dataclass
from actors import Actor, Request, Signal, TaskActor, on

version = {version}

@dataclass(frozen=True, slots=True)
class Ask(Request[tuple]):
    pass

@dataclass(frozen=True, slots=True)
class Wait(Request[tuple]):
    signal: object

@dataclass(frozen=True, slots=True)
class Tick:
    pass

@dataclass(frozen=True, slots=True)
class Late(Request[int]):
    seconds: float
"""

BODY = """
class Counter(Actor):
    def __init__(self, start=0):
        self.count = start

    @on(Ask)
    def ask(self, request):
        assert isinstance(request, Ask)
        self.count += 1
        return (version, self.count)

    @on(Wait)
    async def wait(self, request):
        await request.signal.wait()
        return (version, self.count)

    @on(Tick)
    async def tick(self, message):
        match message:
            case Tick():
                self.count += 1000

    @on(Late)
    async def late(self, request):
        self.send_after(request.seconds, Tick())
        return 0
"""

CHANGE = """
    def code_change(self, old_version, state):
        self.history = [*state.get("history", []), old_version]
"""

numbers = itertools.count()


def source(version, body=BODY, tail=CHANGE):
    return HEAD.format(version=version) + body + tail


@pytest.fixture
def module():
    name = f"upgraded_{next(numbers)}"
    made = types.ModuleType(name)
    made.__spec__ = None
    sys.modules[name] = made
    exec(source(1), made.__dict__)
    yield made
    sys.modules.pop(name, None)


async def upgrade(system, module, text, **options):
    name = module.__name__
    return await system.upgrade(name, sources={name: text}, **options)


def now(module):
    return sys.modules[module.__name__]


# -- what moves ------------------------------------------------------------------------------------


async def test_living_actors_go_on_with_the_new_code_and_their_state(module):
    async with open_system() as system:
        refs = [await system.spawn(module.Counter, n, name=n) for n in range(10)]
        objects = [ref.actor for ref in refs]
        assert await refs[3].call(module.Ask()) == (1, 4)
        report = await upgrade(system, module, source(2))
        assert report.modules == (module.__name__,)
        assert report.moved == {"Counter": 10}
        assert await refs[3].call(module.Ask()) == (2, 5)
        assert await refs[3].call(now(module).Ask()) == (2, 6)
        assert refs[3].actor.history == [1]
        assert [ref.actor for ref in refs] == objects
        assert type(refs[0].actor) is now(module).Counter is not module.Counter
        assert system.whereis(3) is refs[3]
        assert refs[3].control is None


async def test_imports_find_the_new_module_afterwards(module):
    async with open_system() as system:
        await system.spawn(module.Counter)
        await upgrade(system, module, source(2))
    assert sys.modules[module.__name__].version == 2
    assert module.version == 1


async def test_whoever_starts_an_old_class_starts_the_newest(module):
    async with open_system() as system:
        for version in (2, 3, 4):
            await upgrade(system, module, source(version))
        ref = await system.spawn(module.Counter, 5)
        assert await ref.call(module.Ask()) == (4, 6)
        assert module.Counter._behaviour.successor is newest(module.Counter) is now(module).Counter


async def test_messages_that_wait_are_handled_by_the_new_code(module):
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        await system.suspend(ref)
        ref.cast(module.Tick())
        ref.cast(module.Tick())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, module.Ask())
            await trio.testing.wait_all_tasks_blocked()
            await upgrade(system, module, source(2))
            assert ref.queue_length == 3
            assert (await system.get_status(ref)).suspended
            await system.resume(ref)
        assert await ref.call(module.Ask()) == (2, 2002)


async def test_timers_deliver_old_messages_to_new_code(module, autojump_clock):
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        await ref.call(module.Late(5))
        await upgrade(system, module, source(2))
        await upgrade(system, module, source(3))
        await trio.sleep(6)
        assert await ref.call(module.Ask()) == (3, 1001)


async def test_senders_of_every_version_are_understood(module):
    async with open_system() as system:
        ref, caller = await system.spawn(module.Counter), await system.spawn(Worker)
        versions = [module]
        for version in range(2, 6):
            await upgrade(system, module, source(version))
            versions.append(now(module))
        for number, one in enumerate(versions, 1):
            assert await ref.call(one.Ask()) == (5, 2 * number - 1)
            assert await caller.call(Do(lambda me, one=one: ref.call(one.Ask()))) == (5, 2 * number)
        for one in versions:
            ref.cast(one.Tick())
        assert await ref.call(module.Ask()) == (5, 5011)


async def test_an_actor_elsewhere_understands_messages_of_the_new_version(module):
    class Elsewhere(Actor):
        @on(module.Ask)
        def ask(self, request):
            return type(request) is module.Ask

    async with open_system() as system:
        ref = await system.spawn(Elsewhere)
        await upgrade(system, module, source(2))
        assert await ref.call(now(module).Ask())
        assert await ref.call(now(module).Ask())


async def test_a_new_field_takes_its_default_in_old_messages(module):
    new = source(2).replace("seconds: float", "seconds: float\n    more: int = 7")
    new = new.replace("return 0", "return request.more")
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        await upgrade(system, module, new)
        assert await ref.call(module.Late(1.0)) == 7


async def test_an_old_message_without_a_needed_field_is_refused(module):
    new = source(2).replace("seconds: float", "seconds: float\n    more: int")
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        await upgrade(system, module, new)
        for _ in range(2):
            with pytest.raises(Unhandled, match="new field 'more'; give it a default"):
                await ref.call(module.Late(1.0))
        ref.cast(module.Late(1.0))
        assert await ref.call(module.Ask()) == (2, 1)


async def test_strangers_of_the_same_name_are_not_versions(module):
    other = types.ModuleType(module.__name__)
    exec(source(1), other.__dict__)
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        await upgrade(system, module, source(2))
        with pytest.raises(Unhandled):
            await ref.call(other.Ask())


SLOTTED = """
class Counter(Actor):
    __slots__ = ({slots})

    def __init__(self, start=0):
        self.count = start

    @on(Ask)
    def ask(self, request):
        self.count += 1
        return (version, self.count)
"""


async def test_slots_may_change(module):
    one = source(2, SLOTTED.format(slots='"count",'), "")
    two = source(
        3,
        SLOTTED.format(slots='"count", "extra"'),
        """
    def code_change(self, old_version, state):
        self.extra = (old_version, sorted(state))
""",
    )
    async with open_system() as system:
        ref = await system.spawn(module.Counter, 5)
        await upgrade(system, module, one)
        assert await ref.call(module.Ask()) == (2, 6)
        await upgrade(system, module, one.replace("version = 2", "version = 20"))
        assert await ref.call(module.Ask()) == (20, 7)
        await upgrade(system, module, two)
        assert await ref.call(module.Ask()) == (3, 8)
        assert ref.actor.extra == (20, ["count"])


async def test_base_classes_of_the_same_module_move_along(module):
    body = BODY + "\nclass Derived(Counter):\n    pass\n"
    async with open_system() as system:
        await upgrade(system, module, source(2, body, ""))
        ref = await system.spawn(now(module).Derived)
        await upgrade(system, module, source(3, body, ""))
        assert await ref.call(module.Ask()) == (3, 1)


async def test_several_modules_move_together(module):
    name = f"{module.__name__}_derived"
    text = f"from {module.__name__} import Counter, version\n"
    text += "class More(Counter):\n    seen = version\n"
    derived = types.ModuleType(name)
    sys.modules[name] = derived
    exec(text, derived.__dict__)
    try:
        async with open_system() as system:
            ref, plain = await system.spawn(derived.More), await system.spawn(module.Counter)
            with pytest.raises(UpgradeFailed, match=f"name {name} after {module.__name__} in"):
                await upgrade(system, module, source(2))
            assert await plain.call(module.Ask()) == (1, 1)
            sources = {module.__name__: source(2), name: text}
            report = await system.upgrade(module.__name__, name, sources=sources)
            assert report.moved == {"More": 1, "Counter": 1}
            assert await ref.call(module.Ask()) == (2, 1)
            assert ref.actor.seen == 2
    finally:
        del sys.modules[name]


async def test_classes_left_behind_are_named(module):
    class Derived(module.Counter):
        pass

    async with open_system() as system:
        report = await upgrade(system, module, source(2))
    assert [name.rpartition(".")[2] for name in report.outdated] == ["Derived"]


async def test_a_module_object_may_be_given(module):
    new = types.ModuleType(module.__name__)
    exec(source(2), new.__dict__)
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        await system.upgrade(new)
        assert await ref.call(module.Ask()) == (2, 1)


async def test_a_module_is_loaded_from_its_file(tmp_path, monkeypatch):
    name = f"upgraded_file_{next(numbers)}"
    path = tmp_path / f"{name}.py"
    path.write_text(source(1))
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__(name)
    try:
        async with open_system() as system:
            ref = await system.spawn(module.Counter)
            path.write_text(source(2))  # same size, same second: a cached .pyc would not notice
            await system.upgrade(name)
            assert await ref.call(module.Ask()) == (2, 1)
    finally:
        del sys.modules[name]


DOOR = """
from actors import StateMachine

class Door(StateMachine[str]):
    initial_state = "shut"

    @on(Ask, state="shut")
    def open(self, request):
        self.next_state("open")
        return (version, "opened")

    @on(Ask, state="open")
    def shut(self, request):
        self.next_state("shut")
        return (version, "shut")
"""


async def test_a_state_machine_goes_on_in_its_state(module):
    async with open_system() as system:
        await upgrade(system, module, source(2, DOOR, ""))
        old = now(module)
        ref = await system.spawn(old.Door)
        assert await ref.call(old.Ask()) == (2, "opened")
        await upgrade(system, module, source(3, DOOR, ""))
        assert await ref.call(old.Ask()) == (3, "shut")
        assert await ref.call(now(module).Ask()) == (3, "opened")


# -- traffic meanwhile -----------------------------------------------------------------------------


async def test_a_parked_handler_ends_on_the_old_code_and_the_next_message_is_the_new_s(module):
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        signal, answers = Signal(), []

        async def ask(request):
            answers.append(await ref.call(request))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, module.Wait(signal))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask, module.Ask())
            nursery.start_soon(upgrade, system, module, source(2))
            await trio.sleep(0.02)
            assert answers == []
            signal.set(None)
        assert answers == [(1, 0), (2, 1)]


ASKING = """
@dataclass(frozen=True, slots=True)
class Through(Request[tuple]):
    path: tuple
    signal: object

class Relay(Actor):
    @on(Through)
    async def through(self, request):
        if not request.path:
            await request.signal.wait()
            return (version,)
        head, *rest = request.path
        return (version, *await head.call(Through(tuple(rest), request.signal)))
"""


async def test_callers_and_callees_move_together_without_a_deadlock(module):
    body = BODY + CHANGE + ASKING
    async with open_system() as system:
        await upgrade(system, module, source(2, body, ""))
        relay = now(module)
        refs = [await system.spawn(relay.Relay) for _ in range(5)]
        signals, answers = [Signal() for _ in range(4)], []

        async def ask(index):
            path = tuple(refs[index + 1 :])
            answers.append(await refs[index].call(relay.Through(path, signals[index])))

        async with trio.open_nursery() as nursery:
            # 0 waits in its own handler; the call of 1 goes through all of the others, in turn.
            nursery.start_soon(ask, 1)
            await trio.testing.wait_all_tasks_blocked()
            await system.suspend(refs[0])
            nursery.start_soon(refs[4].call, relay.Through((), signals[0]))
            nursery.start_soon(refs[3].call, relay.Through((refs[4],), signals[2]))
            await trio.testing.wait_all_tasks_blocked()

            async def let_go():
                for signal in (signals[1], signals[0], signals[2]):
                    await trio.sleep(0.03)
                    signal.set(None)

            nursery.start_soon(let_go)
            await upgrade(system, module, source(3, body, ""), timeout=5)
        assert answers == [(2, 2, 2, 2)]
        await system.resume(refs[0])
        assert await refs[0].call(relay.Through(tuple(refs[1:]), signals[0])) == (3,) * 5


NEEDING = """
@dataclass(frozen=True, slots=True)
class Then(Request[tuple]):
    signal: object
    ask: object

@dataclass(frozen=True, slots=True)
class Defer(Request[tuple]):
    pass

class Needing(Actor):
    @on(Then)
    async def then(self, request):
        await request.signal.wait()
        return (version, await request.ask())

    @on(Defer)
    def defer(self, request):
        self.reply = self.reply_to()
        self.send_after(0.01, Tick())
        return NO_REPLY

    @on(Tick)
    def tick(self, message):
        self.reply.reply((version,))
"""


@pytest.mark.parametrize("way", ["call", "deferred reply", "stranger"])
async def test_whom_an_unfinished_handler_needs_goes_on_until_it_has_replied(module, way):
    body = (BODY + CHANGE + NEEDING).replace("NO_REPLY", "__import__('actors').NO_REPLY")
    async with open_system() as system:
        await upgrade(system, module, source(2, body, ""))
        new, signal, answers = now(module), Signal(), []
        first, second = await system.spawn(new.Needing), await system.spawn(new.Needing)
        bystander, stranger = await system.spawn(new.Needing), await system.spawn(Worker)
        done = Signal()
        done.set(None)

        async def nothing():
            return None

        async def through_a_stranger():
            return await stranger.call(Do(lambda me: second.call(new.Then(done, nothing))))

        ask = {
            "call": lambda: second.call(new.Then(done, nothing)),
            "deferred reply": lambda: second.call(new.Defer()),
            "stranger": through_a_stranger,
        }[way]

        async def begin():
            answers.append(await first.call(new.Then(signal, ask)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(begin)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(upgrade, system, module, source(3, body, ""))
            await trio.sleep(0.02)
            assert second.control.frozen
            signal.set(None)
            await trio.sleep(0.005)
            assert bystander.control is None or bystander.control.frozen
        [(version, answer)] = answers
        assert (version, answer[0]) == (2, 2)
        for ref in (first, second, bystander):
            assert (await ref.call(new.Then(done, nothing)))[0] == 3


async def test_actors_that_start_during_the_upgrade_are_moved_too(module):
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        signal = Signal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, module.Wait(signal))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(upgrade, system, module, source(2))
            await trio.sleep(0.01)
            late = await system.spawn(module.Counter)
            assert type(late.actor) is module.Counter
            signal.set(None)
        assert type(late.actor) is now(module).Counter
        assert await late.call(module.Ask()) == (2, 1)


async def test_frozen_actors_still_end(module):
    async with open_system() as system:
        ref, other = await system.spawn(module.Counter), await system.spawn(module.Counter)
        signal = Signal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, module.Wait(signal))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(upgrade, system, module, source(2))
            await trio.sleep(0.01)
            system.kill(other)
            await system.join(other)
            signal.set(None)
        assert await ref.call(module.Ask()) == (2, 1)


async def test_watched_actors_are_watched_on_the_new_code(module):
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        system.start_statistics(ref)
        await ref.call(module.Ask())
        await upgrade(system, module, source(2))
        assert await ref.call(module.Ask()) == (2, 2)
        assert await ref.call(now(module).Ask()) == (2, 3)
        assert system.statistics_of(ref).messages == 3
        system.stop_statistics(ref)
        assert ref.behaviour is now(module).Counter._behaviour


# -- going back ------------------------------------------------------------------------------------


async def unharmed(system, module, refs):
    """Everything is as before: module, classes, objects, traffic, and a later upgrade."""
    assert now(module) is module
    for ref in refs:
        assert type(ref.actor) is module.Counter
        assert "history" not in vars(ref.actor)
        assert ref.behaviour is module.Counter._behaviour
        assert (await ref.call(module.Ask()))[0] == 1
        assert ref.control is None
    assert module.Counter._behaviour.successor is None
    await upgrade(system, module, source(2))
    assert {(await ref.call(module.Ask()))[0] for ref in refs} == {2}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("class Counter(:\n", "was not compiled: SyntaxError"),
        (source(2) + "\n1 / 0\n", "failed while it was executed: ZeroDivisionError"),
        (source(2) + "\nimport no_such_module\n", "ModuleNotFoundError: No module named"),
        (source(2) + "\nraise SystemExit(3)\n", "SystemExit: 3"),
        (source(2).replace("Counter", "Meter"), "has no actor class Counter; keep the class"),
        (source(2).replace("Counter(Actor)", "Counter"), "has no actor class Counter"),
        (source(2).replace("Counter(Actor)", "Counter(TaskActor)"), "is or becomes a task actor"),
        (source(2).replace("    def code_change", "    async def code_change"), "a plain 'def'"),
    ],
)
async def test_what_does_not_work_changes_nothing(module, text, sentence):
    async with open_system() as system:
        refs = [await system.spawn(module.Counter) for _ in range(3)]
        with pytest.raises(UpgradeFailed) as caught:
            await upgrade(system, module, text)
        assert sentence in str(caught.value)
        await unharmed(system, module, refs)


@pytest.mark.parametrize("slotted", [False, True])
async def test_a_code_change_that_raises_takes_everybody_back(module, slotted):
    tail = (
        CHANGE
        + """
        self.count = -1
        if state["count"] % 1000 == 7:
            raise ValueError("seven")
"""
    )
    body = SLOTTED.format(slots='"count", "history"') if slotted else BODY
    async with open_system() as system:
        refs = [await system.spawn(module.Counter, n) for n in range(10)]
        for ref in refs:
            ref.cast(module.Tick())
            ref.actor.count -= 1000
        with pytest.raises(
            UpgradeFailed, match=r"code_change of <Counter .*> raised ValueError: seven"
        ):
            await upgrade(system, module, source(2, body, tail))
        assert [(await ref.call(module.Ask()))[1] for ref in refs] == list(range(1, 11))
        await unharmed(system, module, refs)


async def test_who_does_not_come_to_rest_in_time_stops_the_upgrade(module):
    async with open_system() as system:
        refs = [await system.spawn(module.Counter) for _ in range(3)]
        signal = Signal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refs[0].call, module.Wait(signal))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(UpgradeFailed, match=r"rest within 0.05 s: .* is waiting, in hand"):
                await upgrade(system, module, source(2), timeout=0.05)
            assert await refs[1].call(module.Ask()) == (1, 1)
            signal.set(None)
        await unharmed(system, module, refs)


async def test_a_cancelled_upgrade_changes_nothing(module):
    async with open_system() as system:
        refs = [await system.spawn(module.Counter) for _ in range(3)]
        signal = Signal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refs[0].call, module.Wait(signal))
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.02):
                await upgrade(system, module, source(2))
            signal.set(None)
        await unharmed(system, module, refs)


async def test_two_upgrades_at_once_are_refused(module):
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        signal = Signal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.call, module.Wait(signal))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(upgrade, system, module, source(2))
            await trio.sleep(0.01)
            with pytest.raises(UpgradeFailed, match="another upgrade is under way"):
                await upgrade(system, module, source(3))
            signal.set(None)
        assert await ref.call(module.Ask()) == (2, 1)


async def test_an_actor_cannot_upgrade_itself_but_others(module):
    tail = (
        CHANGE
        + """
    @on(Do)
    async def do(self, request):
        return await request.function(self)
"""
    )
    text = source(2, tail=tail).replace("version =", "from tests.actors.kit import Do\nversion =")
    async with open_system() as system:
        await upgrade(system, module, text)
        ref, other = await system.spawn(now(module).Counter), await system.spawn(Worker)

        async def move(me):
            with pytest.raises(UpgradeFailed, match="cannot upgrade itself"):
                await upgrade(system, module, text)

        await ref.call(Do(move))
        await other.call(Do(lambda me: upgrade(system, module, source(3))))
        assert await ref.call(module.Ask()) == (3, 1)


async def test_a_living_task_actor_is_not_moved(module):
    body = (
        BODY
        + CHANGE
        + """
class Task(TaskActor):
    async def run(self):
        await self.receive()
"""
    )
    async with open_system() as system:
        await upgrade(system, module, source(2, body, ""))
        ref = await system.spawn(now(module).Task)
        with pytest.raises(UpgradeFailed, match="whose run\\(\\) cannot be exchanged"):
            await upgrade(system, module, source(3, body, ""))
        system.kill(ref)
        await system.join(ref)
        await upgrade(system, module, source(3, body, ""))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("actors.actor", "the runtime, which cannot replace itself"),
        ("no.such.module", "no module 'no.such.module' is loaded"),
        ("sys", "has no source"),
    ],
)
async def test_modules_that_cannot_be_upgraded_are_named(name, sentence):
    async with open_system() as system:
        with pytest.raises(UpgradeFailed, match=sentence):
            await system.upgrade(name)


async def test_a_module_is_named_once_and_at_least_one(module):
    async with open_system() as system:
        with pytest.raises(UpgradeFailed, match="at least one module"):
            await system.upgrade()
        with pytest.raises(UpgradeFailed, match="named twice"):
            name = module.__name__
            await system.upgrade(name, name, sources={name: source(2)})
    assert now(module) is module


# -- the process -----------------------------------------------------------------------------------


async def test_other_systems_keep_their_actors_unless_they_are_named(module):
    async with open_system("one") as one, open_system("two") as two:
        mine, theirs = await one.spawn(module.Counter), await two.spawn(module.Counter)
        await upgrade(one, module, source(2))
        assert await mine.call(module.Ask()) == (2, 1)
        assert await theirs.call(module.Ask()) == (1, 1)
        assert await theirs.call(now(module).Ask()) == (1, 2)
        assert await (await two.spawn(module.Counter)).call(module.Ask()) == (2, 1)
        report = await upgrade(one, module, source(3), also=[two])
        assert report.moved == {"Counter": 3}
        assert await theirs.call(module.Ask()) == (3, 3)
        assert theirs.actor.history == [1]


async def test_old_modules_are_forgotten(module):
    async with open_system() as system:
        ref = await system.spawn(module.Counter)
        await upgrade(system, module, source(2))
        old = weakref.ref(now(module).Counter), weakref.ref(now(module).Ask)
        for version in range(3, 6):
            await upgrade(system, module, source(version))
        gc.collect()
        assert [one() for one in old] == [None, None]
        assert await ref.call(module.Ask()) == (5, 1)


async def test_adopted_messages_are_bounded(module):
    class Elsewhere(Actor):
        @on(module.Ask)
        def ask(self, request):
            return (0, 0)

    async with open_system() as system:
        ref = await system.spawn(Elsewhere)
        for version in range(2, 80):
            await upgrade(system, module, source(version))
            assert await ref.call(now(module).Ask()) == (0, 0)
    assert len(Elsewhere._behaviour.handlers) <= 66


# -- change_code -----------------------------------------------------------------------------------


class Other(Worker):
    def code_change(self, old_version, state):
        if state.get("refuses"):
            raise ValueError("no")
        self.seen = [old_version, *state["seen"]]


class Versioned(Worker):
    version = "v1"


async def test_one_actor_gets_another_class():
    async with open_system() as system:
        ref, untouched = await system.spawn(Versioned), await system.spawn(Versioned)
        await system.change_code(ref, Other)
        assert await ref.call(Get()) == ["v1"]
        assert type(ref.actor) is Other
        assert type(untouched.actor) is Versioned


async def test_a_change_of_code_that_raises_leaves_the_actor_as_it_was():
    async with open_system() as system:
        ref = await system.spawn(Worker)
        ref.actor.refuses = True
        with pytest.raises(ValueError, match="no"):
            await system.change_code(ref, Other)
        assert type(ref.actor) is Worker
        assert await ref.call(Add(1)) == 2
        with pytest.raises(TypeError, match="a subclass of Actor"):
            await system.change_code(ref, int)


async def test_a_task_actor_cannot_change_its_code():
    class Task(TaskActor):
        async def run(self):
            while True:
                await self.dispatch(await self.receive())

        @on(DoSync)
        def do(self, request):
            return request.function(self)

    async with open_system() as system:
        ref = await system.spawn(Task)
        with pytest.raises(UpgradeFailed):
            await system.change_code(ref, Other)
        assert await ref.call(DoSync(lambda me: 5)) == 5


def test_upgrade_failed_is_no_call_error():
    assert not issubclass(UpgradeFailed, CallError)
