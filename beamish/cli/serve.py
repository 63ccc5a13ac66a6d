"""`beamish serve`: one node on one data directory and one port, from start to orderly stop.

Start: lock and open the journal, remove a stale ready file, listen, open the control socket, write
the ready file, say where the page is (on all addresses: the loopback one, and on a second line what
other machines open). A start that fails says why in one sentence, ends with status
1 and leaves the ready file of a running node alone.

Stop, on SIGTERM, Ctrl-C or the end of its terminal, also while it still starts:

    remove the ready file, refuse new connections
    drain            commands in hand are answered, at most 5 s
    close            every connection with code 1001, at most 5 s
    flush            actors end, the journal commits what it was given
    log "stopped in order", with the seconds that it took

SIGHUP takes over what has changed in the settings, where they are in a file or there is a
certificate (`beamish.cli.reload`); else it is the end of a terminal.

A second signal, or 30 s, end the process at once: whatever was acknowledged is on disk anyway.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

from beamish.cli.addresses import from_elsewhere, openable
from beamish.cli.configuration import misspelt
from beamish.cli.files import (
    connections_room,
    file_limit,
    raise_file_limit,
    turned_away_room,
)
from beamish.cli.options import Asked, ServeOptions, asked
from beamish.cli.ready_file import ReadyFile
from beamish.cli.settings import settings_options

if TYPE_CHECKING:
    from beamish.cli.control import Begin, Ongoing
    from beamish.cli.injection import InjectionWatch
    from beamish.cli.reload import Reload
    from beamish.gateway import Gateway
    from beamish.node import Node, NodeConfig
    from beamish.operations.figures import Figures
    from beamish.protocol.limits import Limits

DRAIN_WITHIN = 5.0
STOP_WITHIN = 30.0

logger = logging.getLogger("beamish")


SWITCH_INTERVAL_S = 0.0005
"""How long the node's thread may keep the interpreter while the journal's threads want it.

