"""The messenger's settings, each with its unit and default."""

from __future__ import annotations

from dataclasses import dataclass, field

from beamish.messenger.sessions.pages import check_room
from beamish.protocol import Limits

MAX_IN_HAND = 8_000


@dataclass(frozen=True, slots=True)
class MessengerSettings:
    """What an operator may tune; `limits` are those that clients are told.

    `registration_open`: whether anybody may create an account. `idle_s`: seconds without work
    after which a user or conversation leaves memory. `unsettled_records`: records of a
    conversation not yet held by everybody, above which it refuses new ones. `mark_interval_s`:
    least seconds between two notices of the same conversation's marks. `retry_s`: seconds between
    tries of an obligation that failed. `head_check_s`: seconds between comparisons of every
    session with the journal. `sweep_s`: seconds between looks for pending work that nobody does.
    `snapshot_every`: records between snapshots. `cache_bytes`: bound of the log cache.
    `outbox_bytes`: what may wait for one connection before it is served by pulls only, and what
    answers may before no more commands are begun; `outbox_hard_bytes`: above which it is closed,
    never reached if all keep to that. `session_in_hand`: commands of one connection
    being carried out before its socket is no longer read.
    `user_commands_per_s`, `user_burst`: numbered commands of one user over all devices;
    `conversation_commands_per_s`, `conversation_burst`: those to one conversation; above them
    they are refused. `queue_deadline_s`: seconds after which a command that waits for its
    conversation is refused. `overload_wait_s`: the average wait in the run queue above which
    things are left undone. `password_queue`: logins
    that wait for their hash; beyond it they are refused. `device_days`: days after which a device
    that was not used is logged out; `tidy_s`: seconds between two looks for such devices.
    Raises ValueError for limits under which a message would not fit into a frame.
    """

    limits: Limits = field(default_factory=Limits)
    registration_open: bool = True
    idle_s: float = 300.0
    unsettled_records: int = 1_000
    mark_interval_s: float = 1.0
    retry_s: float = 2.0
    head_check_s: float = 5.0
    sweep_s: float = 2.0
    snapshot_every: int = 1_000
    cache_bytes: int = 64 << 20
    outbox_bytes: int = 256 << 10
    outbox_hard_bytes: int = 4 << 20
    session_in_hand: int = 512
    user_commands_per_s: float = 50.0
    user_burst: int = 500
    conversation_commands_per_s: float = 500.0
    conversation_burst: int = 2_000
    queue_deadline_s: float = 5.0
    overload_wait_s: float = 0.020
    argon2_memory_kib: int = 19 * 1024
    argon2_time: int = 2
    argon2_parallelism: int = 1
    password_queue: int = 256
    device_days: int = 90
    tidy_s: float = 86_400.0

    def __post_init__(self) -> None:
        check_room(self.limits)
        if not 1 <= self.session_in_hand <= MAX_IN_HAND:
            raise ValueError(
                f"session_in_hand must be from 1 to {MAX_IN_HAND}, not {self.session_in_hand}:"
                " a session's mailbox holds no more"
            )
