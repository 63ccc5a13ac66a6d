"""A user of the node's own program: it sends, nobody can log in as it, nothing reads for it.

    helpdesk = await node.system_user("helpdesk", display="Helpdesk")
    await helpdesk.send("alice", "Your ticket is closed", tag=f"ticket-{number}")

Contract:

* **No second way.** What it sends are the numbered commands that clients send, through a session
  without a socket: rights, blocks, paces, fan-out and marks are those of anybody.
* **Once for each tag.** A command is sent again, with its number and tag, until it is answered. A
  caller who gives the same tag again, in this process or after a restart, gets the first result,
  if the command is among the newest 64 of this user in that conversation. Left out, it is random.
* **In order within a conversation**: one command at a time, in the order of the calls. Commands to
  different conversations overtake each other.
* **Numbers are not stored.** What the next one is, is learnt by asking with one that is too high;
  a known tag is answered with its result before its number is looked at. A number that another
  device has used up is mended in the same way.
* **Errors.** Refusals that may pass are waited out, with the pause that they ask for, until the
  `timeout`. Then, and at once for those that will not pass, `NotSent`; or `MaybeSent`, when the
  command may have been carried out: only the same tag is safe then.
* Every user sends at most `MessengerSettings.user_commands_per_s`; so does this one.

The account is made at the first time, with what stands for a hash and is none. Its one device is
kept for the next process; it is given up, and with it what is known of its tags, when the account
was logged out or has not been opened for as long as devices may be away.
"""

from __future__ import annotations

import base64
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from beamish.messenger.ids import direct_id
from beamish.messenger.program_line import Line, LineLost, Told
from beamish.protocol import VERSIONS
from beamish.protocol import Refusal as ProtocolRefusal
from beamish.protocol.limits import MAX_INTEGER
from beamish.protocol.session import Vouched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from beamish.messenger.sessions.session_handle import SessionLink
    from beamish.protocol import Codec

logger = logging.getLogger("beamish.messenger")

OpenSession: TypeAlias = "Callable[[Codec, str, Vouched | None], Awaitable[SessionLink]]"

PEER = "this program"

TIMEOUT_S = 30.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0

MAX_NUMBERS = 10_000
"""Conversations whose next number is remembered; the least recently used goes first."""

TAG_BYTES = 12


class NotSent(Exception):
    """The command was refused and left no trace. `code` is one of the protocol's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


class MaybeSent(Exception):
    """No answer in time: the command may have been carried out. Repeat it with the same `tag`."""

    def __init__(self, tag: str, timeout: float) -> None:
        super().__init__(f"no answer within {timeout:g} s: send it again with the tag {tag!r}")
        self.tag = tag


@dataclass(slots=True)
class _Fate:
    """What is known of a command: the last refusal; whether it may have been carried out."""

    code: str = "overloaded"
    message: str = "what was to be sent before it took too long"
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What a command became: record `n` of the conversation, at `at` ms UTC.

    `ordinal` is that of a message; 0 for anything else.
    """

    conversation: str
    n: int
    ordinal: int
    at: int


