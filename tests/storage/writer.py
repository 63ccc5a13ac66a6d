"""A process that writes to a journal until it is killed or told to stop; run as a script.

``python writer.py DIR STREAMS``: prints ``open`` once the journal is open, then for each append
that was acknowledged ``STREAM VERSION`` and, for other outcomes, ``! STREAM OUTCOME``.
Each record is its stream's name and its number; every append amends some of those before it.
`content` says what a stream holds at a version. Streams go on where they stand. Ends at the end of
its input.
"""

from __future__ import annotations

import sys

import trio

from storage import Appended, open_lmdb


def record(stream: str, number: int) -> bytes:
    """The record with this number."""
    return f"{stream}:{number}:".encode().ljust(50 + number % 7 * 90, b".")


def amended(stream: str, version: int) -> tuple[tuple[int, bytes], ...]:
    """What an append that expects this version amends."""
    numbers = range(max(1, version - 24 + version % 5), version + 1, 7)
    return tuple((n, f"{stream}:{n} by {version}".encode().ljust(n % 4 * 700)) for n in numbers)


def content(stream: str, version: int) -> list[bytes]:
    """All records of a stream at a version, the truncated ones too."""
    records: list[bytes] = []
    while len(records) < version:
        at = len(records)
        records += [record(stream, at + 1 + index) for index in range(1 + at % 3)]
        for number, raw in amended(stream, at):
            records[number - 1] = raw
    assert len(records) == version, "an append was torn"
    return records


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def write(journal, stream: str) -> None:
    info = (await journal.describe(stream)).streams[0]
    version = info.version
    while True:
        count = 1 + version % 3
        records = [record(stream, version + 1 + index) for index in range(count)]
        outcome = await journal.append(
            stream, version, *records, pending=version % 2 == 0, amend=amended(stream, version)
        )
        if not isinstance(outcome, Appended):
            say(f"! {stream} {outcome}")
            await trio.sleep(0.01)
            version = (await journal.describe(stream)).streams[0].version
            continue
        version = outcome.version
        say(f"{stream} {version}")
        if version % 20 == 0:
            await journal.snapshot(stream, version - 5, b"state at %d" % (version - 5))
            await journal.settle(stream, version)
            await journal.truncate(stream, version - 10)


async def main() -> None:
    path, streams = sys.argv[1], int(sys.argv[2])
    async with open_lmdb(path, reserve_bytes=0, ballast_bytes=0) as journal:
        say("open")
        async with trio.open_nursery() as nursery:
            for number in range(streams):
                nursery.start_soon(write, journal, f"s{number}")
            await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
