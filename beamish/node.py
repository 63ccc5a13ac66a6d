"""A node: the journal, the actor system and the messenger's supervision tree, as one thing.

    async with open_node(NodeConfig(data=Path("data"))) as node:
        gateway = await open_gateway(nursery, host, port, node, GatewayConfig(...))

The tree, one_for_one throughout, so that nothing that crashes takes a stranger with it:

    messenger
    ├── users           one supervised actor for each user in memory
    ├── conversations   one for each conversation in memory
    ├── relays          one for each channel that somebody here follows
    ├── sessions        one for each connection
    ├── sweeper         pending work and missed updates
    └── load meter      how long actors wait for their turn

Users and conversations are started on demand and restarted when they crash; each has a restart
budget of its own. A session is never restarted: its client connects again and resumes.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import trio

from actors import CallError, ExitReason, Ref, Signal, System, UpgradeFailed, open_system
from beamish.messenger.accounts.administration import Administration
from beamish.messenger.accounts.guesses import Guesses
from beamish.messenger.accounts.passwords import Passwords
from beamish.messenger.accounts.profiles import Profiles
from beamish.messenger.channels.relay import Relay
from beamish.messenger.connections import Connections
from beamish.messenger.conversations.conversation import Conversation
from beamish.messenger.conversations.window import FanOutWindow
from beamish.messenger.directory import Directory
from beamish.messenger.environment import Environment
from beamish.messenger.events import CAPACITY, EventHub, EventStream
from beamish.messenger.faults import CrashInjector, NoFaults
from beamish.messenger.leases import Leases
from beamish.messenger.lookout import Lookout
from beamish.messenger.messages import CloseSession
from beamish.messenger.overload.floods import Floods
from beamish.messenger.overload.load import Load
from beamish.messenger.overload.load_meter import LoadMeter
from beamish.messenger.sessions.host_login import Authenticate
from beamish.messenger.sessions.outbox import Outbox
from beamish.messenger.sessions.session import Session
from beamish.messenger.sessions.session_handle import SessionLink
from beamish.messenger.settings import MessengerSettings
from beamish.messenger.streams.journal_port import JournalPort
from beamish.messenger.streams.log_reader import LogReader
from beamish.messenger.sweeper import Sweeper
from beamish.messenger.system_user import NotSent, SystemUser
from beamish.messenger.traffic import Meter, Traffic
from beamish.messenger.users.user import User
from beamish.operations.timed_journal import TimedJournal
from beamish.protocol import Codec, MsgpackCodec, validators
from beamish.protocol import Refusal as ProtocolRefusal
from beamish.protocol.session import Vouched
from storage import Journal, open_lmdb
from supervision import Budget, ChildSpec, DynamicSupervisor, StartChild, Supervisor

logger = logging.getLogger("beamish")

CHILD_BUDGET = Budget(20, 10.0)
"""Restarts of one user or conversation before it is left until somebody needs it again."""

USER = ChildSpec("user", User, restart="transient", budget=CHILD_BUDGET)
KINDS = ("users", "conversations", "relays", "sessions")
"""Supervisors of what is started on demand."""

RELAY = ChildSpec("relay", Relay, restart="transient", budget=CHILD_BUDGET)
CONVERSATION = ChildSpec("conversation", Conversation, restart="transient", budget=CHILD_BUDGET)
SESSION = ChildSpec("session", Session, restart="temporary", shutdown=1.0)


async def _run_in_thread(work: Callable[[], object]) -> object:
    return await trio.to_thread.run_sync(work)


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """How to open a node; times in seconds.

    `data` is the journal's directory. The seams have defaults for real use: `now_ms` the wall
    clock in ms UTC, `secret` random bytes fit for tokens, `run_in_thread` the way into threads.
    `faults` makes actors crash on purpose; `seed` fixes the runtime's randomness;
    `tune_collector` lets the node tune Python's garbage collector for its load, which is the whole
    process's; `journal` replaces the one on disk, `journal_options` are given to `open_lmdb`.
    `authenticate`, an async function of `(user, secret, peer)`, says who may log in, by the name to
    show or None, in place of passwords: `beamish.messenger.sessions.host_login` is its contract.
    """

    data: Path
    settings: MessengerSettings = field(default_factory=MessengerSettings)
    faults: CrashInjector = field(default_factory=NoFaults)
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    secret: Callable[[int], bytes] = os.urandom
    run_in_thread: Callable[[Callable[[], object]], Any] = _run_in_thread
    seed: int | None = None
    tune_collector: bool = False
    journal_options: dict[str, Any] = field(default_factory=dict)
    journal: AbstractAsyncContextManager[Journal] | None = None
    authenticate: Authenticate | None = None


class NodeFailed(Exception):
    """The node cannot go on; whatever runs it should end, and be started again."""


class Node:
    """A running node. Made by `open_node`."""

    def __init__(self, environment: Environment, journal: Journal, system: System) -> None:
        self.environment = environment
        self.journal = journal
        self.system = system
        self.accounts = Administration(environment)
        self._supervisors: dict[str, Ref] = {}
        self._system_users: dict[str, SystemUser] = {}
        self._nursery: trio.Nursery | None = None
        self._accepting = False
        self._ended: Signal[ExitReason] = Signal()

    async def start(self, nursery: trio.Nursery) -> None:
        """Build the supervision tree; what is no actor runs in `nursery`."""
        self._nursery = nursery
        env = self.environment
        specs = [ChildSpec(name, DynamicSupervisor, type="supervisor", name=name) for name in KINDS]
        top = await self.system.spawn(Supervisor, specs, name="messenger")
        await self.system.spawn(Lookout, top, self._ended)
        for name in KINDS:
            ref = self.system.whereis(name)
            assert ref is not None
            self._supervisors[name] = ref
        env.directory.serve(
            env,
            {
                "user": (self._supervisors["users"], USER),
                "conversation": (self._supervisors["conversations"], CONVERSATION),
                "relay": (self._supervisors["relays"], RELAY),
            },
        )
        await top.call(StartChild(ChildSpec("sweeper", Sweeper, (env,), name="sweeper")))
        await top.call(StartChild(ChildSpec("load meter", LoadMeter, (env,), name="load meter")))
        self._accepting = True
        nursery.start_soon(self._watch)

    async def _watch(self) -> None:
        """Wait for the end of the supervision tree; raises NodeFailed then."""
        reason = await self._ended.wait()
        self._accepting = False
        raise NodeFailed(f"the messenger's supervisors gave up ({reason}): see the log for crashes")

    def ready(self) -> bool:
        """Whether sessions are taken."""
        return self._accepting

    async def open_session(
        self, codec: Codec, peer: str, vouched: Vouched | None = None
    ) -> SessionLink:
        """A session for a new connection that speaks `codec`, for no other user than `vouched`.

        Raises:
            Refusal: the node is stopping.
        """
        if not self._accepting:
            raise ProtocolRefusal("shutting_down", "this node stops: use another")
        settings = self.environment.settings
        link = SessionLink(
            Outbox(settings.outbox_bytes, settings.outbox_hard_bytes),
            settings.session_in_hand,
            Meter(self.environment.traffic, codec),
        )
        args = (link, codec, peer, self.environment, vouched)
        try:
            await self._supervisors["sessions"].call(StartChild(SESSION, args))
        except CallError as error:
            raise ProtocolRefusal("internal", f"no session could be started: {error}") from error
        return link

    def events(self, capacity: int = CAPACITY) -> EventStream:
        """What happens from here on, for ``async with``; see `beamish.messenger.events`.

        Raises:
            ValueError: `capacity` is less than 1.
        """
        return EventStream(self.environment.events, capacity)

    async def system_user(self, name: str, *, display: str | None = None) -> SystemUser:
        """A user for the program around the node, made if it is new; see `system_user`.

        Args:
            name: of the user; nobody can log in as it.
            display: the name to show if it is new.

        Raises:
            ValueError: a name breaks a rule.
            NotSent: the name is a person's, or the account is disabled or deleted.
        """
        env, limits = self.environment, self.environment.settings.limits
        try:
            validators.user(name, limits, "the user's name")
            if display is not None:
                validators.display(display, limits, "the display name")
        except ProtocolRefusal as refusal:
            raise ValueError(refusal.message) from None
        assert self._nursery is not None
        user = self._system_users.get(name)
        if user is None:
            shown = name if display is None else display
            user = SystemUser(
                name,
                shown,
                codec=MsgpackCodec(limits),
                open_session=self.open_session,
                secret=env.secret,
                nursery=self._nursery,
            )
            self._system_users[name] = user
        try:
            await user.open()
        except NotSent:
            self._system_users.pop(name, None)
            raise
        return user

    async def add_user(self, user: str, password: str, display: str | None = None) -> None:
        """Create an account, whether registration is open or not.

        Raises:
            ValueError: name, password or display name break a rule, or the name is taken.
        """
        await self.accounts.add(user, password, display)

    async def users(self, after: str | None = None, limit: int = 1_000) -> list[str]:
        """Names of registered users behind `after`, in order; at most `limit`."""
        return await self.accounts.list(after, limit)

    async def upgrade(self, modules: list[str], timeout: float = 30.0) -> dict[str, object]:  # noqa: ASYNC109
        """Load these modules' new source and bring the living actors over; see `System.upgrade`.

        Raises:
            ValueError: it did not work; everything is as before.
        """
        try:
            report = await self.system.upgrade(*modules, timeout=timeout)
        except UpgradeFailed as failure:
            raise ValueError(f"Nothing was changed: {failure}.") from failure
        return asdict(report)

    def statistics(self) -> dict[str, object]:
        """Counters and gauges of the node's parts, for `beamish status`."""
        return {
            "sessions": len(self.environment.connections),
            "fan_outs_waiting": self.environment.window.waiting,
            "load": self.environment.load.statistics(),
            "floods_refused": self.environment.floods.refused,
            "events_dropped": self.environment.events.dropped,
            "journal": self.journal.statistics(),
            "actors": self.system.statistics(),
            "password_hashes": self.environment.passwords.hashes,
            "injected_crashes": dict(self.environment.faults.crashes),
        }

    def open_registration(self, *, open_to_all: bool) -> None:
        """Whether anybody may register from now on."""
        settings = self.environment.settings
        if settings.registration_open != open_to_all:
            self.environment.settings = replace(settings, registration_open=open_to_all)

    def stop_accepting(self) -> None:
        """Refuse new sessions and new commands; what is in hand goes on."""
        self._accepting = False
        self.environment.shutting_down = True
        self.environment.events.end()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109  a bound on good manners
        """Wait until no session has a command in hand, at most `timeout` seconds."""
        with trio.move_on_after(timeout):
            while self.environment.connections.in_hand:  # noqa: ASYNC110
                await trio.sleep(0.02)

    def close_sessions(self, code: int, reason: str) -> None:
        """Have every session close its connection."""
        for session in self.environment.connections.sessions():
            session.cast(CloseSession(code, reason))


