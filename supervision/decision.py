"""What a supervisor does when a child has ended: one flat table, restart type x exit reason.

| restart     | normal        | shutdown, {shutdown, term} | anything else (a crash, killed) |
|-------------|---------------|----------------------------|---------------------------------|
| `permanent` | restart, told | restart, told              | restart, told                   |
| `transient` | ended         | ended                      | restart, told                   |
| `temporary` | ended         | ended                      | ended, told                     |

"Told" means a supervisor report `child_terminated`. "Ended" means that no restart follows: a
transient child keeps its spec in a static supervisor, a temporary one loses it, and a dynamic
supervisor forgets both. The table is that of OTP's `supervisor`. A reason of one's own that is
not `abnormal` counts as a shutdown.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from actors import ExitReason, Normal

Restart = Literal["permanent", "transient", "temporary"]
RESTARTS: Final = ("permanent", "transient", "temporary")


Ending = Literal["normal", "shutdown", "crash"]
"""The three classes of exit reasons that a supervisor tells apart."""
ENDINGS: Final = ("normal", "shutdown", "crash")


class Decision(NamedTuple):
    """Whether a child that ended is started again, and whether its end is reported."""

    restarts: bool
    told: bool


_AGAIN: Final = Decision(restarts=True, told=True)
_ENDED: Final = Decision(restarts=False, told=False)
_ENDED_TOLD: Final = Decision(restarts=False, told=True)

TABLE: Final[dict[tuple[Restart, Ending], Decision]] = {
    ("permanent", "normal"): _AGAIN,
    ("permanent", "shutdown"): _AGAIN,
    ("permanent", "crash"): _AGAIN,
    ("transient", "normal"): _ENDED,
    ("transient", "shutdown"): _ENDED,
    ("transient", "crash"): _AGAIN,
    ("temporary", "normal"): _ENDED,
    ("temporary", "shutdown"): _ENDED,
    ("temporary", "crash"): _ENDED_TOLD,
}


def ending(reason: ExitReason) -> Ending:
    """The class of an exit reason."""
    if reason.abnormal:
        return "crash"
    return "normal" if isinstance(reason, Normal) else "shutdown"


def decide(restart: Restart, reason: ExitReason) -> Decision:
    """The row and column of `TABLE` for a child of this restart type that ended so."""
    return TABLE[restart, ending(reason)]
