"""The control socket: how the command line talks to the node that runs on a data directory.

`DATA/control.sock` is a Unix socket of mode 0600; who may open it may do all that the commands
below do. One JSON object a line, UTF-8, in each direction; any number of requests a connection:

    {"command": "status"}                                   {"ok": {...figures}}
    {"command": "user_add", "user": "ada", "password": "...", "display": "Ada"}
                                                            {"ok": {"user": "ada"}}
    {"command": "user_list", "after": null, "limit": 1000}  {"ok": {"users": [...]}}
    {"command": "user_passwd", "user": "ada", "password": "..."}
    {"command": "user_logout", "user": "ada"}               {"ok": {"user": "ada"}}
        likewise user_disable, user_enable, user_delete
    {"command": "upgrade", "modules": ["a.b"], "timeout": 30}
                                                            {"ok": {...what was moved}}
    {"command": "trace", "user": "ada", "seconds": 60, "texts": false}
                                                            {"ok": {"sessions": 2}}
                                                            {"event": {...}}    any number of these
                                                            {"done": {"left_out": 0}}
    {"command": "backup", "target": "/an/absolute/path"}    the same, with bytes done and total,
                                                            and {"done": {...the backup}}
    anything that does not work                             {"error": "a sentence"}

A line has at most 64 KiB, a request is answered within 60 s, 16 connections are served at once.
What goes on ends when its connection does: a backup takes back what it had written. A fault of ours
ends its connection, and is logged.
The path of a Unix socket is bounded to some hundred bytes, that of a data directory is not: so both
sides reach the socket through the directory's file descriptor.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import trio

from beamish.cli import accounts
from beamish.operations.plain import plain

if TYPE_CHECKING:
    from beamish.messenger.accounts.administration import Administration

logger = logging.getLogger("beamish")

NAME = "control.sock"
LONGEST_LINE = 64 * 1024
MOST_CONNECTIONS = 16
ANSWER_WITHIN = 60.0


class ControlError(Exception):
    """The request failed or nobody answers; the text is a sentence for people."""


class NobodyThere(ControlError):
    """No node runs on that directory."""

    def __init__(self, data: Path) -> None:
        super().__init__(
            f"No node answers on {data}: start one with `beamish serve --data {data}`."
        )


class Controlled(Protocol):
    """What the server needs of a node."""

    @property
    def accounts(self) -> Administration:
        """Its accounts."""
        ...

    async def upgrade(self, modules: list[str], timeout: float) -> dict[str, object]:  # noqa: ASYNC109
        """Load new versions of modules and move their actors. Raises ValueError."""
        ...


class Ongoing(Protocol):
    """What a command does that goes on."""

    def begins(self) -> dict[str, Any]:
        """What is told first."""
        ...

    def events(self) -> AsyncIterator[dict[str, Any]]:
        """What happens, until the end."""
        ...

    def ends(self) -> dict[str, Any]:
        """What is told last. Raises ValueError where it did not work."""
        ...


Begin = Callable[[Mapping[str, Any]], AbstractAsyncContextManager[Ongoing]]
"""Begins what a request asks for; the block's end ends it. Raises ValueError, then or at entry."""


@dataclass(frozen=True, slots=True)
class Control:
    """What is behind the socket: a node, the figures of all that is around it, and what goes on.

    `ongoing`: by their names, commands that tell events until they end.
    """

    node: Controlled
    figures: Callable[[], Mapping[str, object]]
    ongoing: Mapping[str, Begin]


