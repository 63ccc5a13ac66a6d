"""What users of `storage` see of the types: an operation declares its outcomes."""

from __future__ import annotations

from typing import assert_type

from storage import (
    Append,
    Appended,
    AppendOutcome,
    Conflict,
    Describe,
    Described,
    Journal,
    OutcomeUnknown,
    Refused,
    open_memory,
)


async def awaited(journal: Journal) -> None:
    assert_type(await journal.append("s", 0, b"record"), AppendOutcome)
    assert_type(await journal.perform(Describe(("s",))), Described | Refused)


def called_back(journal: Journal) -> None:
    def done(outcome: AppendOutcome) -> None:
        if isinstance(outcome, Appended):
            assert_type(outcome.version, int)
        else:
            assert_type(outcome, Conflict | OutcomeUnknown | Refused)

    def wrong(outcome: Described) -> None: ...

    journal.submit(Append("s", 0, (b"record",)), done)
    journal.submit(Append("s", 0, (b"record",)), wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def opened() -> None:
    async with open_memory() as journal:
        base: Journal = journal
        assert_type(base.slot_of("s"), int)
