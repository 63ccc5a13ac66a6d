"""What a stream may be, told in the simplest way: a small model that knows nothing of the engines.

A `World` is one possible state of one stream, all its records included. Where an outcome was
unknown, or an append of which nobody waits may still land, there are several possible worlds; each
answer of a journal must fit at least one of them, and leaves only those that it fits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from storage import (
    Append,
    Appended,
    Conflict,
    Done,
    Loaded,
    OutcomeUnknown,
    Records,
    Refused,
    Settle,
    Snapshot,
    StreamInfo,
    Truncate,
)


@dataclass(frozen=True)
class World:
    """One state a stream may be in."""

    records: tuple[bytes, ...] = ()
    dropped: int = 0
    settled: int = 0
    due: int = 0  # the highest number that still has to be settled
    snapshot: tuple[int, bytes] | None = None

    @property
    def version(self) -> int:
        return len(self.records)

    @property
    def snapshot_version(self) -> int:
        return self.snapshot[0] if self.snapshot else 0

    def shape(self) -> tuple[int, int, int, int]:
        """What a StreamInfo shows beside name and epoch."""
        return (self.version, self.dropped + 1, self.settled, self.snapshot_version)

    def after(self, op) -> tuple[World, str]:
        """The world after a write, and the kind of its outcome."""
        if isinstance(op, Append):
            return self._append(op)
        if not self.records:
            return self, "refused"
        if isinstance(op, Settle):
            return self._settle(op.upto)
        if isinstance(op, Snapshot):
            if op.version > self.version:
                return self, "refused"
            if op.version <= self.snapshot_version:
                return self, "done"
            return replace(self, snapshot=(op.version, op.data)), "done"
        assert isinstance(op, Truncate)
        upto = min(op.upto, self.snapshot_version, self.settled)
        return replace(self, dropped=max(self.dropped, upto)), "done"

    def _append(self, op: Append) -> tuple[World, str]:
        if op.expected != self.version:
            return self, "conflict"
        records = list(self.records)
        for number, raw in op.amend:
            if number > self.dropped:
                records[number - 1] = raw
        grown = replace(self, records=(*records, *op.records))
        if op.pending:
            grown = replace(grown, due=grown.version)
        return grown._close(), "appended"

    def _settle(self, upto: int) -> tuple[World, str]:
        if upto > self.version:
            return self, "refused"
        return replace(self, settled=max(self.settled, upto))._close(), "done"

    def _close(self) -> World:
        """Nothing due beyond what is settled: everything is settled."""
        if self.settled >= self.due:
            return replace(self, settled=self.version)
        return self


@dataclass
class StreamModel:
    """All worlds that fit what was seen of a stream so far."""

    name: str
    worlds: set[World] = field(default_factory=lambda: {World()})
    epoch: int | None = None
    strays: list[Append] = field(default_factory=list)

    def begin(self, *, land: bool) -> None:
        """Before something is asked: appends of which nobody waits may have landed meanwhile.

        ``land``: they can land no more; forget them after this.
        """
        reached = set(self.worlds)
        frontier = list(reached)
        while frontier:
            world = frontier.pop()
            for stray in self.strays:
                landed, kind = world.after(stray)
                if kind == "appended" and landed not in reached:
                    reached.add(landed)
                    frontier.append(landed)
        self.worlds = reached
        if land:
            self.strays.clear()

    def wrote(self, op, outcome) -> None:
        """A write ended."""
        if isinstance(outcome, OutcomeUnknown):
            self.worlds |= {world.after(op)[0] for world in self.worlds if self._fence_may_hold(op)}
        elif isinstance(outcome, Refused) and outcome.code != "invalid":
            pass
        else:
            self._narrow(op, outcome)

    def _narrow(self, op, outcome) -> None:
        foreign = op.epoch is not None and op.epoch != (self.epoch or 0)
        kinds = {Appended: "appended", Conflict: "conflict", Done: "done", Refused: "refused"}
        left = set()
        for world in self.worlds:
            exists = bool(world.records)
            # Epoch 0 means that there is no such stream: it is wrong for one that exists, also when
            # the epoch it has is not known here, since nobody waited for the append that made it.
            wrong = (foreign or op.epoch == 0) if exists else op.epoch != 0
            wrong_epoch = op.epoch is not None and wrong
            after, kind = (world, "conflict") if wrong_epoch else world.after(op)
            if kind == kinds[type(outcome)] and self._fits(after, outcome):
                left.add(after)
        assert left, f"{op} ended in {outcome}, which no world explains: {self.worlds}"
        self.worlds = left

    def _fence_may_hold(self, op) -> bool:
        return op.epoch is None or op.epoch == (self.epoch or 0)

    def _fits(self, world: World, outcome) -> bool:
        if isinstance(outcome, Done):
            return self.info_fits(world, outcome.info)
        if isinstance(outcome, (Appended, Conflict)):
            return world.version == outcome.version and self._epoch_fits(world, outcome.epoch)
        return True

    def info_fits(self, world: World, info: StreamInfo) -> bool:
        shape = (info.version, info.first, info.settled, info.snapshot_version)
        return (
            info.stream == self.name
            and shape == world.shape()
            and self._epoch_fits(world, info.epoch)
        )

    def _epoch_fits(self, world: World, epoch: int) -> bool:
        if not world.records:
            return epoch == 0
        if not 0 < epoch < 1 << 53:
            return False
        if self.epoch is None:
            self.epoch = epoch
        return epoch == self.epoch

    # -- reads ------------------------------------------------------------------------------------

    def saw(self, info: StreamInfo) -> None:
        """A read showed this of the stream."""
        left = {world for world in self.worlds if self.info_fits(world, info)}
        assert left, f"{info} fits none of {self.worlds}"
        self.worlds = left

    def saw_records(self, info: StreamInfo, start: int, records: tuple[bytes, ...]) -> None:
        """A read showed these records."""
        self.saw(info)
        left = {
            w for w in self.worlds if w.records[start - 1 : start - 1 + len(records)] == records
        }
        assert left, f"records from {start} on fit none of {self.worlds}: {records}"
        self.worlds = left

    def loaded(self, outcome: Loaded, limit: int) -> None:
        """A load ended."""
        info = outcome.info
        assert outcome.start == max(info.snapshot_version + 1, info.first)
        count = info.version - outcome.start + 1
        assert len(outcome.records) == min(count, limit)
        assert outcome.more == (count > limit)
        self.saw_records(info, outcome.start, outcome.records)
        left = {w for w in self.worlds if (w.snapshot or (0, None))[1] == outcome.snapshot}
        assert left, "the snapshot's bytes fit no world"
        self.worlds = left

    def read(self, outcome: Records, start: int, limit: int) -> None:
        """A read of records ended."""
        assert outcome.start == max(start, outcome.info.first)
        count = max(0, outcome.info.version - outcome.start + 1)
        assert len(outcome.records) == min(count, limit)
        self.saw_records(outcome.info, outcome.start, outcome.records)

    @property
    def world(self) -> World | None:
        """The state, where only one is left."""
        return next(iter(self.worlds)) if len(self.worlds) == 1 and not self.strays else None