@contextlib.contextmanager
def _short_path(data: Path) -> Iterator[str]:
    """A path to the socket that is short whatever the directory is called."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def listen(data: Path) -> trio.SocketListener:
    """The listening socket; the caller holds the lock of `data`, so a socket there is a left-over.

    Raises:
        OSError: the directory takes no socket.
    """
    (data / NAME).unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with _short_path(data) as path:
            bound.bind(path)
        bound.listen(MOST_CONNECTIONS)
    except BaseException:
        bound.close()
        raise
    finally:
        os.umask(before)
    return trio.SocketListener(trio.socket.from_stdlib_socket(bound))


async def serve_control(control: Control, listener: trio.SocketListener) -> None:
    """Answers requests until cancelled."""
    limit = trio.CapacityLimiter(MOST_CONNECTIONS)

    async def serve_one(stream: trio.SocketStream) -> None:
        async with limit, stream:
            try:
                lines = _Lines(stream)
                while (line := await lines.next()) is not None:
                    await _serve_line(control, line, stream, lines)
            except (trio.BrokenResourceError, ControlError):
                pass
            except Exception:
                logger.exception("a control request ended by a fault")

    await trio.serve_listeners(serve_one, [listener])


async def _serve_line(
    control: Control, line: bytes, stream: trio.SocketStream, lines: _Lines
) -> None:
    opening = None
    with trio.move_on_after(ANSWER_WITHIN):
        answer = await _answer(control, line)
        if isinstance(answer, dict):
            await _say(stream, answer)
        else:
            opening = answer
    if opening is not None:
        await _go_on(opening, stream, lines)


async def _say(stream: trio.SocketStream, told: Mapping[str, object]) -> None:
    await stream.send_all(json.dumps(told).encode() + b"\n")


async def _go_on(
    opening: AbstractAsyncContextManager[Ongoing], stream: trio.SocketStream, lines: _Lines
) -> None:
    """Write what is told until the end, or until the other side says anything or goes."""
    failure: str | None = None
    try:
        async with trio.open_nursery() as nursery:

            async def hang_up() -> None:
                with contextlib.suppress(trio.BrokenResourceError, ControlError):
                    await lines.next()
                nursery.cancel_scope.cancel()

            async with opening as ongoing:
                await _say(stream, {"ok": ongoing.begins()})
                nursery.start_soon(hang_up)
                async for event in ongoing.events():
                    with trio.fail_after(ANSWER_WITHIN):
                        await _say(stream, {"event": event})
            await _say(stream, {"done": ongoing.ends()})
            nursery.cancel_scope.cancel()
    except* ValueError as wrong:
        failure = str(_first(wrong))
    except* (trio.TooSlowError, trio.BrokenResourceError):
        pass  # Whoever asked does not read, or has gone.
    if failure is not None:
        await _say(stream, {"error": failure})


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def follow(
    data: Path, command: str, tell: Callable[[dict[str, Any]], None], **fields: object
) -> dict[str, Any]:
    """Like `request`, for a command that goes on: each of its events is told, then how it ended.

    Raises:
        ControlError: the node said no, or none runs there, or it ended.
    """
    try:
        async with await _connect(data) as stream:
            await _say(stream, {"command": command, **fields})
            lines = _Lines(stream)
            while (line := await lines.next()) is not None:
                told: dict[str, Any] = json.loads(line)
                if "done" in told:
                    done: dict[str, Any] = told["done"]
                    return done
                tell(told["event"] if "event" in told else _ok(told))
    except (OSError, trio.BrokenResourceError) as error:
        raise NobodyThere(data) from error
    raise ControlError(f"The node on {data} has ended.")


async def request(data: Path, command: str, **fields: object) -> dict[str, Any]:
    """The `ok` of one command to the node on `data`.

    Raises:
        ControlError: the node said no, or none runs there.
    """
    try:
        with trio.fail_after(ANSWER_WITHIN):
            async with await _connect(data) as stream:
                line = json.dumps({"command": command, **fields}).encode()
                await stream.send_all(line + b"\n")
                answer = await _Lines(stream).next()
    except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
        raise NobodyThere(data) from error
    if answer is None:
        raise ControlError(f"The node on {data} ended before it answered.")
    return _ok(json.loads(answer))


async def _connect(data: Path) -> trio.SocketStream:
    opened = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(data) as path:
            await opened.connect(path)
    except BaseException:
        opened.close()
        raise
    return trio.SocketStream(opened)


def _ok(answer: dict[str, Any]) -> dict[str, Any]:
    if "ok" not in answer:
        raise ControlError(str(answer.get("error")))
    ok: dict[str, Any] = answer["ok"]
    return ok


class _Lines:
    """The lines of a stream, each at most 64 KiB."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffered = b""

    async def next(self) -> bytes | None:
        """The next line without its end, None at the end of the stream.

        Raises:
            ControlError: the line is too long.
        """
        while b"\n" not in self._buffered:
            if len(self._buffered) > LONGEST_LINE:
                raise ControlError("A control request has at most 64 KiB.")
            received = await self._stream.receive_some()
            if not received:
                return None
            self._buffered += received
        line, self._buffered = self._buffered.split(b"\n", 1)
        return line


async def _answer(
    control: Control, line: bytes
) -> dict[str, Any] | AbstractAsyncContextManager[Ongoing]:
    try:
        asked = json.loads(line)
        begin = control.ongoing.get(asked.get("command"))
        if begin is not None:
            return begin(asked)
        return {"ok": await _carry_out(control, asked)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return {"error": str(error)}


async def _carry_out(control: Control, asked: dict[str, Any]) -> dict[str, Any]:
    node = control.node
    match asked.get("command"):
        case "status":
            return {name: plain(value) for name, value in control.figures().items()}
        case str(name) if name in accounts.COMMANDS:
            return await accounts.carry_out(node.accounts, asked)
        case "upgrade":
            done = await node.upgrade(_names(asked["modules"]), float(asked.get("timeout", 30.0)))
            return {name: plain(value) for name, value in done.items()}
        case other:
            raise ValueError(f"The node knows no control command {other!r}.")


def _names(modules: object) -> list[str]:
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        raise TypeError("modules is a list of full module names")
    return modules
