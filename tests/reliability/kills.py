"""Kill -9 a node again and again while a replay plays, start it again, and demand the zeros.

    python -m tests.reliability.kills [--kills N] [--direct] [--seed S] [--json FILE] LOG...

Each kill is recorded: the phase, whether the node was still starting, how many messages were
written and unanswered at that moment (the clients know), and how many streams had open obligations
on the dead node's disk. A kill with neither hit nothing; more than one in five of those is a
failure of the harness. When a replay is over before all kills are done, another begins on the node.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import trio

from beamish.cli.files import raise_file_limit
from beamish.replay import PlaySettings, Progress, Report, plan_direct, plan_groups, play, read_log
from beamish.replay.plan import Plan
from tests.reliability.node import NodeUnderTest
from tests.reliability.probe import poll

IDLE_SHARE = 0.2
START_UP_SHARE = 0.3
WORTH_WITHIN = 600.0


@dataclass(slots=True)
class Kill:
    """What one kill -9 hit."""

    phase: str
    starting: bool
    unanswered: int
    unsettled: int
    start_s: float = 0.0

    @property
    def idle(self) -> bool:
        return not self.unanswered and not self.unsettled


@dataclass(slots=True)
class KillRun:
    """The kills and the accounts of the replays that they happened in."""

    kills: list[Kill] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    @property
    def idle_kills(self) -> int:
        return sum(kill.idle for kill in self.kills)

    def check(self) -> None:
        """The zeros in every replay, and kills that hit something."""
        for report in self.reports:
            assert report.clean, report
        assert self.idle_kills <= IDLE_SHARE * len(self.kills), self.kills

    def as_json(self) -> dict[str, object]:
        return {
            "kills": len(self.kills),
            "idle_kills": self.idle_kills,
            "kills_while_starting": sum(kill.starting for kill in self.kills),
            "each": [asdict(kill) for kill in self.kills],
            "reports": [report.as_json() for report in self.reports],
        }


class Killer:
    """Kills `node` at random moments, or as soon after as a message is under way."""

    def __init__(
        self,
        node: NodeUnderTest,
        run: KillRun,
        kills: int,
        source: random.Random,
        pause: tuple[float, float],
    ) -> None:
        self.node = node
        self.run = run
        self.kills = kills
        self.source = source
        self.pause = pause
        self.progress = Progress()
        self.done = trio.Event()
        self._start_s = 1.0

    async def work(self) -> None:
        """All kills; the node is ready at the end."""
        while len(self.run.kills) < self.kills:
            await trio.sleep(self.source.uniform(*self.pause))
            await poll(self._worth_it, 0.005, WORTH_WITHIN)
            self._kill(starting=False)
            while len(self.run.kills) < self.kills and self.source.random() < START_UP_SHARE:
                self.node.spawn()
                await trio.sleep(self.source.uniform(0, self._start_s))
                self._kill(starting=not self.node.is_ready())
            self._start_s = self.run.kills[-1].start_s = await self.node.start()
        self.done.set()

    def _worth_it(self) -> bool:
        return self.progress.phase == "playing" and self.progress.unanswered > 0

    def _kill(self, *, starting: bool) -> None:
        unanswered = self.progress.unanswered
        self.node.kill()
        unsettled = self.node.unsettled_streams()
        self.run.kills.append(Kill(self.progress.phase, starting, unanswered, unsettled))


async def run_kills(
    plan: Plan,
    folder: Path,
    *,
    kills: int,
    seed: int,
    pause: tuple[float, float],
    options: Sequence[str] = (),
) -> KillRun:
    """Replays of `plan` until `kills` kills are done, `pause[0]` to `pause[1]` s between two."""
    run = KillRun()
    node = NodeUnderTest(folder, options)
    try:
        await node.start()
        killer = Killer(node, run, kills, random.Random(seed), pause)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(killer.work)
            while not killer.done.is_set():
                killer.progress = Progress()
                settings = PlaySettings(urls=(node.ws,))
                run.reports.append(await play(plan, settings, progress=killer.progress))
                if not run.reports[-1].clean:
                    nursery.cancel_scope.cancel()
        if run.reports[-1].clean:
            assert await node.stop() == 0, node.tail()
    finally:
        node.close()
    return run


def copies(paths: Sequence[Path], times: int, *, direct: bool = False) -> Plan:
    """The plan of `times` copies of each log, each copy with nicks of its own."""
    logs = [read_log(path) for path in paths for _ in range(times)]
    return plan_direct(logs) if direct else plan_groups(logs)


def main() -> int:
    """As a command; 0 when all replays came to the zeros and the kills hit something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, nargs=2, default=(1.0, 15.0))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="where to keep the node's directory and log")
    arguments = parser.parse_args()
    raise_file_limit()
    plan = copies(arguments.logs, arguments.copies, direct=arguments.direct)
    with tempfile.TemporaryDirectory(prefix="beamish-kills-") as fresh:
        folder = arguments.keep or Path(fresh)
        folder.mkdir(exist_ok=True)

        async def go() -> KillRun:
            return await run_kills(
                plan,
                folder,
                kills=arguments.kills,
                seed=arguments.seed,
                pause=tuple(arguments.pause),
            )

        run = trio.run(go)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(run.as_json(), indent=2) + "\n")
    for line in [*run.kills, *run.reports]:
        print(line)
    run.check()
    return 0


if __name__ == "__main__":
    sys.exit(main())