class SystemUser:
    """One system user of a node. Made by `Node.system_user`; its methods are for trio tasks."""

    def __init__(
        self,
        name: str,
        display: str,
        *,
        codec: Codec,
        open_session: OpenSession,
        secret: Callable[[int], bytes],
        nursery: trio.Nursery,
    ) -> None:
        self.name = name
        self._vouched = Vouched(name, display, system=True)
        self._codec = codec
        self._open_session = open_session
        self._secret = secret
        self._nursery = nursery
        self._line: Line | None = None
        self._opening = trio.Lock()
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._lanes: dict[str, tuple[trio.Lock, list[None]]] = {}

    def __repr__(self) -> str:
        return f"<SystemUser {self.name!r}>"

    async def open(self, timeout: float = TIMEOUT_S) -> None:  # noqa: ASYNC109
        """Have the account and a session.

        Raises:
            NotSent: the name is a person's, or the account is disabled or deleted.
        """
        await self._in_time(_opened, "", "", timeout)

    async def send(
        self,
        to: str,
        text: str,
        *,
        tag: str | None = None,
        reply: int | None = None,
        mentions: Sequence[str] = (),
        timeout: float = TIMEOUT_S,  # noqa: ASYNC109
    ) -> Sent:
        """Send `text` to a user, or to the conversation of this id, as its member.

        Raises:
            NotSent: it is refused.
            MaybeSent: there was no answer within `timeout` seconds.
        """
        conversation = to if ":" in to else direct_id(self.name, to)
        fields: dict[str, Any] = {"command": "send", "conversation": conversation, "text": text}
        if reply is not None:
            fields["reply"] = reply
        if mentions:
            fields["mentions"] = list(mentions)
        return await self._command(conversation, fields, tag, timeout)

    async def create_group(
        self,
        title: str,
        members: Sequence[str] = (),
        *,
        tag: str | None = None,
        timeout: float = TIMEOUT_S,  # noqa: ASYNC109
    ) -> Sent:
        """Make a group that this user owns; raises as `send`."""
        fields = {"command": "create_group", "title": title, "members": list(members)}
        return await self._command(None, fields, tag, timeout)

    async def invite(
        self,
        conversation: str,
        user: str,
        *,
        tag: str | None = None,
        timeout: float = TIMEOUT_S,  # noqa: ASYNC109
    ) -> Sent:
        """Make `user` a member of a group; raises as `send`."""
        fields = {"command": "invite", "conversation": conversation, "user": user}
        return await self._command(conversation, fields, tag, timeout)

    # -- commands --------------------------------------------------------------------------------

    async def _command(
        self, conversation: str | None, fields: dict[str, Any], tag: str | None, timeout_s: float
    ) -> Sent:
        tag = self._new_tag() if tag is None else tag
        fields = {**fields, "tag": tag}

        async def attempt(line: Line) -> Told:
            if conversation is None:
                return await line.ask({**fields, "number": 1})
            return await self._numbered(line, conversation, fields)

        lane = conversation or f"new {tag}"
        told = (await self._in_time(attempt, lane, tag, timeout_s))["ok"]
        return Sent(told["conversation"], told["n"], told.get("ordinal", 0), told["at"])

    async def _numbered(self, line: Line, conversation: str, fields: dict[str, Any]) -> Told:
        """One command with the number that is its turn, which may have to be learnt first."""
        while True:
            last = self._numbers.get(conversation)
            number = MAX_INTEGER if last is None else last + 1
            told = await line.ask({**fields, "number": number})
            error = told.get("error")
            if error is None:
                if last is not None:
                    self._note(conversation, number)
                return told
            if error["code"] == "expected":
                self._note(conversation, error["expected"] - 1)
            elif error["code"] == "number_used":
                self._numbers.pop(conversation, None)
            else:
                return told

    def _note(self, conversation: str, last: int) -> None:
        self._numbers[conversation] = last
        self._numbers.move_to_end(conversation)
        if len(self._numbers) > MAX_NUMBERS:
            self._numbers.popitem(last=False)

    def _new_tag(self) -> str:
        return base64.urlsafe_b64encode(self._secret(TAG_BYTES)).decode("ascii")

    @asynccontextmanager
    async def _lane(self, key: str) -> AsyncIterator[None]:
        """One at a time, in the order of coming; the lock lives as long as somebody uses it."""
        lock, users = self._lanes.setdefault(key, (trio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                del self._lanes[key]

    # -- patience --------------------------------------------------------------------------------

    async def _in_time(
        self, attempt: Callable[[Line], Awaitable[Told]], lane: str, tag: str, timeout_s: float
    ) -> Told:
        """What `attempt` gives at last, in its turn."""
        fate = _Fate()
        with trio.move_on_after(timeout_s):
            async with self._lane(lane):
                return await self._patiently(attempt, fate)
        if fate.doubtful:
            raise MaybeSent(tag, timeout_s)
        raise NotSent(fate.code, fate.message)

    async def _patiently(self, attempt: Callable[[Line], Awaitable[Told]], fate: _Fate) -> Told:
        """Try until it works or is refused for good; `fate` says what is known meanwhile."""
        pause = FIRST_PAUSE_S
        while True:
            wait, doubtful = pause, fate.doubtful
            try:
                line = await self._connected()
                fate.doubtful = True
                told = await attempt(line)
            except LineLost:
                logger.debug("the session of %s ended before its answer", self.name)
            except ProtocolRefusal as refusal:
                told = {"error": refusal.body()}
                wait = self._refused(told["error"], fate, doubtful=doubtful, pause=pause)
            else:
                if "error" not in told:
                    return told
                wait = self._refused(told["error"], fate, doubtful=doubtful, pause=pause)
            await trio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _refused(
        self, error: dict[str, Any], fate: _Fate, *, doubtful: bool, pause: float
    ) -> float:
        """Seconds until the next try; raises NotSent when there is none."""
        fate.code, fate.message = error["code"], error["message"]
        # "internal" says that there was no answer; a device that is gone has a successor.
        fate.doubtful = doubtful or fate.code == "internal"
        if fate.code == "unauthenticated":
            self._hang_up()
        elif not error["retryable"] or (fate.code == "shutting_down" and not fate.doubtful):
            raise NotSent(fate.code, fate.message)
        asked: float = error.get("retry_after_ms", 0) / 1000
        return max(pause, asked)

    # -- the session -----------------------------------------------------------------------------

    async def _connected(self) -> Line:
        """A session that is logged in; raises the protocol's Refusal, or LineLost."""
        async with self._opening:
            line = self._line
            if line is None or not line.alive:
                link = await self._open_session(self._codec, PEER, self._vouched)
                line = self._line = Line(link, self._codec)
                self._nursery.start_soon(line.run)
                try:
                    await self._log_in(line)
                except BaseException:
                    line.hang_up()
                    raise
            return line

    async def _log_in(self, line: Line) -> None:
        login = {"command": "login", "user": self.name, "password": "not looked at"}
        for fields in ({"command": "hello", "versions": [max(VERSIONS)]}, login):
            told = await line.ask(fields)
            if "error" in told:
                error = told["error"]
                raise ProtocolRefusal(
                    error["code"], error["message"], retry_after_ms=error.get("retry_after_ms")
                )

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.hang_up()


async def _opened(_line: Line) -> Told:
    return {"ok": {}}
