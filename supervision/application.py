"""Applications: trees of actors with a name, dependencies and an order of start and stop (OTP's).

    def chat_root(env):                      # a root may depend on the configuration
        return ChildSpec("chat", Supervisor, ([ChildSpec("gate", Gate, (env["port"],))],))

    store = Application("store", root=ChildSpec("store", Supervisor, ([Store],)))
    chat = Application("chat", root=chat_root, dependencies=(store,), env={"port": 8000})

    async with open_application(system, chat, env={"chat": {"port": 9000}}):
        ...                                  # store runs, then chat; left: chat ends, then store

    controller = await system.spawn(ApplicationController)      # or with a controller at hand
    await controller.call(StartApplication(chat, restart="permanent"), timeout=None)
    await controller.call(WhichApplications())

Contract:

* **Start**: dependencies first, each once, in the order in which they are named; then the phases of
  each application in order, right after its root has started. All or none: if one fails, those that
  this request has started are stopped again, in reverse, and it is refused with
  `ApplicationFailed`. One without a root is only its dependencies and configuration.
* **Stop**: in reverse order of the start. `prep_stop` runs before the root gets its `Shutdown`,
  `stop` after it has ended. There is one deadline for everything that one stop has to do,
  `stop_timeout` of the controller: when it comes, all actors of what is left are killed, the
  stop goes through without further hooks, and what was killed is logged and in the `StopReport`.
  An application on which a running one depends is refused (`ApplicationInUse`).
* **An application ends by itself** (its root does): a *temporary* one is reported and taken out of
  the list; a *permanent* one takes all others and the controller down; a *transient* one does so
  unless it ended with `Normal` (a supervisor that gives up ends with `Shutdown`, so for trees this
  is what permanent is, as in OTP). The controller then ends with `ApplicationEnded`;
  ``open_application`` cancels its block and raises `ApplicationFailed`.
* **Configuration** is `env`, overridden key by key by the controller's; an override for a key that
  the application does not declare is refused.

The controller is an actor and the parent of all roots, so it ends with the system, in the same
order, within the same deadline. Requests are served one after the other; a start is as long as the
``init`` of all that it starts. Hooks are ``def`` or ``async def``, take the `RunningApplication`,
and run in the controller; a hook that raises is logged and changes nothing.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from types import CoroutineType, MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

import trio

from actors import (
    Actor,
    CallError,
    Exit,
    ExitReason,
    LocalRef,
    Normal,
    Ref,
    Reject,
    Request,
    Shutdown,
    Stop,
    System,
    on,
)
from actors.lifecycle.links import Watch
from actors.lifecycle.ties import tie
from actors.scheduling.protection import protect
from supervision.child_spec import ChildDefaults, ChildSpec, check_child
from supervision.decision import RESTARTS, Restart
from supervision.flags import FlagError
from supervision.starting import reason_of_failure, start_child
from supervision.waiting import ended

logger = logging.getLogger("supervision")

STOP_TIMEOUT_S: Final = 10.0
KILL_WAIT_S: Final = 1.0
"""What was killed has this long to unwind before the stop goes on without it."""
MAX_SHOWN: Final = 20
"""Killed actors that are named in a log line; all are in the `StopReport`."""

Env = Mapping[str, Any]
Root = ChildSpec | type[Actor] | Callable[[Env], ChildSpec]
Hook = Callable[["RunningApplication"], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Application:
    """One application; see the top of this file. Compare by identity.

    Args:
        name: unique in a controller.
        root: the spec of its root actor, the actor's class, or a function of the configuration
            that makes the spec; None for no actors.
        dependencies: applications that must run before it.
        env: its configuration, with defaults.
        phases: pairs of a name and a hook, run in order once the root has started.
        prep_stop: called before its stop.
        stop: called after it.
        restart: what its end means, "permanent", "transient" or "temporary".

    Raises:
        FlagError: a field is wrong.

    """

    name: str
    root: Root | None = None
    dependencies: tuple[Application, ...] = ()
    env: Env = field(default_factory=dict)
    phases: tuple[tuple[str, Hook], ...] = ()
    prep_stop: Hook | None = None
    stop: Hook | None = None
    restart: Restart = "temporary"

    def __post_init__(self) -> None:
        """Check field by field."""
        name: object = self.name
        if not (isinstance(name, str) and name):
            _refuse("name", name, "a name", 'Application("chat", ...)')
        if type(self.dependencies) is not tuple or not all(
            isinstance(one, Application) for one in self.dependencies
        ):
            wanted = "a tuple of applications"
            _refuse("dependencies", self.dependencies, wanted, "dependencies=(store,)")
        if not isinstance(self.env, Mapping):
            _refuse("env", self.env, "a mapping", 'env={"port": 8000}')
        if self.restart not in RESTARTS:
            wanted = "one of " + ", ".join(map(repr, RESTARTS))
            _refuse("restart", self.restart, wanted, 'restart="permanent"')
        for hook in ("prep_stop", "stop"):
            value = getattr(self, hook)
            if value is not None and not callable(value):
                _refuse(hook, value, "a function", f"{hook}=my_{hook}")
        if not (self.root is None or callable(self.root) or isinstance(self.root, ChildSpec)):
            _refuse("root", self.root, "a ChildSpec", 'root=ChildSpec("top", Supervisor, (specs,))')
        for phase in self.phases:
            if not (isinstance(phase, tuple) and len(phase) == 2 and callable(phase[1])):
                _refuse("phases", phase, "a pair", 'phases=(("open", open_doors),)')


def _refuse(name: str, value: object, wanted: str, right: str) -> None:
    raise FlagError(f"{name}={value!r} of an application is not {wanted}. Write {right}.")


@dataclass(frozen=True, slots=True, eq=False)
class RunningApplication:
    """One application that runs: `ref` is its root, None if it has none."""

    application: Application
    ref: LocalRef | None
    env: Env
    restart: Restart

    @property
    def name(self) -> str:
        """The application's name."""
        return self.application.name


