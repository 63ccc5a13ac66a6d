"""Which logs the long tests play: those that `BEAMISH_LOGS` names, else copies of the samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import beamish.replay
from beamish.replay import Log, plan_direct, plan_groups, read_log
from beamish.replay.log import Line, Renamed, Said
from beamish.replay.plan import Plan, addressee

SAMPLE = Path(beamish.replay.__file__).parent / "sample.log"
CROWD = SAMPLE.with_name("crowd.log")
LONG_COPIES = 20


def copies(
    paths: Sequence[Path], times: int, *, strangers: bool = False, direct: bool = False
) -> Plan:
    """The plan of `times` copies of each log, as groups of the same people or of `strangers`."""
    logs = [read_log(path) for path in paths for _ in range(times)]
    if strangers:
        logs = [_with_own_nicks(log, number) for number, log in enumerate(logs)]
    return plan_direct(logs) if direct else plan_groups(logs)


def sample(times: int, *, strangers: bool = False, direct: bool = False) -> Plan:
    """`times` copies of the sample: as many groups, all busy at once."""
    return copies([SAMPLE], times, strangers=strangers, direct=direct)


def long_plan(*, strangers: bool = False, direct: bool = False) -> Plan:
    """The logs of `BEAMISH_LOGS` (paths separated by blanks), else 20 copies of each sample."""
    named = os.environ.get("BEAMISH_LOGS", "").split()
    if not named:
        return copies([SAMPLE, CROWD], LONG_COPIES, strangers=strangers, direct=direct)
    return copies([Path(name) for name in named], 1, direct=direct)


def _with_own_nicks(log: Log, number: int) -> Log:
    """`log` with nicks that no other copy has, also where a message begins with one."""
    known = log.nicks()

    def own(line: Line) -> Line:
        nick = f"{line.nick}~{number}"
        if isinstance(line, Renamed):
            return replace(line, nick=nick, old=f"{line.old}~{number}")
        if isinstance(line, Said) and (to := addressee(line.text, known)) is not None:
            return replace(line, nick=nick, text=f"{to}~{number}{line.text[len(to) :]}")
        return replace(line, nick=nick)

    return replace(log, lines=tuple(map(own, log.lines)))
