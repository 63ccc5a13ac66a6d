"""The tree of a system."""

from __future__ import annotations

import pytest

from actors import open_system
from tests.actors.kit import Do, Note, Worker


async def family(system):
    top = await system.spawn(Worker, name="top")
    refs = [await top.call(Do(lambda me: me.spawn(Worker))) for _ in range(5)]
    low = await refs[0].call(Do(lambda me: me.spawn(Worker, name="low")))
    return top, refs, low


async def test_the_tree_shows_each_actor_below_its_parent():
    async with open_system("world") as system:
        top, refs, low = await family(system)
        await system.suspend(low)
        low.cast(Note(1))
        tree = system.tree()
    [node] = tree.children
    assert node.ref is top
    assert [child.ref for child in node.children] == refs
    assert node.children[0].children[0].ref is low
    assert str(tree).splitlines()[:4] == [
        "system 'world' (7 actors)",
        "└── Worker 'top' (idle)",
        "    ├── Worker (idle)",
        "    │   └── Worker 'low' (suspended, 1 waiting)",
    ]


async def test_the_tree_is_bounded_and_counts_what_it_leaves_out():
    async with open_system() as system:
        _top, refs, _low = await family(system)
        tree = system.tree(4)
        [node] = tree.children
        assert [child.ref for child in node.children] == refs[:3]
        assert node.more == 2
        assert node.children[0].more == 1
        assert "(2 more)" in str(tree)
        with pytest.raises(ValueError, match="at least 1"):
            system.tree(0)


async def test_who_has_lost_its_parent_stands_below_the_system():
    async with open_system() as system:
        top = await system.spawn(Worker)
        ref = await top.call(Do(lambda me: me.spawn(Worker, trap=True)))
        await ref.call(Do(lambda me: me.unlink(top)))
        system.kill(top)
        await system.join(top)
        assert [child.ref for child in system.tree().children] == [ref]
