"""Kill -9 a node again and again while replays play, start it again, and demand the zeros.

    python -m tests.reliability.kills [--kills N] [--direct] [--copies N] [--seed S]
                                      [--json FILE] [--keep FOLDER] LOG...

Moments are drawn at random, whatever happens at them, and spread over the phases of each replay, so
that none takes all kills for being long and none goes without for being short: `MOMENTS` says how
many a phase gets. Each is an even share of the phase's work (users registered, messages answered,
users served, users who have read) and a delay of up to `DELAY` seconds from there on. One whose
phase is over comes in the next, one whose replay is over is left out: the time in between, when
nothing is played, has no kills.

After every kill, with a chance of `AGAIN_SHARE`, another one comes at a moment drawn evenly from
twice as long as the last start took, so it hits the start or the clients' coming back.

When a replay is over before all kills are done, another begins on the node.

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

from beamish.cli.files import raise_file_limit
from beamish.replay import InHand, PlaySettings, Progress, Report, play
from beamish.replay.plan import Plan
from tests.reliability.logs import copies
from tests.reliability.node import NodeUnderTest
from tests.reliability.probe import poll

MOMENTS = {"registering": (1, 1), "playing": (1, 3), "settling": (0, 1), "reading": (1, 1)}
"""The phases of a replay in their order, and how many moments of each are drawn, least and most."""
PHASES = tuple(MOMENTS)
DELAY = 0.1
AGAIN_SHARE = 0.4
IDLE_SHARE = 0.2
NEXT_WITHIN = 600.0


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


Moment = tuple[int, float]
"""A phase's place among `PHASES`, and the share of its work that is done: ordered as in time."""


def draw_moments(source: random.Random) -> list[Moment]:
    """The moments of one replay, the first one first."""
    counts = [source.randint(*between) for between in MOMENTS.values()]
    return sorted((phase, source.random()) for phase, n in enumerate(counts) for _ in range(n))


def reached(progress: Progress) -> Moment:
    """The moment that a replay has come to, which must not be judged yet."""
    # What was answered is counted at once, `done` only now and then while messages are played.
    done = max(progress.done, progress.acknowledged if progress.phase == "playing" else 0)
    return PHASES.index(progress.phase), done / max(progress.total, 1)


class Killer:
    """Kills `node` at random moments of replays; `progress` is that of the one being played."""

    def __init__(self, node: NodeUnderTest, run: KillRun, kills: int) -> None:
        self.node = node
        self.run = run
        self.kills = kills
        self.done = trio.Event()
        self.progress: Progress | None = None
        self._source = random.Random(run.seed)
        # Of its own: how often a replay is killed does not decide about the moments of the next.
        self._drawing = random.Random(self._source.getrandbits(64))
        self._moments: list[Moment] = []
        self._began = 0.0
        self._start_s = 1.0

    def begin_replay(self) -> Progress:
        """Another replay begins; its progress."""
        self.progress, self._began = Progress(), trio.current_time()
        self._moments = draw_moments(self._drawing)
        return self.progress

    def end_replay(self) -> None:
        """The replay is over, and its moments with it."""
        self.progress = None

    async def work(self) -> None:
        """All kills; the node is ready at the end."""
        while self._more():
            await poll(self._due, 0.005, NEXT_WITHIN)
            self._moments.pop(0)
            if await self._still_playing_after(self._source.uniform(0, DELAY)):
                await self._strike()
        self.done.set()

    async def _strike(self) -> None:
        """A kill, by chance more of them right after it, and the node is ready again."""
        self._kill()
        while self._more() and self._source.random() < AGAIN_SHARE:
            self.node.spawn()
            if not await self._still_playing_after(self._source.uniform(0, 2 * self._start_s)):
                await self.node.wait_ready()
                return
            self._kill()
        self._start_s = self.run.kills[-1].start_s = await self.node.start()

    def _more(self) -> bool:
        return len(self.run.kills) < self.kills

    def _due(self) -> bool:
        """Whether the next moment of the replay that is being played has come."""
        playing, moments = self._playing(), self._moments
        return playing is not None and bool(moments) and moments[0] <= reached(playing)

    def _playing(self) -> Progress | None:
        """The replay that is being played; None once it is judged."""
        return None if self.progress is None or self.progress.phase == "judging" else self.progress

    async def _still_playing_after(self, seconds: float) -> bool:
        """Sleep, and tell whether the replay is going on that was before."""
        before = self._playing()
        await trio.sleep(seconds)
        return before is not None and before is self._playing()

    def _kill(self) -> None:
        progress = self._playing()
        assert progress is not None
        age = trio.current_time() - self._began
        starting = not self.node.is_ready()
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
    options: Sequence[str] = (),
) -> KillRun:
    """Replays of `plan` until `kills` kills are done or one does not come to the zeros."""
    print(f"{kills} kills, seed {seed}")
    run = KillRun(seed)
    node = NodeUnderTest(folder, options)
    try:
        await node.start()
        killer = Killer(node, run, kills)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(killer.work)
            while not killer.done.is_set():
                progress = killer.begin_replay()
                settings = PlaySettings(urls=(node.ws,))
                run.reports.append(await play(plan, settings, progress=progress))
                killer.end_replay()
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
            return await run_kills(plan, folder, kills=arguments.kills, seed=seed)

        run = trio.run(go)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(run.as_json(), indent=2) + "\n")
    for line in [*run.kills, *run.reports]:
        print(line)
    run.check()
    return 0


if __name__ == "__main__":
    sys.exit(main())
