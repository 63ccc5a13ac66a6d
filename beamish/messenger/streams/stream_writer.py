"""How an activation writes its stream: decide, append, and begin again when in doubt.

One append is in flight. `commit` asks `decide` for records against the state as committed, appends
them at the version of that state, and applies them after they are on disk. When the journal says
`Conflict` or `OutcomeUnknown`, the stream is read from the state's version on and `decide` is asked
again, from its first check: what it proposed before may be in the stream by now. What a decision
needs besides the state, `prepare` reads before each time that `decide` is asked. Twice in conflict
in a row means that somebody else writes here: then the activation gives up, and a new one starts
on demand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from beamish.messenger.streams.journal_port import (
    PAGE_BYTES,
    PAGE_RECORDS,
    JournalPort,
    JournalUnavailable,
)
from storage import (
    Append,
    Appended,
    Conflict,
    Describe,
    Load,
    Loaded,
    OutcomeUnknown,
    Refused,
    Settle,
    Snapshot,
    StreamInfo,
    Truncate,
)

MAX_TRIES = 8
"""Appends tried for one batch before the activation gives up."""


LOAD_RETRY_S = 0.2
"""Seconds between tries to load a stream."""


class LostStream(Exception):
    """Another activation writes this stream, or its outcome stays unknown: this one must end."""


class Replica(Protocol):
    """State that is a function of a stream."""

    version: int

    def take(self, n: int, raw: bytes) -> None:
        """Take in record `n`, committed."""

    def dump(self) -> bytes:
        """The state as a snapshot."""


S = TypeVar("S", bound=Replica)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Records to append, encoded, and whether they carry obligations.

    `amend` are earlier records of the stream that they change, by number, as they are to be.
    """

    records: tuple[bytes, ...]
    pending: bool
    amend: tuple[tuple[int, bytes], ...] = ()


class StreamWriter(Generic[S]):
    """One stream, its state, and the only way to change either."""

    def __init__(
        self,
        port: JournalPort,
        stream: str,
        restore: Callable[[bytes | None], S],
        *,
        snapshot_every: int,
        keep: int | None = None,
        obligation: bool = False,
    ) -> None:
        """`restore` makes the state of a snapshot; `keep` is how many records survive truncation.

        `obligation` says that appends here carry out what other streams owe: they go on when the
        disk is below its reserve.
        """
        self._port = port
        self.stream = stream
        self._restore = restore
        self._snapshot_every = snapshot_every
        self._keep = keep
        self._obligation = obligation
        self._snapshot_version = 0
        self.epoch = 0
        self.settled = 0
        self.first = 1
        self.state: S = restore(None)

    async def load_patiently(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Read the stream, again after a pause while the journal cannot be read.

        Raises:
            JournalUnavailable: the journal is closed, so that waiting would not help.
        """
        while True:
            try:
                return await self.load()
            except JournalUnavailable as unavailable:
                if unavailable.refused.code == "closed":
                    raise
            await sleep(LOAD_RETRY_S)

    async def load(self) -> None:
        """Read the stream; raises JournalUnavailable when the journal refuses."""
        loaded = await self._port.perform(Load(self.stream))
        if isinstance(loaded, Refused):
            raise JournalUnavailable(loaded)
        self.state = self._restore(loaded.snapshot)
        self._note(loaded.info)
        self._take(loaded)
        if loaded.more:
            await self.catch_up()

    def _take(self, loaded: Loaded) -> None:
        for n, raw in enumerate(loaded.records, loaded.start):
            self.state.take(n, raw)

    def _note(self, info: StreamInfo) -> None:
        if self.epoch and info.epoch != self.epoch:
            raise LostStream(f"{self.stream} was restored meanwhile")
        self.epoch = info.epoch
        self.settled = max(self.settled, min(info.settled, info.version))
        self.first = info.first
        self._snapshot_version = max(self._snapshot_version, info.snapshot_version)

    async def catch_up(self) -> None:
        """Read and apply what the stream holds beyond the state."""
        while True:
            start = self.state.version + 1
            page = await self._port.read(self.stream, start, PAGE_RECORDS, PAGE_BYTES)
            self._note(page.info)
            if page.records and page.start != start:
                raise LostStream(f"{self.stream} was truncated beyond {start}")
            for n, raw in enumerate(page.records, page.start):
                self.state.take(n, raw)
            if self.state.version >= page.info.version:
                return

    async def check_head(self) -> bool:
        """Whether the state is what the stream holds; catches up when it is not."""
        described = await self._port.perform(Describe((self.stream,)))
        if isinstance(described, Refused):
            raise JournalUnavailable(described)
        info = described.streams[0]
        if info.version == self.state.version and info.epoch in (self.epoch, 0):
            return True
        await self.catch_up()
        return False

    async def commit(
        self,
        decide: Callable[[], Proposal | None],
        *,
        prepare: Callable[[], Awaitable[None]] | None = None,
        force: bool = False,
    ) -> Refused | None:
        """Append what `decide` proposes; None when it is on disk and applied, or refused.

        A proposal of None is answered after checking that the state is the stream's, so that what
        `decide` concluded without records holds too; when the state was behind, it is asked again.
        Raises LostStream and JournalUnavailable.
        """
        conflicts = 0
        for _ in range(MAX_TRIES):
            if prepare is not None:
                await prepare()
            proposal = decide()
            if proposal is None:
                if force or await self.check_head():
                    return None
                continue
            expected = self.state.version
            outcome = await self._port.perform(
                Append(
                    self.stream,
                    expected,
                    proposal.records,
                    proposal.pending,
                    self._obligation,
                    self.epoch or None,
                    proposal.amend,
                )
            )
            if isinstance(outcome, Appended):
                self._applied(outcome, expected, proposal)
                return None
            if isinstance(outcome, Refused):
                return outcome
            conflicts = conflicts + 1 if isinstance(outcome, Conflict) else 0
            if conflicts > 1:
                break
            assert isinstance(outcome, Conflict | OutcomeUnknown)
            await self.catch_up()
        raise LostStream(f"somebody else writes {self.stream}, or the journal does not settle")

    def _applied(self, outcome: Appended, expected: int, proposal: Proposal) -> None:
        self.epoch = outcome.epoch
        if self.settled == expected and not proposal.pending:
            self.settled = outcome.version
        for n, raw in enumerate(proposal.records, expected + 1):
            self.state.take(n, raw)
        self._maintain()

    def settle(self, upto: int) -> None:
        """Say that the obligations of records up to `upto` are met.

        Not waited for: should it fail, the stream is found pending, and `settle_again` mends it.
        """
        if upto > self.settled:
            self.settled = upto
            self._port.begin(Settle(self.stream, upto, self.epoch or None))

    def settle_again(self) -> None:
        """Repeat the last settlement, since the journal does not know of it."""
        if self.settled:
            self._port.begin(Settle(self.stream, self.settled, self.epoch or None))

    def _maintain(self) -> None:
        version = self.state.version
        if version - self._snapshot_version < self._snapshot_every:
            return
        self._snapshot_version = version
        self._port.begin(Snapshot(self.stream, version, self.state.dump(), self.epoch))
        if self._keep is not None and version > self._keep:
            self._port.begin(Truncate(self.stream, version - self._keep, self.epoch))
