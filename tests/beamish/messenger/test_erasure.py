"""What was deleted is nowhere any more: not in a read, not in a record, not after a kill -9."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import trio

from beamish.messenger.faults import NoFaults
from beamish.messenger.settings import MessengerSettings
from beamish.node import NodeConfig, open_node
from storage import open_lmdb
from tests.beamish.messenger.conftest import CHEAP
from tests.beamish.messenger.talker import Talker

SECRET = "the combination is 7-3-1"
SMALL = {"reserve_bytes": 0, "ballast_bytes": 0}


def config(data, faults=None):
    settings = MessengerSettings(**CHEAP)
    return NodeConfig(data, settings, faults or NoFaults(), journal_options=SMALL)


async def talker(node, nursery, user):
    made = Talker(node, nursery, user)
    await made.until(lambda: made.ready)
    return made


async def everything_in(journal):
    """All records and snapshots of all streams, as they lie in the journal."""
    found = []
    for stream in (await journal.scan()).names:
        found.append((await journal.load(stream)).snapshot or b"")
        start = 1
        while True:
            page = await journal.read(stream, start, limit=1_000)
            found += page.records
            if not page.more:
                break
            start = page.start + len(page.records)
    return b"\n".join(found)


async def everything_told(talker, group):
    """Whatever this user can get out of the node."""
    told = [await talker.question("snapshot")]
    told.append(await talker.question("history", conversation=group))
    for n in range(1, 12):
        told += [
            await talker.question("history", conversation=group, before=n, limit=1),
            await talker.question("history", conversation=group, after=n, limit=1),
        ]
    for number in range(1, told[0]["number"] + 1):
        told.append(await talker.question("fetch", epoch=talker.epoch, **{"from": number}))
    return str(told)


async def test_after_its_deletion_a_text_is_in_no_read_and_in_no_record(tmp_path):
    async with open_node(config(tmp_path)) as node, trio.open_nursery() as nursery:
        alice, bob, carol = [await talker(node, nursery, u) for u in ("alice", "bob", "carol")]
        group = await alice.create_group("All", ["bob", "carol"])
        n = (await alice.send(group, "an innocent text"))["n"]
        await alice.command("edit", group, target=n, text=SECRET)
        reply = (await bob.command("send", group, text="noted", reply=n))["n"]
        await bob.command("react", group, target=n, emoji="+")
        for each in (bob, carol):
            await each.until(lambda e=each: reply in e.records.get(group, {}))
        await carol.command("leave", group)
        assert SECRET in await everything_told(bob, group)
        assert SECRET.encode() in await everything_in(node.journal)
        deleted = (await alice.command("delete", group, target=n))["n"]
        assert SECRET.encode() not in await everything_in(node.journal)
        for each in (alice, bob, carol):
            told = await everything_told(each, group)
            assert SECRET not in told
            assert "innocent" not in told
            assert f"'deleted': {deleted}" in told
        nursery.cancel_scope.cancel()


class Kill(NoFaults):
    """Kills the process between the append of a deletion and its answer."""

    armed = False

    def passing(self, kind, point):
        if self.armed and (kind, point) == ("conversation", "between append and reply"):
            os.kill(os.getpid(), signal.SIGKILL)


async def delete_and_die(data):
    faults = Kill()
    async with open_node(config(data, faults)) as node, trio.open_nursery() as nursery:
        alice = await talker(node, nursery, "alice")
        await talker(node, nursery, "bob")
        n = (await alice.send("d:alice:bob", SECRET))["n"]
        assert SECRET.encode() in await everything_in(node.journal)
        faults.armed = True
        await alice.command("delete", "d:alice:bob", target=n)


async def test_a_node_that_is_killed_before_it_can_answer_has_deleted_for_good(tmp_path):
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", __spec__.name, str(tmp_path)]
    died = await trio.run_process(command, cwd=root, check=False, capture_stderr=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    async with open_lmdb(tmp_path, **SMALL) as journal:
        found = await everything_in(journal)
    assert SECRET.encode() not in found
    assert b"deleted_by" in found


if __name__ == "__main__":
    trio.run(delete_and_die, Path(sys.argv[1]))
