"""Replay: play chat logs against running nodes and account for every message.

`read_log` parses a log, `plan_groups` and `plan_direct` turn logs into what is to be played and
what must come of it, `play` plays a plan through `beamish.client`, and the `Report` says what
the clients received: nothing in it is taken from a node's own counters.
"""

from __future__ import annotations

from beamish.replay.log import Log, parse_log, read_log
from beamish.replay.plan import Plan, plan_direct, plan_groups
from beamish.replay.report import ExitStatus, Report
from beamish.replay.run import CannotPlay, InHand, NoNode, Progress, play
from beamish.replay.settings import PlaySettings

__all__ = [
    "CannotPlay",
    "ExitStatus",
    "InHand",
    "Log",
    "NoNode",
    "Plan",
    "PlaySettings",
    "Progress",
    "Report",
    "parse_log",
    "plan_direct",
    "plan_groups",
    "play",
    "read_log",
]