@asynccontextmanager
async def open_node(config: NodeConfig) -> AsyncIterator[Node]:
    """Open the journal, start the messenger, and stop both in order at the end.

    Raises:
        storage's errors, if the data directory cannot be opened; their sentences say what to do.
    """
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(
            open_lmdb(config.data, **config.journal_options)
            if config.journal is None
            else config.journal
        )
        system = await stack.enter_async_context(
            open_system("node", seed=config.seed, tune_collector=config.tune_collector)
        )
        settings = config.settings
        traffic = Traffic()
        events = EventHub()
        port = JournalPort(TimedJournal(journal, traffic.appended))
        environment = Environment(
            journal=port,
            logs=LogReader(port, settings.cache_bytes),
            settings=settings,
            faults=config.faults,
            passwords=Passwords(settings, config.run_in_thread, os.cpu_count() or 1),
            guesses=Guesses(trio.current_time),
            profiles=Profiles(),
            now_ms=config.now_ms,
            secret=config.secret,
            directory=Directory(system),
            connections=Connections(events),
            authenticate=config.authenticate,
            events=events,
            leases=Leases(),
            window=FanOutWindow(),
            load=Load(trio.current_time, settings.overload_wait_s),
            floods=Floods(settings.user_commands_per_s, settings.user_burst, trio.current_time),
            traffic=traffic,
        )
        node = Node(environment, journal, system)
        nursery = await stack.enter_async_context(trio.open_nursery())
        await node.start(nursery)
        try:
            yield node
        finally:
            node.stop_accepting()
            nursery.cancel_scope.cancel()