class ApplicationFailed(CallError):
    """An application did not start, or ended though it was not to. `name` says which one."""

    def __init__(self, name: str, reason: ExitReason | str) -> None:
        super().__init__(f"the application {name!r} failed: {reason}")
        self.name = name
        self.reason = reason


class ApplicationInUse(CallError):
    """A running application depends on the one that was to be stopped."""


class ApplicationNotFound(CallError):
    """No application of this name runs."""


@dataclass(frozen=True, slots=True)
class ApplicationEnded(ExitReason):
    """Reason of the controller's end: the application `name` had to run and ended."""

    name: str
    reason: ExitReason

    def __str__(self) -> str:
        """One line for people."""
        return f"the application {self.name!r} ended: {self.reason}"


class StopReport(NamedTuple):
    """What a stop came to: names in the order of the stop, and actors that had to be killed."""

    stopped: tuple[str, ...]
    killed: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class StartApplication(Request[tuple[str, ...]]):
    """Start an application and what it depends on; the names started, in order.

    `restart` replaces that of all that are started (OTP: the type of ``application:start``).
    """

    application: Application
    restart: Restart | None = None


@dataclass(frozen=True, slots=True)
class StopApplication(Request[StopReport]):
    """Stop one application, not those on which it depends."""

    name: str


@dataclass(frozen=True, slots=True)
class WhichApplications(Request[tuple[RunningApplication, ...]]):
    """The running applications, in the order of their start."""


