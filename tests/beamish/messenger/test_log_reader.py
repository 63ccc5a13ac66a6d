"""The cache of logs shows nothing that was changed since, however reads and changes interleave."""

from __future__ import annotations

import msgpack
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from beamish.messenger.conversations.tail import Tail
from beamish.messenger.streams.log_part import Extract
from beamish.messenger.streams.log_reader import LogReader
from beamish.messenger.streams.records import Record
from storage import Records, StreamInfo

BASE = {"by": "alice", "at": 1}


def message(n, **fields):
    return {"n": n, "type": "message", "ordinal": n, "text": f"text {n}", **BASE, **fields}


def touch(n, target, kind="edit"):
    return {"n": n, "type": kind, "target": target, **BASE}


class SlowPort:
    """A journal of one log; reads that are held back answer what was there when they began."""

    def __init__(self, *log):
        self.log = [msgpack.packb(fields) for fields in log]
        self.reads = 0
        self.gate = None

    def append(self, fields, **amended):
        self.log.append(msgpack.packb(fields))
        if amended:
            self.log[fields["target"] - 1] = msgpack.packb(
                message(fields["target"], rev=fields["n"], **amended)
            )

    async def read(self, stream, start, limit, max_bytes):
        self.reads += 1
        records = tuple(self.log[start - 1 : start - 1 + limit])
        version = len(self.log)
        if self.gate is not None:
            await self.gate.wait()
        return Records(StreamInfo(stream, 1, version, 1, 0, 0), start, records)


def texts(records):
    return [record.fields.get("text") for record in records]


async def test_a_touch_drops_what_is_cached_of_its_target():
    port = SlowPort(message(1), message(2))
    logs = LogReader(port, 1 << 20)
    assert texts(await logs.read("c", 1, 2)) == ["text 1", "text 2"]
    port.append(touch(3, 1), text="other")
    logs.touched("c", 1, 3)
    assert texts(await logs.read("c", 1, 2)) == ["other", "text 2"]
    reads = port.reads
    logs.touched("c", 1, 3)
    await logs.read("c", 1, 2)
    assert port.reads == reads


async def test_whoever_reads_a_touch_drops_its_target():
    port = SlowPort(message(1))
    logs = LogReader(port, 1 << 20)
    await logs.read("c", 1, 1)
    port.append(touch(2, 1), text="other")
    await logs.read("c", 2, 2)
    assert texts(await logs.read("c", 1, 1)) == ["other"]


async def test_of_two_forms_of_a_record_the_newer_is_kept():
    logs = LogReader(SlowPort(), 1 << 20)
    new, old = Record.new(message(1, rev=5, text="new")), Record.new(message(1, rev=3, text="old"))
    logs.keep("c", new)
    logs.keep("c", old)
    assert texts(await logs.read("c", 1, 1)) == ["new"]


@pytest.mark.parametrize("known", [True, False])
async def test_a_page_that_was_under_way_brings_nothing_old_back(known, autojump_clock):
    port = SlowPort(*map(message, range(1, 5)))
    logs = LogReader(port, 1 << 20)
    port.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        found = []

        async def read():
            found.extend(await logs.read("c", 1, 4))

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        port.append(touch(5, 3), text="other")
        logs.touched("c", 3, 5)
        if known:
            logs.keep("c", Record.from_journal(3, port.log[2]))
        port.gate.set()
    assert texts(found) == ["text 1", "text 2", "other", "text 4"]
    assert texts(await logs.read("c", 1, 4)) == texts(found)
    assert logs._under_way == {}


async def test_targets_are_read_with_the_touches_that_name_them():
    port = SlowPort(*map(message, range(1, 100)))
    for n, target in enumerate((3, 90, 4, 3, 50), 100):
        port.append(touch(n, target), text="other")
    logs = LogReader(port, 1 << 20)
    part = await logs.part("c", 99, 104)
    assert sorted(n for n, record in part.targets.items() if record.rev) == [3, 4, 50, 90]
    assert part.quiet
    assert not part.plain
    few = await logs.targets("c", part.records, lowest=50)
    assert sorted(few) == [50, 90]


async def test_what_was_read_a_moment_ago_is_shown_as_it_is_now():
    port = SlowPort(message(1), message(2))
    logs = LogReader(port, 1 << 20)
    excerpt = Extract(tuple(await logs.read("c", 1, 2)), {})
    assert logs.refreshed("c", excerpt) is excerpt
    logs.keep("c", Record.new(touch(3, 2)))
    logs.keep("c", Record.new(message(2, rev=3, text="other")))
    assert texts(logs.refreshed("c", excerpt).records) == ["text 1", "other"]
    assert logs.refreshed("d", excerpt) is excerpt


async def test_the_cache_keeps_to_its_bound_when_records_change_their_size():
    logs = LogReader(SlowPort(), 10_000)
    for rev in range(1, 40):
        logs.keep("c", Record.new(message(1 + rev % 3, rev=rev, text="x" * 100 * (rev % 7))))
        assert logs._bytes == sum(record.size for record in logs._records.values()) <= 10_000
    logs.touched("c", 1, 99)
    assert logs._bytes == sum(record.size for record in logs._records.values())


tail_steps = st.lists(
    st.tuples(st.sampled_from(["say", "touch", "touch", "gap", "forget"]), st.integers(0, 9)),
    max_size=40,
)


@given(steps=tail_steps, base=st.integers(0, 40))
def test_the_tail_holds_the_newest_records_as_they_are_now(steps, base):
    tail, log = Tail(), {}
    for move, at in steps:
        n = len(log) + 1
        if move == "forget" and log:
            tail.forget(1 + at % len(log))
        elif move == "touch" and log:
            target = 1 + at % len(log)
            if log[target].target:
                continue
            log[n] = Record.new(touch(n, target))
            log[target] = Record.new(message(target, rev=n, text="y" * at))
            tail.replace(log[target])
            tail.append(log[n], {target: log[target]})
        else:
            log[n] = Record.new(message(n))
            if move == "say":
                tail.append(log[n], {})
    part = tail.behind(base)
    for record in () if part is None else part.records:
        assert record is log[record.n]
        if record.target:
            assert part.targets[record.target] is log[record.target]
    held = [*tail._records, *tail._targets.values()]
    assert tail._bytes == sum(len(record.raw) for record in held)
