"""Kill -9 a node again and again while a replay plays, start it again, and demand the zeros.

    python -m tests.reliability.kills [--kills N] [--pause LEAST MOST] [--direct] [--seed S]
                                      [--json FILE] LOG...

Moments are drawn at random, whatever happens at them: the time between a node's being ready (at
first: the replay's beginning) and its kill evenly from `--pause`, so that any moment of a replay is
hit, users registering and histories being read included; and after every kill, with a chance of
START_UP_SHARE, another one at a moment of the start, drawn evenly from as long as the last took.
When a replay is over before all kills are done, another begins on the node; the time in between,
when nothing is played, has no kills.

Each kill is recorded: the replay's phase and age, whether the node was still starting, what the
clients had in hand right before it (users who register or read, messages and changes without an
answer, answered messages not handed over), and how many streams had open obligations on the dead
node's disk. A kill when clients had nothing in hand hit nothing; more than one in five of those is
a failure: such a run is no evidence.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import trio
import trio.testing

from beamish.cli.files import raise_file_limit
from beamish.replay import InHand, PlaySettings, Progress, Report, play
from beamish.replay.plan import Plan
from tests.reliability.logs import copies
from tests.reliability.node import NodeUnderTest
from tests.reliability.probe import poll

IDLE_SHARE = 0.2
START_UP_SHARE = 0.3
NEXT_REPLAY_WITHIN = 600.0


@dataclass(slots=True)
class Kill:
    """What one kill -9 hit, `age_s` seconds after its replay began."""

    phase: str
    starting: bool
    in_hand: InHand
    unsettled: int = 0
    age_s: float = 0.0
    start_s: float = 0.0

    @property
    def idle(self) -> bool:
        return not self.in_hand


@dataclass(slots=True)
class KillRun:
    """The kills and the accounts of the replays that they happened in."""

    seed: int
    kills: list[Kill] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    @property
    def idle_kills(self) -> int:
        return sum(kill.idle for kill in self.kills)

    @property
    def phases(self) -> Counter[str]:
        """How many kills each phase had."""
        return Counter(kill.phase for kill in self.kills)

    def check(self) -> None:
        """The zeros in every replay, and kills that hit something."""
        for report in self.reports:
            assert report.clean, (self.seed, report)
        assert self.idle_kills <= IDLE_SHARE * len(self.kills), (self.seed, self.kills)

    def as_json(self) -> dict[str, object]:
        return {
            "seed": self.seed,
            "kills": len(self.kills),
            "idle_kills": self.idle_kills,
            "kills_while_starting": sum(kill.starting for kill in self.kills),
            "kills_by_phase": dict(self.phases),
            "each": [asdict(kill) for kill in self.kills],
            "reports": [report.as_json() for report in self.reports],
        }


class Killer:
    """Kills `node` at random moments of replays; `progress` is that of the one being played."""

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
        self.done = trio.Event()
        self.progress: Progress | None = None
        self._began = 0.0
        self._start_s = 1.0

    def begin_replay(self) -> Progress:
        """Another replay begins; its progress."""
        self.progress, self._began = Progress(), trio.current_time()
        return self.progress

    async def end_replay(self) -> None:
        """The replay is over, and what fell due while it was judged is no moment of the next."""
        self.progress = None
        await trio.testing.wait_all_tasks_blocked()

    async def work(self) -> None:
        """All kills; the node is ready at the end."""
        while len(self.run.kills) < self.kills:
            await self._moment()
            self._kill(starting=False)
            while len(self.run.kills) < self.kills and self.source.random() < START_UP_SHARE:
                self.node.spawn()
                await trio.sleep(self.source.uniform(0, self._start_s))
                self._kill(starting=not self.node.is_ready())
            self._start_s = self.run.kills[-1].start_s = await self.node.start()
        self.done.set()

    async def _moment(self) -> None:
        """Wait for a random moment of a replay."""
        await trio.sleep(self.source.uniform(*self.pause))
        while not self._replaying():
            await poll(self._replaying, 0.005, NEXT_REPLAY_WITHIN)
            await trio.sleep(self.source.uniform(*self.pause))

    def _replaying(self) -> bool:
        return self.progress is not None and self.progress.phase != "judging"

    def _kill(self, *, starting: bool) -> None:
        progress = self.progress or Progress("between replays")
        age = trio.current_time() - self._began
        kill = Kill(progress.phase, starting, progress.in_hand(), age_s=round(age, 3))
        self.node.kill()
        kill.unsettled = self.node.unsettled_streams()
        self.run.kills.append(kill)


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
    print(f"{kills} kills, seed {seed}")
    run = KillRun(seed)
    node = NodeUnderTest(folder, options)
    try:
        await node.start()
        killer = Killer(node, run, kills, random.Random(seed), pause)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(killer.work)
            while not killer.done.is_set():
                progress = killer.begin_replay()
                settings = PlaySettings(urls=(node.ws,))
                run.reports.append(await play(plan, settings, progress=progress))
                await killer.end_replay()
                if not run.reports[-1].clean:
                    nursery.cancel_scope.cancel()
        if run.reports[-1].clean:
            assert await node.stop() == 0, node.tail()
    finally:
        node.close()
    return run


def main() -> int:
    """As a command; 0 when all replays came to the zeros and the kills hit something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--seed", type=int, help="which moments; by default drawn and printed")
    parser.add_argument("--pause", type=float, nargs=2, default=(0.0, 15.0))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="where to keep the node's directory and log")
    arguments = parser.parse_args()
    raise_file_limit()
    seed = random.SystemRandom().getrandbits(32) if arguments.seed is None else arguments.seed
    strangers = arguments.copies > 1
    plan = copies(arguments.logs, arguments.copies, strangers=strangers, direct=arguments.direct)
    with tempfile.TemporaryDirectory(prefix="beamish-kills-") as fresh:
        folder = arguments.keep or Path(fresh)
        folder.mkdir(exist_ok=True)

        async def go() -> KillRun:
            return await run_kills(
                plan,
                folder,
                kills=arguments.kills,
                seed=seed,
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