class ApplicationController(Actor):
    """Starts and stops applications; see the top of this file.

    Args:
        env: overrides of configurations: ``{name of the application: {key: value}}``.
        stop_timeout: seconds for everything that one stop has to do.

    """

    trap_exit = True
    child_defaults: ClassVar[ChildDefaults] = ChildDefaults(type="supervisor")

    def __init__(
        self, *, env: Mapping[str, Env] | None = None, stop_timeout: float = STOP_TIMEOUT_S
    ) -> None:
        if type(stop_timeout) not in (int, float) or not 0 <= stop_timeout < inf:
            raise FlagError(
                f"stop_timeout={stop_timeout!r} is no time. Write seconds, as in stop_timeout=10.0."
            )
        self._env: Final = {} if env is None else {name: dict(own) for name, own in env.items()}
        self._stop_timeout: Final = stop_timeout
        self._running: dict[str, RunningApplication] = {}
        self._roots: dict[LocalRef, RunningApplication] = {}

    async def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002 - same for every reason
        """Stop everything in reverse order."""
        await self._stop(list(self._running.values()))

    # -- start --------------------------------------------------------------------------------

    @on(StartApplication)
    async def start_application(self, request: StartApplication) -> tuple[str, ...]:
        """Start what is needed, all or none."""
        started: list[RunningApplication] = []
        for application in _in_order(request.application):
            running = self._running.get(application.name)
            if running is not None:
                if running.application is not application:
                    await self._stop(started)
                    text = "another application of this name runs"
                    raise Reject(ApplicationFailed(application.name, text))
                continue
            try:
                started.append(await self._start(application, request.restart))
            except CallError as error:
                await self._stop(started)
                raise Reject(error) from None
        return tuple(running.name for running in started)

    async def _start(self, application: Application, restart: Restart | None) -> RunningApplication:
        env = self._configured(application)
        ref = None
        if application.root is not None:
            try:
                ref = await start_child(self, _root_spec(application.root, env))
            except CallError as error:
                raise ApplicationFailed(application.name, reason_of_failure(error)) from None
            except Exception as error:
                text = f"its root raised {type(error).__name__}: {error}"
                raise ApplicationFailed(application.name, text) from None
        running = RunningApplication(application, ref, env, restart or application.restart)
        self._running[application.name] = running
        if ref is not None:
            self._roots[ref] = running
        for name, phase in application.phases:
            try:
                await _call_hook(phase, running)
            except Exception as error:
                await self._stop([running])
                text = f"its phase {name!r} raised {type(error).__name__}: {error}"
                raise ApplicationFailed(application.name, text) from None
        return running

    def _configured(self, application: Application) -> Env:
        own = self._env.get(application.name, {})
        for key in own:
            if key not in application.env:
                near = difflib.get_close_matches(key, list(application.env), 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                text = f"env={{{key!r}: ...}} is none of its settings{hint}"
                raise ApplicationFailed(application.name, text)
        return MappingProxyType({**application.env, **own})

    # -- end ----------------------------------------------------------------------------------

    @on(Exit)
    def root_ended(self, message: Exit) -> None:
        """An application has ended by itself."""
        ref: Any = message.ref
        running = self._roots.pop(ref, None)
        if running is None:
            return
        del self._running[running.name]
        needed = running.restart == "permanent" or (
            running.restart == "transient" and not isinstance(message.reason, Normal)
        )
        ended = ApplicationEnded(running.name, message.reason)
        logger.log(logging.ERROR if needed else logging.WARNING, "%r: %s", self.ref, ended)
        if needed:
            raise Stop(ended)

    @on(StopApplication)
    async def stop_application(self, request: StopApplication) -> StopReport:
        """Stop one application."""
        running = self._running.get(request.name)
        if running is None:
            known = ", ".join(map(repr, self._running)) or "none"
            text = f"no application {request.name!r} runs; those that do are {known}"
            raise Reject(ApplicationNotFound(text))
        users = [
            other.name
            for other in self._running.values()
            if running.application in other.application.dependencies
        ]
        if users:
            text = f"{request.name!r} is needed by {', '.join(map(repr, users))}; stop that first"
            raise Reject(ApplicationInUse(text))
        return await self._stop([running])

    @on(WhichApplications)
    def which(self, request: WhichApplications) -> tuple[RunningApplication, ...]:  # noqa: ARG002
        """The running applications."""
        return tuple(self._running.values())

    async def _stop(self, applications: list[RunningApplication]) -> StopReport:
        """Stop applications, the last one first, within the deadline for all."""
        deadline = self.ref.scheduler.now() + self._stop_timeout
        killed: list[LocalRef] = []
        for running in reversed(applications):
            await self._hook(running, "prep_stop", deadline)
            if running.ref is not None:
                killed += await self._stop_root(running.ref, deadline)
            self._running.pop(running.name, None)
            await self._hook(running, "stop", deadline)
        if killed:
            shown = ", ".join(map(repr, killed[:MAX_SHOWN]))
            logger.error(
                "%r: %d actors did not stop within %s s and were killed: %s",
                self.ref,
                len(killed),
                self._stop_timeout,
                shown,
            )
        return StopReport(tuple(one.name for one in reversed(applications)), tuple(killed))

    async def _stop_root(self, root: LocalRef, deadline: float) -> list[LocalRef]:
        """Stop a tree; returns the actors of it that had to be killed."""
        self._roots.pop(root, None)
        self.unlink(root)
        if self.ref.scheduler.now() < deadline:
            self.exit(root, Shutdown())
            if await ended(self, root, deadline) is not None:
                return []
        left = [ref for ref in self.system.actors() if _is_below(ref, root)]
        for ref in left:
            self.kill(ref)
        last = self.ref.scheduler.now() + KILL_WAIT_S
        for ref in left:
            await ended(self, ref, last)
        return left

    async def _hook(self, running: RunningApplication, name: str, deadline: float) -> None:
        hook: Hook | None = getattr(running.application, name)
        left = deadline - self.ref.scheduler.now()
        if hook is None or left <= 0:
            return
        try:
            with trio.move_on_after(left) as scope:
                await _call_hook(hook, running)
        except Exception:
            logger.exception("%r: %s of the application %r failed", self.ref, name, running.name)
        else:
            if scope.cancelled_caught:
                logger.error("%r: %s of %r took too long", self.ref, name, running.name)


# A Ctrl-C comes after a step of the controller, never between a start and noting it.
protect(ApplicationController)


async def _call_hook(hook: Hook, running: RunningApplication) -> None:
    result = hook(running)
    if isinstance(result, CoroutineType):
        await result


def _root_spec(root: Root, env: Env) -> ChildSpec:
    if not isinstance(root, (ChildSpec, type)):
        root = root(env)
    return check_child(root, "any_significant")


def _in_order(application: Application) -> list[Application]:
    """It and all on which it depends, each once, dependencies first."""
    found: dict[Application, None] = {}
    todo: list[tuple[Application, bool]] = [(application, False)]
    while todo:
        one, ready = todo.pop()
        if ready:
            found[one] = None
        elif one not in found:
            todo.append((one, True))
            todo += [(needed, False) for needed in reversed(one.dependencies)]
    return list(found)


def _is_below(ref: LocalRef, root: LocalRef) -> bool:
    above: LocalRef | None = ref
    while above is not None:
        if above is root:
            return True
        above = above.parent
    return False


@asynccontextmanager
async def open_application(
    system: System,
    application: Application,
    *,
    env: Mapping[str, Env] | None = None,
    stop_timeout: float = STOP_TIMEOUT_S,
    name: Hashable = None,
) -> AsyncIterator[LocalRef]:
    """Run an application, with all on which it depends, for the duration of the block.

    Gives the `ApplicationController`, registered as `name` if that is given. For use in trio code,
    not in a handler.

    Raises:
        ApplicationFailed: it did not start, or one that has to run ended; the block is cancelled.
    """
    controller = await system.spawn(
        ApplicationController, env=env, stop_timeout=stop_timeout, name=name
    )
    reason: ExitReason | None = None
    with trio.CancelScope() as body:
        tie(controller, "watchers", _CancelBody(controller, body))
        try:
            await controller.call(StartApplication(application), timeout=None)
            yield controller
        finally:
            reason = controller.exit_reason
            with trio.CancelScope(shield=True):
                system.exit(controller, Shutdown())
                await system.join(controller)
    if isinstance(reason, ApplicationEnded):
        raise ApplicationFailed(reason.name, reason.reason)


class _CancelBody(Watch):
    """Cancels the block when the controller ends."""

    __slots__ = ("_body",)

    def __init__(self, controller: LocalRef, body: trio.CancelScope) -> None:
        self.ref = controller
        self._body = body

    def ended(self, _reason: ExitReason, /) -> None:
        """The controller has ended."""
        self._body.cancel()
