"""A request that cannot be meant is refused; the supervisor and its children feel nothing."""

from __future__ import annotations

import pytest

from actors import Actor, StartFailed, open_system
from supervision import (
    ChildNotFound,
    ChildSpec,
    DeleteChild,
    DynamicSupervisor,
    GetChildSpec,
    InvalidChildSpec,
    RestartChild,
    StartChild,
    Supervisor,
    TerminateChild,
)


class Child(Actor):
    pass


class Unspeakable:
    def __repr__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize("child", [[], ([],), {}, Unspeakable()])
@pytest.mark.parametrize("request_type", [TerminateChild, GetChildSpec, RestartChild, DeleteChild])
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
async def test_what_can_be_no_id_is_refused(kind, request_type, child):
    if kind is DynamicSupervisor and request_type in (RestartChild, DeleteChild):
        return
    async with open_system() as system:
        supervisor = await system.spawn(kind, *([[Child]] if kind is Supervisor else []))
        with pytest.raises(ChildNotFound):
            await supervisor.call(request_type(child))
        assert supervisor.is_alive()


@pytest.mark.parametrize(
    "wrong", [{"args": 5}, {"args": "ab"}, {"args": [1]}, {"name": []}, {"name": ("user", [])}]
)
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
async def test_what_cannot_be_added_to_a_spec_is_refused(kind, wrong):
    async with open_system() as system:
        supervisor = await system.spawn(kind, *([[]] if kind is Supervisor else []))
        with pytest.raises(InvalidChildSpec, match=r"Write StartChild\(spec, "):
            await supervisor.call(StartChild(ChildSpec("child", Child), **wrong))
        assert supervisor.is_alive()


@pytest.mark.parametrize("children", [Child, ChildSpec("child", Child), 5, None])
async def test_children_that_are_no_list_are_named(children):
    async with open_system() as system:
        with pytest.raises(StartFailed, match=r"is no list of children. Write \[ChildSpec"):
            await system.spawn(Supervisor, children)


async def test_the_same_class_twice_is_shown_how_to_be_written():
    async with open_system() as system:
        with pytest.raises(StartFailed, match=r"write ChildSpec\(\('Child', 2\), Child\)"):
            await system.spawn(Supervisor, [Child, Child])
