"""What every actor of the messenger gets: the journal, the directory, settings, seams.

One object for a node, handed to each actor at its start. The seams (wall clock, secrets, threads)
are given by whoever opens the node, so that a simulator can give its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from beamish.messenger.accounts.guesses import Guesses
from beamish.messenger.accounts.passwords import Passwords
from beamish.messenger.accounts.profiles import Profiles
from beamish.messenger.connections import Connections
from beamish.messenger.conversations.window import FanOutWindow
from beamish.messenger.events import EventHub
from beamish.messenger.faults import CrashInjector
from beamish.messenger.leases import Leases
from beamish.messenger.overload.floods import Floods
from beamish.messenger.overload.load import Load
from beamish.messenger.settings import MessengerSettings
from beamish.messenger.streams.journal_port import JournalPort
from beamish.messenger.streams.log_reader import LogReader
from beamish.messenger.traffic import Traffic

if TYPE_CHECKING:
    from beamish.messenger.directory import Directory
    from beamish.messenger.sessions.host_login import Authenticate


@dataclass(slots=True)
class Environment:
    """The services of a node; `now_ms` is the wall clock in ms UTC, `secret(n)` n random bytes."""

    journal: JournalPort
    logs: LogReader
    settings: MessengerSettings
    faults: CrashInjector
    passwords: Passwords
    guesses: Guesses
    profiles: Profiles
    now_ms: Callable[[], int]
    secret: Callable[[int], bytes]
    directory: Directory
    connections: Connections
    leases: Leases
    window: FanOutWindow
    load: Load
    floods: Floods
    authenticate: Authenticate | None = None
    events: EventHub = field(default_factory=EventHub)
    traffic: Traffic = field(default_factory=Traffic)
    shutting_down: bool = False
