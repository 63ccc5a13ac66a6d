"""What no stream can take every engine refuses: a code, a sentence, and nothing is written."""

from __future__ import annotations

import pytest
import trio

from storage import (
    MAX_APPEND_RECORDS,
    MAX_LIMIT,
    MAX_READ_BYTES,
    MAX_RECORD_BYTES,
    MAX_SNAPSHOT_BYTES,
    Append,
    Appended,
    Describe,
    Described,
    Load,
    Pending,
    Read,
    Refused,
    Scan,
    Settle,
    Snapshot,
    Truncate,
    open_lmdb,
    open_memory,
)

LONG = "n" * 401
TOO_MUCH = [
    ("bad_name", Append("", 0, (b"x",))),
    ("bad_name", Append(LONG, 0, (b"x",))),
    ("bad_name", Settle("a\0", 1)),
    ("bad_name", Load("")),
    ("bad_name", Read(LONG, 1)),
    ("bad_name", Describe(("s", LONG))),
    ("bad_name", Scan(prefix=LONG)),
    ("bad_name", Scan(after=LONG)),
    ("bad_name", Pending(after="\ud800")),
    ("invalid", Append("s", 0, ())),
    ("invalid", Append("s", -1, (b"x",))),
    ("invalid", Append("s", 1 << 53, (b"x",))),
    ("invalid", Settle("s", -1)),
    ("invalid", Settle("s", 2)),
    ("invalid", Settle("absent", 0)),
    ("invalid", Snapshot("s", 2, b"")),
    ("invalid", Snapshot("absent", 0, b"")),
    ("invalid", Truncate("absent", 1)),
    ("invalid", Pending(range(0, 10, 2))),
    ("too_large", Append("s", 1, (b"x" * (MAX_RECORD_BYTES + 1),))),
    ("too_large", Append("s", 1, (b"x" * MAX_RECORD_BYTES,) * 5)),
    ("too_large", Append("s", 1, (b"",) * (MAX_APPEND_RECORDS + 1))),
    ("too_large", Snapshot("s", 1, bytes(MAX_SNAPSHOT_BYTES + 1))),
    ("too_large", Read("s", 1, MAX_LIMIT + 1)),
    ("too_large", Read("s", 1, 0)),
    ("too_large", Read("s", 1, 1, MAX_READ_BYTES + 1)),
    ("too_large", Load("s", 0)),
    ("too_large", Scan(limit=0)),
    ("too_large", Pending(limit=MAX_LIMIT + 1)),
    ("too_large", Describe(("s",) * (MAX_LIMIT + 1))),
]


@pytest.fixture(params=["memory", "lmdb"])
def opener(request, tmp_path):
    if request.param == "memory":
        return open_memory
    return lambda: open_lmdb(tmp_path / "journal", reserve_bytes=0, ballast_bytes=0)


async def test_every_refusal_has_its_code_and_a_sentence_and_writes_nothing(opener):
    async with opener() as journal:
        assert isinstance(await journal.append("s", 0, b"x"), Appended)
        for code, op in TOO_MUCH:
            outcome = await journal.perform(op)
            assert isinstance(outcome, Refused), op
            assert outcome.code == code, (op, outcome)
            assert len(outcome.message.split()) > 5
        described = await journal.describe("s", "absent")
        assert isinstance(described, Described)
        assert [info.version for info in described.streams] == [1, 0]
        assert (await journal.scan()).names == ("s",)


async def test_what_is_just_within_the_bounds_is_taken_and_read_back(opener):
    async with opener() as journal:
        name = "ü" * 200
        many = tuple(b"%d" % number for number in range(MAX_APPEND_RECORDS))
        assert (await journal.append(name, 0, *many)).version == len(many)
        loaded = await journal.load(name)
        assert (loaded.records, loaded.more) == (many, False)
        large = bytes(range(256)) * (MAX_RECORD_BYTES // 256)
        assert (await journal.append("large", 0, large, large)).version == 2
        assert (await journal.read("large", 1)).records == (large,)
        assert (await journal.read("large", 1, max_bytes=4 << 20)).records == (large, large)
        state = large * 10
        assert (await journal.snapshot("large", 2, state)).info.snapshot_version == 2
        assert (await journal.load("large")).snapshot == state


async def test_describing_nothing_is_answered(opener):
    async with opener() as journal:
        assert await journal.describe() == Described(())


async def test_ctrl_c_interrupts_no_completion(opener):
    protected = []
    finished = trio.Event()

    def done(_) -> None:
        protected.append(trio.lowlevel.currently_ki_protected())
        if len(protected) == 3:
            finished.set()

    async with opener() as journal:
        for op in (Append("s", 0, (b"x",)), Append("", 0, (b"x",)), Load("s")):
            journal.submit(op, done)
        await finished.wait()
    assert protected == [True] * 3