They need it briefly and often; with Python's 5 ms each of their steps waits that long in a busy
node.
"""


@click.command()
@settings_options
@click.pass_context
def serve(context: click.Context, /, **_given: object) -> None:
    """Run a node until Ctrl-C or SIGTERM.

    Every option is a setting that may as well be in the environment (BEAMISH_PORT for --port) or in
    the file of --config; `beamish config check` shows what holds.
    """
    wanted = asked(context)
    chosen = wanted.options()
    from beamish.operations.log import set_up_log

    set_up_log(chosen.log_format)
    raise_file_limit()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    for sentence in misspelt(os.environ):
        logger.warning("%s", sentence)
    server = Server(chosen, wanted)
    trio.run(server.run)
    if server.failure is not None:
        raise click.ClickException(server.failure)


class Server:
    """One `beamish serve`. `failure` says why it could not start or go on; None: it went well."""

    def __init__(self, options: ServeOptions, asked: Asked | None = None) -> None:
        """`asked`: where a SIGHUP finds the settings anew; without it there is no reload."""
        self.options = options
        self._asked = asked
        self._addresses: dict[str, str] = {}
        self._reload: Reload | None = None
        self.failure: str | None = None
        self._ready = ReadyFile(options.ready_file)
        self._stop = trio.Event()
        self._starting = trio.CancelScope()
        self._serving = False
        self._told_at = 0.0

    async def run(self) -> None:
        """Start, serve, stop."""
        obeyed = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        with trio.open_signal_receiver(*obeyed) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, signals)
                try:
                    await self._serve()
                except (Exception, BaseExceptionGroup) as error:
                    self.failure = sentence_of(error)
                nursery.cancel_scope.cancel()

    async def _obey(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number == signal.SIGHUP and self._asked is not None and self._asked.can_change:
                if self._reload is None:
                    logger.warning("SIGHUP: not while the node starts or stops")
                else:
                    self._reload.now()
                continue
            if self._stop.is_set():
                os._exit(1)
            self._stop.set()
            self._told_at = trio.current_time()
            if not self._serving:
                self._starting.cancel()

    async def _serve(self) -> None:
        from beamish.node import open_node

        try:
            with self._starting:
                async with open_node(node_config(self.options)) as node:
                    self._ready.remove_stale()
                    await self._serve_node(node)
        finally:
            self._ready.remove()
        logger.info("stopped in order, in %.1f s", trio.current_time() - self._told_at)

    async def _serve_node(self, node: Node) -> None:
        from beamish.cli.control import Control, listen, serve_control
        from beamish.cli.reload import Reload

        options = self.options
        async with trio.open_nursery() as nursery:
            gateway = await open_port(nursery, options, node)
            figures = await self._watch(nursery, node, gateway)
            control = Control(node, figures, ongoing(node))
            nursery.start_soon(serve_control, control, listen(options.data))
            if self._asked is not None:
                self._reload = Reload(self._asked, options, gateway, node)
            self._serving = True
            self._tell(gateway)
            await self._stop.wait()
            self._reload = None
            await self._end(node, gateway)
            nursery.cancel_scope.cancel()
            (options.data / "control.sock").unlink(missing_ok=True)

    async def _watch(self, nursery: trio.Nursery, node: Node, gateway: Gateway) -> Figures:
        """Begin to watch the node; its figures, on the admin port too if there is one."""
        from beamish.operations.figures import Figures
        from beamish.operations.monitor import Monitor
        from beamish.operations.watched import Watched

        watched = Watched(node, gateway, Monitor(node))
        nursery.start_soon(watched.monitor.run)
        injection = self._watch_injection(nursery, node)
        more = None if injection is None else lambda: {"injected": injection.statistics()}
        self._addresses["http"] = openable(gateway.http_url)
        self._addresses["ws"] = openable(gateway.ws_url)
        figures = Figures(watched, self.options.data, self._addresses, more)
        address = self.options.admin_address
        if address is not None:
            from beamish.operations.admin import open_admin

            with told_as_start_error(*address, "--admin"):
                admin = await open_admin(nursery, address, watched, figures)
            self._addresses["admin"] = openable(admin.http_url)
        return figures

    def _tell(self, gateway: Gateway) -> None:
        http = self._addresses["http"]
        self._ready.write(self._addresses)
        click.echo(f"Beamish serves {http}")
        limit, most = file_limit(), self.options.max_connections
        if (room := connections_room(limit)) < most:
            text = "this process may open %d files: %d connections of max-connections %d are served"
            logger.info(text, limit, room, most)
        if elsewhere := from_elsewhere(gateway.http_url):
            click.echo(f"From other machines: {' or '.join(elsewhere)}")

    def _watch_injection(self, nursery: trio.Nursery, node: Node) -> InjectionWatch | None:
        from beamish.cli.injection import InjectionWatch

        if not self.options.inject_crashes:
            return None
        watch = InjectionWatch(node)
        nursery.start_soon(watch.run)
        return watch

    async def _end(self, node: Node, gateway: Gateway) -> None:
        logger.info("stopping")
        _end_process_after(STOP_WITHIN)
        self._ready.remove()
        gateway.stop_accepting()
        await node.drain(DRAIN_WITHIN)
        node.stop_accepting()
        await gateway.close(1001, "the node shuts down")


def ongoing(node: Node) -> dict[str, Begin]:
    """What can be asked of a node on the control socket that goes on for a while."""
    from beamish.operations.backing import backing_up
    from beamish.operations.trace import tracing

    def trace(asked: Mapping[str, Any]) -> AbstractAsyncContextManager[Ongoing]:
        user, seconds = str(asked["user"]), float(asked["seconds"])
        return tracing(node, user, seconds=seconds, texts=asked.get("texts") is True)

    def backup(asked: Mapping[str, Any]) -> AbstractAsyncContextManager[Ongoing]:
        return backing_up(node.journal, Path(asked["target"]))

    return {"trace": trace, "backup": backup}


class StartError(Exception):
    """The node cannot serve as asked; the text says why and what to do."""


def node_config(options: ServeOptions) -> NodeConfig:
    """The node that the options describe."""
    from beamish.cli.injection import injector
    from beamish.messenger.faults import NoFaults
    from beamish.messenger.settings import MessengerSettings
    from beamish.node import NodeConfig

    settings = MessengerSettings(
        limits=_limits(options),
        registration_open=options.registration_open,
        user_commands_per_s=options.user_rate,
        user_burst=10 * options.user_rate,
        conversation_commands_per_s=options.conversation_rate,
        conversation_burst=4 * options.conversation_rate,
        overload_wait_s=options.overload_wait / 1000,
        argon2_memory_kib=options.argon2_memory,
        argon2_time=options.argon2_time,
    )
    probability = options.inject_crashes
    return NodeConfig(
        data=options.data,
        settings=settings,
        faults=injector(probability, options.inject_into, options.inject_seed)
        if probability
        else NoFaults(),
        tune_collector=True,
        journal_options={
            "sync_delay_s": options.inject_sync_delay / 1000,
            "reserve_bytes": options.disk_reserve << 20,
        },
    )


def _limits(options: ServeOptions) -> Limits:
    from beamish.protocol.limits import DEFAULT_LIMITS

    return replace(DEFAULT_LIMITS, inbox=options.inbox)


async def open_port(nursery: trio.Nursery, options: ServeOptions, node: Node) -> Gateway:
    """The gateway, listening.

    Raises:
        StartError: the port is taken or not ours to take, or the certificate is gone meanwhile.
    """
    import beamish
    from beamish.cli.reload import reloadable
    from beamish.gateway import GatewayConfig, open_gateway

    host, port = options.host, options.port
    with told_as_start_error(host, port, "--host and --port"):
        config = GatewayConfig(
            limits=_limits(options),
            page=Path(beamish.__file__).parent / "page",
            max_turned_away=turned_away_room(file_limit()),
            **reloadable(options),
        )
        return await open_gateway(nursery, host, port, node, config)


@contextmanager
def told_as_start_error(host: str, port: int, settings: str) -> Iterator[None]:
    """What keeps a port from opening, as the sentence that says what to change."""
    from beamish.gateway import TlsError

    try:
        yield
    except TlsError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"Port {port} of {host} is taken: stop what listens there, or choose another"
        elif error.errno == errno.EACCES:
            what = f"Port {port} of {host} is reserved for root: choose one above 1023"
        else:
            reason = error.strerror or error
            what = f"{host} port {port} cannot be listened on ({reason}): choose another"
        raise StartError(f"{what} with {settings}.") from error


def sentence_of(error: BaseException) -> str:
    """The sentence of a failure that people can do something about; any other is raised again."""
    from storage import DirectoryError

    inner = error
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    if isinstance(inner, (StartError, DirectoryError)):
        return str(inner)
    if isinstance(inner, OSError):
        return f"{inner.filename or 'The system'}: {inner.strerror or inner}."
    raise error


def _end_process_after(seconds: float) -> None:
    """The bound of an orderly stop: afterwards the process ends however far it is."""

    def end() -> None:
        logger.error("the orderly stop took longer than %.0f s: ending at once", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
