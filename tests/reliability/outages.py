"""A replay through an outage of the disk: it begins under load, is noticed, held, and ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from beamish.replay import PlaySettings, Progress, Report, play
from beamish.replay.plan import Plan
from tests.reliability.node import NodeUnderTest
from tests.reliability.probe import Probe, open_probe, poll

BEGUN_WITHIN = 600.0
NOTICED_WITHIN = 30.0


@dataclass(slots=True)
class Outage:
    """What a replay and a probe saw of it: `codes` are the probe's answers from its begin on.

    `held` are those of them between the first refusal and the end.
    """

    report: Report | None = None
    codes: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    acknowledged_before: int = 0
    acknowledged_at_end: int = 0


async def play_through(
    plan: Plan,
    node: NodeUnderTest,
    *,
    begin: Callable[[], None],
    hold: Callable[[], None],
    end: Callable[[], None],
    seconds: float,
    share: float = 0.2,
) -> Outage:
    """Plays `plan` through an outage.

    Once `share` of it is answered `begin` is called, then `hold` again and again until `seconds`
    after the first refusal, then `end`.
    """
    outage, progress = Outage(), Progress()

    def under_load() -> bool:
        return progress.acknowledged >= share * len(plan.messages)

    async def disturb() -> None:
        async with open_probe(node.ws, "probe") as probe, open_probe(node.ws, "peer"):
            await poll(under_load, 0.01, BEGUN_WITHIN)
            begin()
            await wait_for(outage, probe, refused=True, meanwhile=hold)
            outage.acknowledged_before = progress.acknowledged
            ends = trio.current_time() + seconds
            while trio.current_time() < ends:
                hold()
                outage.held.append(await probe.send("peer"))
                await trio.sleep(0.1)
            outage.acknowledged_at_end = progress.acknowledged
            end()
            await wait_for(outage, probe, refused=False, meanwhile=lambda: None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(disturb)
        outage.report = await play(plan, PlaySettings(urls=(node.ws,)), progress=progress)
    return outage


async def wait_for(
    outage: Outage, probe: Probe, *, refused: bool, meanwhile: Callable[[], None]
) -> None:
    """Sends until a message is refused, or until one is not."""
    with trio.fail_after(NOTICED_WITHIN):
        while True:
            outage.codes.append(await probe.send("peer"))
            if (outage.codes[-1] != "ok") is refused:
                return  # asks a node, no event
            meanwhile()
            await trio.sleep(0.05)
