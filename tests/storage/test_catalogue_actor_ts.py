"""What went wrong elsewhere: the findings of pathosDev/actor-ts about journals that apply here.

Its actors recover from a journal and from snapshots; here whoever owns a stream does that with the
operations of `storage`. The table of all findings is in `tests/actors/test_catalogue_actor_ts.py`;
that every history of operations ends as a small model says is in `test_conformance.py`.
"""

from __future__ import annotations

import pytest

from storage import (
    Append,
    Appended,
    Conflict,
    Done,
    Load,
    Loaded,
    Settle,
    Snapshot,
    Truncate,
    open_lmdb,
    open_memory,
)


@pytest.fixture(params=["memory", "lmdb"])
async def journal(request, tmp_path):
    if request.param == "memory":
        opened = open_memory()
    else:
        opened = open_lmdb(tmp_path / "journal", reserve_bytes=0, ballast_bytes=0)
    async with opened as journal:
        yield journal


async def truncated(journal):
    """A stream of five records and a snapshot of all five, of which no record is kept."""
    await journal.perform(Append("s", 0, (b"1", b"2", b"3", b"4", b"5")))
    await journal.perform(Snapshot("s", 5, b"five"))
    assert isinstance(await journal.perform(Truncate("s", 5)), Done)


async def test_628_a_stream_of_which_no_record_is_kept_goes_on_at_its_number(journal):
    await truncated(journal)
    loaded = await journal.perform(Load("s"))
    assert isinstance(loaded, Loaded)
    assert (loaded.info.version, loaded.info.first, loaded.records) == (5, 6, ())
    appended = await journal.perform(Append("s", loaded.info.version, (b"6",)))
    assert appended == Appended(loaded.info.epoch, 6)


async def test_629_truncating_keeps_the_snapshot_and_what_it_does_not_cover(journal):
    await truncated(journal)
    await journal.perform(Append("s", 5, (b"6", b"7")))
    assert isinstance(await journal.perform(Truncate("s", 7)), Done)
    loaded = await journal.perform(Load("s"))
    assert (loaded.snapshot, loaded.start, loaded.records) == (b"five", 6, (b"6", b"7"))


async def test_629_truncating_keeps_what_is_not_settled(journal):
    await journal.perform(Append("s", 0, (b"1", b"2"), pending=True))
    await journal.perform(Snapshot("s", 2, b"two"))
    await journal.perform(Settle("s", 1))
    await journal.perform(Truncate("s", 2))
    assert (await journal.perform(Load("s"))).info.first == 2


async def test_1166_of_two_who_own_a_stream_one_writes_and_the_other_is_told(journal):
    await journal.perform(Append("s", 0, (b"1",)))
    first, second = (await journal.perform(Load("s")), await journal.perform(Load("s")))
    written = await journal.perform(Append("s", first.info.version, (b"first",)))
    refused = await journal.perform(Append("s", second.info.version, (b"second",)))
    assert written == Appended(first.info.epoch, 2)
    assert refused == Conflict(first.info.epoch, 2)
    assert (await journal.perform(Load("s"))).records == (b"1", b"first")


async def test_117_who_was_refused_may_go_on_from_where_the_stream_stands(journal):
    await journal.perform(Append("s", 0, (b"1",)))
    refused = await journal.perform(Append("s", 0, (b"again",)))
    assert isinstance(refused, Conflict)
    assert await journal.perform(Append("s", refused.version, (b"2",))) == Appended(
        refused.epoch, 2
    )
