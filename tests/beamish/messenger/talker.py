"""A scripted client inside the process: joins a node above the WebSocket, keeps the client's rules.

It numbers and resends numbered commands until they are answered, applies updates by the cursor
rules, and reconnects when its session ends. What it was handed is in `records`.
"""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress

import trio

from beamish.protocol import JsonCodec
from beamish.protocol.session import SessionClosed

CODEC = JsonCodec()


class Talker:
    """One device of one user."""

    def __init__(self, node, nursery, user, *, token=None):
        self.node = node
        self.user = user
        self.token = token
        self.device = None
        self.epoch = None
        self.cursor = 0
        self.records = {}
        self.items = []
        self.doubled = []
        self.marks = {}
        self.receipts = {}
        self.presence = {}
        self.told_presence = []
        self.typing = []
        self.codes = deque(maxlen=50)
        self.closes = []
        self.too_old = 0
        self._numbers = {}
        self._serial = 0
        self._waiting = {}
        self._queues = {}
        self._changed = trio.Event()
        self.ready = False
        self._link = None
        self.online = True
        self.once = False
        """Whether to stay away after this connection."""
        self._nursery = nursery
        nursery.start_soon(self._live)

    # -- the connection --------------------------------------------------------------------------

    async def _live(self):
        while True:
            while not self.online:
                await self._wait()
            link = self._link = await self.node.open_session(CODEC, "127.0.0.1")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._take, link, nursery.cancel_scope)
                nursery.start_soon(self._talk, link, nursery.cancel_scope)
            with trio.CancelScope(shield=True):
                await link.disconnected()
            self._link = None
            self._waiting.clear()
            self.ready = False
            self._wake()
            if self.once:
                return
            await trio.sleep(0.05)

    async def _take(self, link, scope):
        try:
            while True:
                for raw in await link.take():
                    self._item(json.loads(raw))
                self._wake()
        except SessionClosed as closed:
            self.closes.append(closed.code)
            scope.cancel()

    async def _talk(self, link, scope):
        try:
            await self._log_in()
            self.ready = True
            self._wake()
            while self.online:
                await self._flush()
                await self._wait()
        except (SessionClosed, Lost):
            pass
        except Refused as refused:
            self.once = not refused.error["retryable"]
        scope.cancel()

    async def _log_in(self):
        await self.ask("hello", versions=[1])
        if self.token is None:
            ok = await self._register()
            self.token = ok["token"]
        else:
            ok = await self.ask("resume", token=self.token)
        self.device = ok["device"]
        cursor = {"number": self.cursor}
        if self.epoch is not None:
            cursor["epoch"] = self.epoch
        ok = await self.ask("attach", **cursor)
        if ok["status"] != "resumed":
            self.too_old += 1
            page = await self.ask("snapshot")
            self.epoch, self.cursor = page["epoch"], page["number"]
            await self.ask("attach", epoch=self.epoch, number=self.cursor)

    async def _register(self):
        account = {"user": self.user, "password": "password1"}
        try:
            return await self.ask("register", **account)
        except Refused as refused:
            if refused.code != "exists":
                raise
            # The answer to an earlier register was lost.
            return await self.ask("login", **account)

    async def cut(self):
        """Lose the connection without a word."""
        link = self._link
        if link is not None:
            link.outbox.close(1006, "cut")
            self._wake()

    async def go_offline(self):
        self.online = False
        await self.cut()

    def go_online(self):
        self.online = True
        self._wake()

    # -- what comes --------------------------------------------------------------------------------

    def _item(self, item):
        if item.get("event") == "updates":
            self._updates(item)
        elif item.get("event") == "presence":
            self.presence.update({row["user"]: row for row in item["users"]})
            self.told_presence += item["users"]
        elif item.get("event") == "typing":
            self.typing.append((item["conversation"], item["user"]))
        elif "id" in item:
            future = self._waiting.pop(item["id"], None)
            if future is not None:
                future(item)

    def _updates(self, event):
        if self.epoch is None:
            self.epoch = event["epoch"]
        if event["epoch"] != self.epoch or event["to"] <= self.cursor:
            return
        assert event["from"] <= self.cursor + 1, "a gap within one attachment"
        for item in event["items"]:
            if item["n"] > self.cursor:
                self._apply(item)
        self.cursor = event["to"]
        self._nursery.start_soon(self._ack, self.cursor)

    async def _ack(self, number):
        link = self._link
        if link is not None:
            with suppress(SessionClosed):
                await link.receive({"command": "ack", "number": number})

    def _apply(self, item):
        self.items.append(item)
        conversation = item.get("conversation")
        if item["type"] == "records":
            log = self.records.setdefault(conversation, {})
            for record in item["records"]:
                if record["n"] in log and "rev" not in log[record["n"]]:
                    self.doubled.append((conversation, record["n"]))
                self._keep(log, record)
            for record in item.get("amended", ()):
                self._keep(log, record)
        elif item["type"] == "marks":
            self.marks[conversation] = item
        elif item["type"] == "receipt":
            self.receipts.setdefault(conversation, {})[item["user"]] = item

    @staticmethod
    def _keep(log, record):
        """The rule of clients: what is new, or has a higher `rev`."""
        known = log.get(record["n"])
        if known is None or record.get("rev", 0) > known.get("rev", 0):
            log[record["n"]] = record

    # -- what goes ---------------------------------------------------------------------------------

    async def ask(self, command, **fields):
        """One command on this connection; its `ok`. Raises Refused, or Lost with the connection."""
        link = self._link
        if link is None:
            raise Lost
        self._serial += 1
        box = []
        self._waiting[self._serial] = box.append
        try:
            await link.receive({"id": self._serial, "command": command, **fields})
        except SessionClosed:
            raise Lost from None
        while not box:
            if self._link is not link:
                raise Lost
            await self._wait()
        (item,) = box
        if "error" in item:
            self.codes.append(item["error"]["code"])
            raise Refused(item["error"])
        return item["ok"]

    async def question(self, command, **fields):
        """The same, repeated over lost connections and retryable refusals."""
        while True:
            await self.until(lambda: self.ready, within=300)
            try:
                return await self.ask(command, **fields)
            except Lost:
                await trio.sleep(0.05)
            except Refused as refused:
                if not refused.error["retryable"]:
                    raise
                await trio.sleep(refused.error.get("retry_after_ms", 100) / 1000)

    async def command(self, command, conversation=None, **fields):
        """A numbered command, resent until it is answered; its `ok`. Raises Refused for good."""
        key = conversation or f"new:{fields['tag']}"
        tag = fields.pop("tag", None) or f"{self.user}-{len(self._queues)}-{self._serial}"
        self._serial += 1
        fields = {**fields, "command": command, "tag": f"{tag}-{self._serial}"[:32]}
        if conversation is not None:
            fields["conversation"] = conversation
        queue = self._queues.setdefault(key, deque())
        entry = {"fields": fields, "answer": None, "sent_on": None}
        queue.append(entry)
        self._wake()
        while entry["answer"] is None:
            await self._wait()
        if "error" in entry["answer"]:
            raise Refused(entry["answer"]["error"])
        return entry["answer"]["ok"]

    async def send(self, conversation, text):
        return await self.command("send", conversation, text=text)

    async def create_group(self, title, members=(), *, is_open=False):
        tag = f"grp{self.user}{title}"
        ok = await self.command(
            "create_group", None, tag=tag, title=title, members=list(members), open=is_open
        )
        self._numbers[ok["conversation"]] = 1
        return ok["conversation"]

    async def _flush(self):
        """One outstanding command per conversation: simple, and enough for these tests."""
        for key, queue in self._queues.items():
            while queue and queue[0]["answer"] is not None:
                queue.popleft()
            if not queue or queue[0]["sent_on"] is self._link:
                continue
            entry = queue[0]
            entry["sent_on"] = self._link
            self._nursery.start_soon(self._deliver, key, entry)

    async def _deliver(self, key, entry):
        number = self._numbers.get(key, 0) + 1
        fields = entry["fields"]
        try:
            ok = await self.ask(
                fields["command"],
                number=number,
                **{k: v for k, v in fields.items() if k != "command"},
            )
            self._numbers[key] = number
            entry["answer"] = {"ok": ok}
        except (Lost, SessionClosed):
            pass
        except Refused as refused:
            if refused.error["retryable"]:
                await trio.sleep(0.05)
                entry["sent_on"] = None
            else:
                entry["answer"] = {"error": refused.error}
        self._wake()

    # -- waiting -----------------------------------------------------------------------------------

    def _wake(self):
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _wait(self):
        await self._changed.wait()

    async def until(self, condition, within=60):
        """Wait until `condition()`; a failure tells what was seen instead."""
        with trio.move_on_after(within) as scope:
            while not condition():
                with trio.move_on_after(0.2):
                    await self._wait()
        if scope.cancelled_caught:
            raise AssertionError(
                f"{self.user}: not within {within} s; cursor {self.cursor},"
                f" records { {c: sorted(log) for c, log in self.records.items()} },"
                f" receipts {self.receipts}, refusals {list(self.codes)}, closes {self.closes}"
            )

    def receipt(self, conversation, user):
        """(delivered, read) of `user`, or of all others for None, as told."""
        item = self.receipts.get(conversation, {}).get(user, {"delivered": 0, "read": 0})
        return item["delivered"], item["read"]

    def texts(self, conversation):
        log = self.records.get(conversation, {})
        return [log[n]["text"] for n in sorted(log) if "text" in log[n]]


class Lost(Exception):
    """The connection ended before the answer."""


class Refused(Exception):
    """The command was refused."""

    def __init__(self, error):
        super().__init__(error["code"], error["message"])
        self.error = error
        self.code = error["code"]
