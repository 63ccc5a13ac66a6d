"""The actor of one connection: carries out a client's commands, hands on the inbox.

Commands are carried out in the order in which they came, as fast as the client reads the answers.
Numbered ones go on their lane and are answered when the conversation does; everything else is
finished before the next begins. A session
holds nothing that is not in the journal or with the client: when it crashes the connection is
closed, and the client resumes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from actors import Actor, Answer, CalleeDied, CallError, Down, ExitReason, Ref, Request, on
from beamish.messenger import messages as m
from beamish.messenger.accounts.passwords import PasswordsOverloaded, PasswordsUnwanted
from beamish.messenger.channels import messages as c
from beamish.messenger.conversations.refusal import Refusal
from beamish.messenger.environment import Environment
from beamish.messenger.leases import Lease
from beamish.messenger.overload import admission
from beamish.messenger.presence import LookAgain, Seen, Typing
from beamish.messenger.refusals import refusal_of
from beamish.messenger.sessions.backlog import Backlog
from beamish.messenger.sessions.feed import Feed
from beamish.messenger.sessions.followed import Followed
from beamish.messenger.sessions.handlers import carry_out
from beamish.messenger.sessions.lanes import Lanes
from beamish.messenger.sessions.login import Login
from beamish.messenger.sessions.screen import Screen
from beamish.messenger.sessions.session_handle import SessionLink
from beamish.messenger.sessions.watcher import HINTS_TOLD
from beamish.messenger.streams.journal_port import JournalUnavailable
from beamish.protocol import (
    CloseCode,
    Codec,
    Item,
    Logout,
    encode_event,
    encode_refusal,
    encode_reply,
    parse,
    reply_id,
    wants_reply,
)
from beamish.protocol import Refusal as ProtocolRefusal
from beamish.protocol.session import Vouched

logger = logging.getLogger("beamish.messenger")

R = TypeVar("R")

MAX_TRIES = 6
"""How often a question is put to a user or conversation whose actor died meanwhile."""


class Session(Actor):
    """One connection's session; ends when the connection does."""

    # Never reached, or a turn of our own could be lost: all who send here are bounded themselves.
    # Clients by `session_in_hand`, hints by `watcher`, heads to one at a time; the rest are turns
    # and answers that we asked for.
    mailbox_limit = 10_000

    def __init__(
        self,
        link: SessionLink,
        codec: Codec,
        peer: str,
        environment: Environment,
        vouched: Vouched | None = None,
    ) -> None:
        self.link_to_client = link
        self.outbox = link.outbox
        self.codec = codec
        self.peer = peer
        self.environment = environment
        self.vouched = vouched
        self.user = ""
        self.display = ""
        self.device = ""
        self.token = b""
        self.lease: Lease | None = None
        self._user_ref: Ref | None = None
        self._hints = 0
        self.login = Login(self)
        self.feed = Feed(self)
        self.followed = Followed(self)
        self.lanes = Lanes(self)
        self.screen = Screen(self)
        self.backlog = Backlog(self)

    def init(self) -> None:
        """Let the connection find us."""
        self.link_to_client.bind(self.ref)
        self.environment.connections.opened(self.ref, self.link_to_client)

    def format_status(self) -> dict[str, object]:
        """Who is connected, without tokens and passwords."""
        return {"user": self.user, "device": self.device, "peer": self.peer, "hints": self._hints}

    def terminate(self, _reason: ExitReason) -> None:
        """Whatever the reason, the connection must not outlive its session."""
        self.close(CloseCode.INTERNAL, "the session has ended")
        self.link_to_client.gone()
        self.environment.connections.closed(self.ref)

    # -- commands --------------------------------------------------------------------------------

    @on(m.ClientItem)
    async def client_item(self, message: m.ClientItem) -> None:
        """Carry out one item of the client."""
        if self.backlog.admits(message.item):
            await self._carry_out(message.item)

    @on(m.CommandTurn)
    async def command_turn(self, _message: m.CommandTurn) -> None:
        """Carry out an item that had to wait."""
        item = self.backlog.next()
        if item is not None:
            await self._carry_out(item)
        self.backlog.go_on()

    @on(m.AnswersLate)
    def answers_late(self, message: m.AnswersLate) -> None:
        """A logout has waited long enough."""
        self.backlog.late(message)

    async def _carry_out(self, item: Item) -> None:
        if self.outbox.closed:
            self.link_to_client.finished()
            return
        self.environment.faults.passing("session", "before handling")
        try:
            command = parse(item, self.environment.settings.limits)
            await self.login.admit(command)
            admission.check(self.environment, self.user, command)
            if isinstance(command, Logout) and self.backlog.waits_for_answers(item):
                self.link_to_client.begun()
                return
            of_login = self.login.handlers.get(type(command))
            answer = await (of_login(command) if of_login else carry_out(self, command))
            if answer is not None:
                self.reply(command.id, answer)
                self.login.after(command)
        except ProtocolRefusal as refusal:
            self._refuse_item(item, refusal)
        except JournalUnavailable as unavailable:
            self._refuse_item(item, protocol_refusal(refusal_of(unavailable.refused)))
        except PasswordsOverloaded as full:
            text = "too many logins at once: try again, or use a token"
            wait_ms = int(1_000 * full.wait_s)
            self._refuse_item(item, ProtocolRefusal("overloaded", text, retry_after_ms=wait_ms))
        except PasswordsUnwanted:
            logger.debug("a client from %s did not wait for its login", self.peer)
        except CallError as error:
            logger.info("session of %s: %s", self.user or self.peer, error)
            self._refuse_item(item, ProtocolRefusal("internal", "no answer yet: try again"))
        finally:
            self.link_to_client.logging_in = False
            self.link_to_client.finished()
        self.environment.faults.passing("session", "after reply")

    def _refuse_item(self, item: Item, refusal: ProtocolRefusal) -> None:
        if wants_reply(item):
            self.outbox.put(encode_refusal(self.codec, reply_id(item), refusal))
            self.link_to_client.meter.answered(reply_id(item), refusal.code)
        self.login.refused(item, refusal)

    def reply(self, answer_to: int | None, result: Mapping[str, Any] | bytes) -> None:
        """Answer a command; one without an id is not answered."""
        if answer_to is not None:
            self.outbox.put(encode_reply(self.codec, answer_to, result))
            self.link_to_client.meter.answered(answer_to, "ok")

    def refuse(self, answer_to: int | None, refusal: Refusal) -> None:
        """Refuse a command."""
        if answer_to is not None:
            self.outbox.put(encode_refusal(self.codec, answer_to, protocol_refusal(refusal)))
            self.link_to_client.meter.answered(answer_to, refusal.code)

    def event(self, event: str, fields: Mapping[str, object]) -> None:
        """Tell the client something that it did not ask for."""
        self.event_parts(event, {key: self.codec.encode(value) for key, value in fields.items()})

    def event_parts(self, event: str, parts: Mapping[str, bytes]) -> None:
        """The same, with fields that are encoded already."""
        self.outbox.put_update(encode_event(self.codec, event, parts))

    def want_room(self) -> None:
        """Have `drained` called once when the outbox was emptied."""
        if self.outbox.on_room is None:
            ref = self.ref
            self.outbox.on_room = lambda: ref.cast(m.Drained())

    # -- the user and conversations ----------------------------------------------------------------

    async def ask(self, kind: str, key: str, request: Request[R]) -> R:
        """Ask an actor, starting it if need be, again if it dies; raises CallError at last."""
        directory = self.environment.directory
        for attempt in range(MAX_TRIES):
            try:
                ref = directory.find(kind, key) or await directory.activate(kind, key)
                return await ref.call(request, timeout=30.0)
            except CalleeDied as died:
                last = died
                await self.sleep(0.01 * 2**attempt * self.system.random.random())
        raise last

    async def ask_user(self, request: Request[R]) -> R:
        """Ask this session's user."""
        return await self.ask("user", self.user, request)

    def tell_user(self, message: object) -> None:
        """Tell this session's user a level; lost if there is no actor just now."""
        ref = self.environment.directory.find("user", self.user)
        if ref is not None:
            ref.cast(message)

    async def watch(self) -> None:
        """Have the user's actor hint us, and hear of its end."""
        directory = self.environment.directory
        ref = directory.find("user", self.user) or await directory.activate("user", self.user)
        opened = await ref.call(m.OpenDevice(self.ref, self.device, self.token), timeout=30.0)
        if isinstance(opened, Refusal):
            self.close(CloseCode.REVOKED, "the device was logged out")
            raise protocol_refusal(opened)
        self._hints = 0
        await ref.call(m.Watch(self.ref), timeout=30.0)
        if ref != self._user_ref:
            self._user_ref = ref
            self.monitor(ref)

    @on(m.WatchAgain)
    async def watch_again(self, _message: m.WatchAgain) -> None:
        """The user's actor has died: attach to the next one, then look what was missed."""
        if self.outbox.closed:
            return
        try:
            await self.watch()
            if self.feed.acked:
                self.tell_user(m.Acknowledge(self.feed.acked))
            info = await self.feed.describe()
        except (CallError, JournalUnavailable):
            self.send_after(0.2 + self.system.random.random(), m.WatchAgain())
        except ProtocolRefusal:
            return
        else:
            self.feed.head(info.version)

    @on(Down)
    def user_down(self, message: Down) -> None:
        """The user's actor has ended."""
        if message.ref == self._user_ref:
            self._user_ref = None
            self.ref.cast(m.WatchAgain())
        else:
            self.followed.relay_down(message.ref)

    @on(Answer)
    def answered(self, answer: Answer) -> None:
        """A conversation has answered a command."""
        self.lanes.answered(answer)
        self.backlog.answered()

    @on(m.LaneTurn)
    async def lane_turn(self, message: m.LaneTurn) -> None:
        """Send commands again."""
        await self.lanes.turn(message.conversation)
        self.backlog.answered()

    # -- the screen --------------------------------------------------------------------------------

    @on(Seen)
    def seen(self, message: Seen) -> None:
        """Somebody on screen has changed."""
        self.link_to_client.hints -= 1
        self.screen.seen(message)

    @on(Typing)
    def typing(self, message: Typing) -> None:
        """Somebody types in a conversation on screen."""
        self.link_to_client.hints -= 1
        self.screen.typing(message)

    @on(LookAgain)
    async def look_again(self, _message: LookAgain) -> None:
        """What the user may see has changed."""
        with suppress(CallError):
            await self.screen.look_again()

    # -- the inbox ---------------------------------------------------------------------------------

    @on(m.NewInbox)
    def new_inbox(self, hint: m.NewInbox) -> None:
        """The inbox has grown."""
        self._hints += 1
        if self._hints % HINTS_TOLD == 0:
            self._tell_hints()
        self.feed.hinted(hint)

    def _tell_hints(self) -> None:
        if self._user_ref is not None:
            self._user_ref.cast(m.HintsTaken(self.ref, self._hints))

    @on(m.Head)
    def head(self, message: m.Head) -> None:
        """The inbox's version."""
        self.link_to_client.head_told = False
        if self.feed.head(message.version):
            self._tell_hints()

    @on(m.Drained)
    def drained(self, _message: m.Drained) -> None:
        """The connection has room again."""
        self.feed.go_on()
        self.followed.go_on()
        self.backlog.go_on()

    @on(m.PullTurn)
    async def pull_turn(self, _message: m.PullTurn) -> None:
        """Read the inbox on."""
        try:
            await self.feed.pull()
        except JournalUnavailable:
            self.send_after(0.5, m.Drained())

    # -- channels ----------------------------------------------------------------------------------

    @on(c.Posts)
    def posted(self, posts: c.Posts) -> None:
        """A followed channel has grown."""
        self.followed.posted(posts)

    @on(c.Unfollowed)
    def unfollowed(self, message: c.Unfollowed) -> None:
        """A followed channel may not be read any more."""
        self.followed.unfollowed(message)

    @on(c.FollowAgain)
    async def follow_again(self, message: c.FollowAgain) -> None:
        """A relay has died."""
        await self.followed.follow_again(message.channel)

    @on(c.ChannelsTurn)
    async def channels_turn(self, _message: c.ChannelsTurn) -> None:
        """Read a followed channel on."""
        try:
            await self.followed.turn()
        except JournalUnavailable:
            self.send_after(0.5, m.Drained())

    # -- the end -----------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Declare the end of the connection; the session ends when the connection has."""
        self.outbox.close(code, reason)

    @on(m.Replaced)
    def replaced(self, _message: m.Replaced) -> None:
        """A newer connection speaks for our device."""
        self.feed.handed = None
        self.close(CloseCode.REPLACED, "the device has a newer connection")

    @on(m.Revoked)
    def revoked(self, _message: m.Revoked) -> None:
        """Our device was logged out."""
        self.feed.handed = None
        self.close(CloseCode.REVOKED, "the device was logged out")

    @on(m.CloseSession)
    def close_session(self, message: m.CloseSession) -> None:
        """The node wants the connection closed."""
        self.close(message.code, message.reason)

    @on(m.Disconnected)
    def disconnected(self, _message: m.Disconnected) -> None:
        """The connection is gone, and we with it."""
        self.stop()


def protocol_refusal(refusal: Refusal) -> ProtocolRefusal:
    """A messenger's refusal as the protocol says it."""
    details = {} if refusal.expected is None else {"expected": refusal.expected}
    return ProtocolRefusal(
        refusal.code, refusal.message, retry_after_ms=refusal.retry_after_ms, **details
    )
