"""Arguments that do not fit the class are said where the spec is made, or at the static start."""

from __future__ import annotations

import pytest

from actors import Actor, CallError, StartFailed
from supervision import (
    ChildSpec,
    ChildSpecError,
    CountChildren,
    DynamicSupervisor,
    GetChildSpec,
    InvalidChildSpec,
    StartChild,
    Supervisor,
)
from supervision.child_spec import check_children


class Calculator(Actor):
    def __init__(self, number, digits=2, *, rounded):
        self.number = number


class Loose(Actor):
    def __init__(self, *numbers, **options):
        pass


class Plain(Actor):
    pass


class Exact(Actor):
    def __init__(self, number, /):
        self.number = number


class Made(Actor):
    def __new__(cls, *args):
        return super().__new__(cls)


TOO_MANY = "Calculator gets 3, but takes (number, digits=2, *, rounded)"
RIGHT = "Write ChildSpec('c', Calculator, (number,), kwargs={'rounded': ...})."


@pytest.mark.parametrize(
    ("actor", "args", "kwargs", "field", "sentence"),
    [
        (Calculator, (1, 2, 3), None, "args", f"{TOO_MANY}. {RIGHT}"),
        (Calculator, (), {"round": 1}, "kwargs", "gets 'round', but takes (number, digits=2, *"),
        (Calculator, (1,), {"number": 1}, "kwargs", "gets 'number' twice, in args and in kwargs."),
        (Plain, (1,), None, "args", "Plain has no __init__ and takes no arguments."),
        (Plain, (), {"a": 1}, "kwargs", "Write ChildSpec('c', Plain)."),
        (Exact, (), {"number": 1}, "kwargs", "Write ChildSpec('c', Exact, (number,))."),
    ],
)
def test_what_is_certain_is_refused_where_the_spec_is_made(actor, args, kwargs, field, sentence):
    with pytest.raises(ChildSpecError) as info:
        ChildSpec("c", actor, args, kwargs=kwargs)
    assert info.value.field == field
    assert str(info.value).startswith("The arguments of the child 'c' do not fit: ")
    assert sentence in str(info.value)


@pytest.mark.parametrize(
    ("actor", "args", "kwargs"),
    [
        (Calculator, (), None),  # StartChild may add them
        (Calculator, (1, 2), {"rounded": True}),
        (Calculator, (), {"rounded": True, "digits": 1, "number": 1}),
        (Loose, (1, 2, 3), {"anything": 1}),
        (Plain, (), {}),
        (Exact, (1,), None),
        (Made, (1, 2), None),
    ],
)
def test_what_may_fit_is_accepted(actor, args, kwargs):
    assert ChildSpec("c", actor, args, kwargs=kwargs).args == args


@pytest.mark.parametrize(
    ("args", "kwargs", "missing"),
    [((), {"rounded": True}, "number"), ((1,), None, "rounded"), ((1,), {}, "rounded")],
)
def test_what_is_missing_is_refused_by_who_adds_nothing(args, kwargs, missing):
    spec = ChildSpec("c", Calculator, args, kwargs=kwargs)
    with pytest.raises(ChildSpecError) as info:
        check_children([spec], "never")
    assert f"Calculator needs '{missing}'; it takes (number, digits=2, *, rounded)." in str(
        info.value
    )
    assert RIGHT in str(info.value)


async def test_a_static_supervisor_does_not_start_with_a_wrong_spec_nor_add_one(system):
    with pytest.raises(StartFailed, match="Calculator needs 'number'"):
        await system.spawn(Supervisor, [ChildSpec("c", Calculator)])
    top = await system.spawn(Supervisor, [])
    spec = ChildSpec("c", Calculator, kwargs={"rounded": True})
    with pytest.raises(InvalidChildSpec, match="Calculator needs 'number'"):
        await top.call(StartChild(spec))
    with pytest.raises(InvalidChildSpec, match="Calculator gets 3"):
        await top.call(StartChild(spec, args=(1, 2, 3)))
    assert (await top.call(StartChild(spec, args=(1,)))).is_alive()


async def test_a_dynamic_supervisor_adds_arguments_to_a_spec_that_lacks_some(system):
    top = await system.spawn(DynamicSupervisor, extra_arguments=(1,))
    spec = ChildSpec("c", Calculator, kwargs={"rounded": True})
    assert (await top.call(StartChild(spec))).is_alive()
    assert (await top.call(StartChild(spec, args=(2,)))).is_alive()
    with pytest.raises(CallError, match="TypeError"):
        await top.call(StartChild(spec, args=(2, 3)))


async def test_a_class_that_has_changed_since_the_start_ends_no_supervisor(system, monkeypatch):
    top = await system.spawn(DynamicSupervisor)
    child = await top.call(StartChild(ChildSpec("c", Exact), args=(1,)))
    assert (await top.call(GetChildSpec(child))).args == (1,)
    monkeypatch.delattr(Exact, "__init__")
    with pytest.raises(InvalidChildSpec, match="takes no arguments"):
        await top.call(GetChildSpec(child))
    assert (await top.call(CountChildren())).active == 1
