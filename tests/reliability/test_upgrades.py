"""New code for a running node in the middle of a replay: nobody notices, whether it works or not.

The node runs from a copy of the source, which the test rewrites: the new versions of the user, the
conversation and the session count what they handle in an attribute that only `code_change` (or the
new `__init__`) makes, so that nothing of them runs without it, and tell the node's figures of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

import beamish
from beamish.cli.control import ControlError, request
from beamish.replay import PlaySettings, Progress, Report, play
from beamish.replay.plan import Plan
from tests.reliability.logs import long_plan, sample
from tests.reliability.node import NodeUnderTest
from tests.reliability.probe import poll

ROOT = Path(beamish.__file__).parents[1]
PACKAGES = ("actors", "supervision", "storage", "beamish")
MODULES = {
    "user": "beamish.messenger.users.user",
    "conversation": "beamish.messenger.conversations.conversation",
    "session": "beamish.messenger.sessions.session",
}
NEW_METHODS = '''
    version = {version}

    def code_change(self, old_version, state):
        """Of a test: begin to count; refuse if that is asked for."""
        moved = self.environment.faults.crashes
        moved[f"{kind} moved to {version} from {{old_version}}"] += 1
        if moved[f"{kind} moved to {version} from {{old_version}}"] > {most}:
            raise RuntimeError("one too many")
        self.handled = {{"by version {version}": 0}}

    def now_handled(self):
        """Of a test: fails without what only code_change or the new __init__ makes."""
        self.handled["by version {version}"] += 1
        self.environment.faults.crashes["{kind} handled by {version}"] += 1

    def __init__('''


class Source:
    """The source that the node runs from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, folder / package, ignore=ignored)

    def rewrite(self, version: int, most: dict[str, int] | None = None) -> None:
        """New versions of all three modules; beyond `most` actors of a kind `code_change` fails."""
        for kind, module in MODULES.items():
            path = module.replace(".", "/") + ".py"
            head, actor, body = (ROOT / path).read_text().partition(f"class {kind.title()}(Actor):")
            assert actor
            limit = 10**9 if most is None else most.get(kind, 10**9)
            methods = NEW_METHODS.format(kind=kind, version=version, most=limit)
            body = once(body, "\n    def __init__(", methods)
            added = f'        self.handled = {{"by version {version}": 0}}\n'
            body = once(body, "\n        self.environment = environment\n", added, keep=True)
            place = f'        self.environment.faults.passing("{kind}", "before handling")\n'
            body = once(body, place, "        self.now_handled()\n", keep=True)
            (self.folder / path).write_text(head + actor + body)


def once(text: str, old: str, new: str, *, keep: bool = False) -> str:
    assert old in text, old
    return text.replace(old, old + new if keep else new, 1)


async def upgrade(node: NodeUnderTest) -> str | None:
    """Upgrade all three modules; the sentence of its failure, None if it worked."""
    try:
        done = await request(node.data, "upgrade", modules=list(MODULES.values()))
    except ControlError as error:
        return str(error)
    assert set(done["moved"]) == {kind.title() for kind in MODULES}
    return None


async def replay(
    plan: Plan,
    folder: Path,
    meanwhile: Callable[[NodeUnderTest, Source, Progress], Awaitable[None]],
    speed: float | None = None,
) -> tuple[Report, dict[str, int]]:
    """A replay on a node of its own source; its report, and what the new code has counted."""
    source = Source(folder / "source")
    before = ("env", f"--chdir={source.folder}", f"PYTHONPATH={source.folder}")
    node = NodeUnderTest(folder, before=before)
    progress = Progress()
    try:
        await node.start()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meanwhile, node, source, progress)
            settings = PlaySettings(urls=(node.ws,), speed=speed)
            report = await play(plan, settings, progress=progress)
        figures = await node.status()
        assert figures["actors"]["crashes"] == 0
        assert await node.stop() == 0, node.tail()
    finally:
        node.close()
    return report, figures["injected_crashes"]


async def playing(progress: Progress, share: float) -> None:
    """Wait until this share of all messages has been played, which must not be over yet."""
    await poll(lambda: progress.phase != "registering" and progress.total > 0, 0.005, 120.0)
    await poll(lambda: progress.done >= share * progress.total, 0.005, 300.0)
    assert progress.phase == "playing", "the replay was over too soon"


async def upgrades(node: NodeUnderTest, source: Source, progress: Progress) -> None:
    """One that works, one that fails at some actor of each kind in turn, one more that works."""
    await playing(progress, 0.1)
    source.rewrite(2)
    assert await upgrade(node) is None
    for number, kind in enumerate(MODULES):
        await playing(progress, 0.2 + 0.1 * number)
        source.rewrite(3, {kind: 2})
        failure = await upgrade(node)
        assert failure is not None
        assert failure.startswith(f"Nothing was changed: code_change of <{kind.title()} "), failure
    source.rewrite(4)
    await playing(progress, 0.5)
    assert await upgrade(node) is None
    assert progress.phase == "playing"


def check(report: Report, counted: dict[str, int]) -> None:
    """The zeros; old, new and newest code have run, that of the failed upgrades never."""
    assert report.clean, report
    for kind in MODULES:
        assert counted[f"{kind} moved to 2 from None"] > 1
        assert counted[f"{kind} moved to 4 from 2"] > 1
        assert counted[f"{kind} handled by 2"] > 0
        assert counted[f"{kind} handled by 4"] > 0
        assert f"{kind} handled by 3" not in counted


@pytest.mark.parametrize("direct", [False, True], ids=["groups", "direct"])
async def test_a_replay_survives_upgrades_and_failed_upgrades(tmp_path: Path, direct: bool) -> None:
    plan = sample(20 if direct else 4, strangers=True, direct=direct)
    # The sample's 65 minutes in 6.5 s: half of it is still to come after the last upgrade.
    check(*await replay(plan, tmp_path, upgrades, speed=600.0))


@pytest.mark.slow
async def test_a_long_replay_survives_upgrades_and_failed_upgrades(tmp_path: Path) -> None:
    check(*await replay(long_plan(strangers=True), tmp_path, upgrades))
