"""A handler that cannot take its message is refused where its class is defined."""

from __future__ import annotations

import functools
from typing import Any, Protocol

import pytest

from actors import Actor, Request, StateMachine, TaskActor, on, on_enter, open_system
from tests.actors.kit import Add, Note


class Take(Protocol):
    amount: int


KNOWN = {
    "Add": Add,
    "Any": Any,
    "Note": Note,
    "Number": int | float,
    "Request": Request,
    "Take": Take,
    "on": on,
    "on_enter": on_enter,
}
"""What the module knows in which `define` defines a class."""


def define(source, base=Actor, mark="@on(Add)", future=""):
    """The class with one handler that has this source; at the top of a module, as most are."""
    names = KNOWN | {"Base": base, "__name__": __name__}
    source = f"{future}class Counter(Base):\n    {mark}\n    {source}"
    exec(compile(source, "<test>", "exec", dont_inherit=True), names)
    return names["Counter"]


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ("def add(self): ...", "self"),
        ("def add(self, request, other): ...", "self, request, other"),
        ("def add(self, request, *, other): ...", "self, request, *, other"),
        ("def add(*, request): ...", "*, request"),
    ],
)
def test_a_handler_that_cannot_take_a_message_is_refused_with_the_right_code(source, taken):
    with pytest.raises(TypeError) as info:
        define(source)
    assert str(info.value) == (
        f"the handler Counter.add takes ({taken}), but it is called with the actor and one "
        "message; write def add(self, request: Add)"
    )


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize("annotation", ["Note", "'Note'"])
def test_one_that_is_annotated_for_another_class_is_refused_with_the_right_code(annotation, future):
    with pytest.raises(TypeError) as info:
        define(f"async def add(self, it: {annotation}) -> int: ...", future=future)
    assert str(info.value) == (
        "the handler Counter.add is for Add, but its parameter it is annotated as Note; "
        "write @on(Note), or async def add(self, request: Add)"
    )


def test_what_is_no_request_is_called_a_message():
    with pytest.raises(TypeError, match=r"write def add\(self, message: Note\)$"):
        define("def add(self): ...", mark="@on(Note)")


@pytest.mark.parametrize("base", [TaskActor, StateMachine])
def test_the_other_bases_refuse_it_too(base):
    with pytest.raises(TypeError, match=r"Counter.add takes \(self\)"):
        define("def add(self): ...", base)


def test_handlers_of_one_state_and_of_entering_it_are_refused_too():
    with pytest.raises(TypeError, match=r"Counter.add takes \(self\)"):
        define("def add(self): ...", StateMachine, "@on(Add, state='open')")
    with pytest.raises(TypeError, match=r"Counter.entered, marked by @on_enter, takes \(self\)"):
        define("def entered(self): ...", StateMachine, "@on_enter('open')")
    assert define("def entered(self, old): ...", StateMachine, "@on_enter('open')")


def test_an_override_that_cannot_take_the_message_is_refused():
    class Base(Actor):
        @on(Add)
        def add(self, request):
            return 1

    with pytest.raises(TypeError, match=r"Derived.add takes \(self\)"):

        class Derived(Base):
            def add(self):
                return 2


def test_two_messages_whose_handler_is_annotated_for_one_of_them_are_refused():
    with pytest.raises(TypeError, match="is for Add, but its parameter message is annotated as No"):
        define("def add(self, message: Note): ...", mark="@on(Note)\n    @on(Add)")


@pytest.mark.parametrize(
    "source",
    [
        "def add(self, request): ...",
        "def add(self, _, more=1, *rest, option=None, **options): ...",
        "def add(*both): ...",
        "def add(self, *messages): ...",
        "def add(self, request: Add): ...",
        "def add(self, request: 'Add'): ...",
        "def add(self, request: 'elsewhere.Add'): ...",
        "def add(self, request: 'NotKnownHere'): ...",
        "def add(self, request: Request): ...",
        "def add(self, request: 'Request[int]'): ...",
        "def add(self, request: object): ...",
        "def add(self, request: Any): ...",
        "def add(self, request: Add | Note): ...",
        "def add(self, request: 'Add | Note'): ...",
        "def add(self, request: Take): ...",
        "@staticmethod\n    def add(actor, request): ...",
    ],
)
def test_every_handler_that_can_take_the_message_is_accepted(source):
    assert define(source)


@pytest.mark.parametrize("annotation", ["float", "complex", "Number"])
def test_a_number_is_taken_by_a_wider_one(annotation):
    assert define(f"def add(self, number: {annotation}): ...", mark="@on(int)")


async def test_a_decorated_handler_is_judged_by_what_is_called():
    def loudly(function):
        @functools.wraps(function)
        def wrapper(*both):
            return function(*both, 10)

        return wrapper

    class Counter(Actor):
        @on(Add)
        @loudly
        def add(self, request, extra):
            return request.amount + extra

    async with open_system() as system:
        assert await (await system.spawn(Counter)).call(Add(1)) == 11


def test_a_name_inside_of_a_function_may_mean_something_local():
    class Local(Request[int]):
        pass

    Note = Local  # noqa: F841 - the annotation names it

    class Counter(Actor):
        @on(Local)
        def add(self, request: Note) -> int:
            return 1

    assert Counter.__name__ == "Counter"
