"""A node in memory that speaks the protocol, for testing clients, with faults on order.

Everything happens within the client's own `send`: a frame is carried out at once and its answers
wait in the transport. What goes wrong is set on the server:

    script      called first with each command; returns items to send in its place, or None
    mangle      called with each `updates` event; returns the events to send in its place
    hold        nothing leaves the server while it is true; `release()` lets it go
    deaf        frames of clients vanish
    unreachable connecting fails
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgpack
import trio
import trio.testing

from beamish.client import TransportClosed

Item = dict[str, Any]
LIMITS = {
    "text_bytes": 16384,
    "unanswered": 64,
    "fetch_items": 7,
    "history_records": 5,
    "snapshot_rows": 2,
}


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state, looking whenever nothing else runs."""
    with trio.fail_after(100):
        while not condition():
            await trio.testing.wait_all_tasks_blocked()
            if not condition():
                await trio.sleep(0.01)  # states have no events


class User:
    def __init__(self, name: str, password: str) -> None:
        self.name = name
        self.password = password
        self.epoch = 1
        self.base = 0
        self.inbox: list[Item] = []

    @property
    def number(self) -> int:
        return self.base + len(self.inbox)

    def items(self, first: int, last: int) -> list[Item]:
        return self.inbox[first - self.base - 1 : last - self.base]


class Conversation:
    def __init__(self, members: list[str], *, title: str | None = None) -> None:
        self.members = dict.fromkeys(members, "member")
        self.title = title
        self.records: list[Item] = []
        self.last: dict[str, int] = {}
        self.results: dict[str, dict[str, Item]] = {}
        self.told: dict[str, int] = {}


class Refusal(Exception):
    def __init__(self, code: str, *, retryable: bool = False, **more: Any) -> None:
        super().__init__(code)
        self.error = {"code": code, "message": f"refused: {code}", "retryable": retryable, **more}


class FakeServer:
    def __init__(self) -> None:
        self.limits = dict(LIMITS)
        self.users: dict[str, User] = {}
        self.devices: dict[str, tuple[str, str]] = {}
        self.conversations: dict[str, Conversation] = {}
        self.connections: list[FakeTransport] = []
        self.log: list[Item] = []
        self.dialled: list[str] = []
        self.script: Callable[[FakeTransport, Item], list[Item] | None] = lambda *_: None
        self.mangle: Callable[[Item], list[Item]] = lambda event: [event]
        self.hold = False
        self.deaf = False
        self.unreachable = False
        self._ids = itertools.count(1)
        self.now = 1_760_000_000_000

    # -- for tests --------------------------------------------------------------------------------

    async def connect(self, url: str, nursery: trio.Nursery) -> FakeTransport:
        await trio.lowlevel.checkpoint()
        self.dialled.append(url)
        if self.unreachable:
            raise TransportClosed(f"{url}: nobody listens")
        transport = FakeTransport(self)
        self.connections.append(transport)
        return transport

    def add_user(self, name: str, password: str = "password") -> User:
        user = self.users[name] = User(name, password)
        return user

    def say(self, conversation: str, by: str, text: str) -> Item:
        """Somebody speaks from elsewhere."""
        return self._append(conversation, {"type": "message", "by": by, "text": text})

    def group(self, *members: str) -> str:
        name = f"g:{next(self._ids)}"
        self.conversations[name] = Conversation(list(members), title="group")
        self._append(name, {"type": "create", "by": members[0], "members": list(members[1:])})
        return name

    def cut(self, code: int | None = None) -> None:
        """End all connections; what had not been received is lost."""
        for connection in self.connections:
            connection.end(code)

    def release(self) -> None:
        self.hold = False
        for connection in self.connections:
            connection.flush()

    def texts(self, conversation: str) -> list[str]:
        found = self.conversations.get(conversation)
        return [r["text"] for r in found.records if "text" in r] if found else []

    def has(self, conversation: str, text: str) -> bool:
        return text in self.texts(conversation)

    def truncate(self, name: str, keep: int) -> None:
        """Forget all but the newest `keep` inbox items."""
        user = self.users[name]
        drop = max(0, len(user.inbox) - keep)
        user.base += drop
        del user.inbox[:drop]

    def restore(self, name: str) -> None:
        """As after restoring a backup: another epoch, a new inbox with what is visible."""
        user = self.users[name]
        user.epoch += 1
        user.base, user.inbox = 0, []
        for connection in self.connections:
            if connection.user == name:
                connection.attached_at = None
                connection.push(
                    {"event": "detached", "status": "other_epoch", "epoch": user.epoch, "number": 0}
                )
        for key, conversation in self.conversations.items():
            if name in conversation.members:
                self._tell(name, key, conversation.records)

    def tell(self, name: str, item: Item) -> None:
        """Put an item of another type into an inbox."""
        user = self.users[name]
        user.inbox.append({"n": user.number + 1, **item})
        self._pump(name)

    def commands(self, name: str) -> list[Item]:
        return [item for item in self.log if item.get("command") == name]

    # -- the node ---------------------------------------------------------------------------------

    def _append(self, key: str, fields: Item) -> Item:
        conversation = self.conversations[key]
        self.now += 1
        record = {"n": len(conversation.records) + 1, "at": self.now, **fields}
        if record["type"] == "message":
            record["ordinal"] = 1 + sum(r["type"] == "message" for r in conversation.records)
        conversation.records.append(record)
        for member in list(conversation.members):
            self._tell(member, key, [record])
        return record

    def _tell(self, name: str, key: str, records: list[Item]) -> None:
        user = self.users.get(name)
        if user is None:
            return
        self.conversations[key].told[name] = records[-1]["n"]
        item = {
            "n": user.number + 1,
            "type": "records",
            "conversation": key,
            "records": list(records),
        }
        user.inbox.append(item)
        self._pump(name)

    def _pump(self, name: str) -> None:
        user = self.users[name]
        for connection in self.connections:
            if connection.user != name or connection.attached_at is None:
                continue
            if connection.attached_at < user.number:
                first, last = connection.attached_at + 1, user.number
                connection.attached_at = last
                for event in self.mangle(self._updates(user, first, last)):
                    connection.push(event)

    def _updates(self, user: User, first: int, last: int) -> Item:
        return {
            "event": "updates",
            "epoch": user.epoch,
            "from": first,
            "to": last,
            "items": user.items(first, last),
        }

    def frame(self, connection: FakeTransport, items: list[Item]) -> None:
        if self.deaf:
            return
        for item in items:
            self.log.append(item)
            scripted = self.script(connection, item)
            if scripted is not None:
                for answer in scripted:
                    connection.push(answer)
                continue
            try:
                ok = self._carry_out(connection, item)
            except Refusal as refusal:
                answer = {"id": item.get("id"), "error": refusal.error}
            else:
                answer = {"id": item.get("id"), "ok": ok}
            if "id" in item:
                connection.push(answer)
            if item["command"] == "attach" and connection.user is not None:
                self._pump(connection.user)
            if item["command"] == "logout":
                connection.end(1000)

    def _carry_out(self, connection: FakeTransport, item: Item) -> Item:
        command = item["command"]
        if command == "hello":
            return {"version": 1, "server": "fake", "time": self.now, "limits": self.limits}
        if connection.user is None and command not in ("register", "login", "resume", "ping"):
            raise Refusal("unauthenticated")
        carry_out = getattr(self, f"_{command}", None)
        if carry_out is not None:
            return carry_out(connection, item)
        if "number" in item:
            return self._numbered(connection, item)
        raise Refusal("unknown_command")

    def _carry_out_quietly(self, connection: FakeTransport, item: Item) -> None:
        """Carry out a command whose answer will be another."""
        with contextlib.suppress(Refusal):
            self._carry_out(connection, item)

    def _register(self, connection: FakeTransport, item: Item) -> Item:
        if item["user"] in self.users:
            raise Refusal("exists")
        self.add_user(item["user"], item["password"])
        return self._new_device(connection, item["user"])

    def _login(self, connection: FakeTransport, item: Item) -> Item:
        user = self.users.get(item["user"])
        if user is None or user.password != item["password"]:
            raise Refusal("bad_credentials")
        return self._new_device(connection, user.name)

    def _new_device(self, connection: FakeTransport, name: str) -> Item:
        device, token = f"device{next(self._ids)}", f"token{next(self._ids)}"
        self.devices[token] = name, device
        connection.user, connection.device = name, device
        return {"user": name, "display": name, "device": device, "token": token}

    def _resume(self, connection: FakeTransport, item: Item) -> Item:
        if item["token"] not in self.devices:
            raise Refusal("bad_credentials")
        connection.user, connection.device = self.devices[item["token"]]
        for other in list(self.connections):
            if other is not connection and other.device == connection.device:
                other.end(4409)
        return {
            "user": connection.user,
            "display": connection.user,
            "device": connection.device,
        }

    def _logout(self, connection: FakeTransport, item: Item) -> Item:
        self.devices = {t: d for t, d in self.devices.items() if d[1] != connection.device}
        return {}

    def _ping(self, connection: FakeTransport, item: Item) -> Item:
        return {"time": self.now}

    def _user(self, connection: FakeTransport, item: Item) -> Item:
        if item["user"] not in self.users:
            raise Refusal("not_found")
        return {"user": item["user"], "display": item["user"]}

    def _status(self, user: User, epoch: int | None, number: int) -> str:
        if epoch is not None and epoch != user.epoch:
            return "other_epoch"
        if number > user.number:
            return "ahead"
        return "too_old" if number < user.base else "resumed"

    def _attach(self, connection: FakeTransport, item: Item) -> Item:
        user = self.users[connection.user]
        status = self._status(user, item.get("epoch"), item["number"])
        connection.attached_at = item["number"] if status == "resumed" else None
        return {"status": status, "epoch": user.epoch, "number": user.number}

    def _fetch(self, connection: FakeTransport, item: Item) -> Item:
        user = self.users[connection.user]
        first = item["from"]
        status = self._status(user, item["epoch"], first - 1)
        head = {"status": status, "epoch": user.epoch, "number": user.number, "from": first}
        if status != "resumed":
            return {**head, "to": first - 1, "items": []}
        to = min(user.number, first + min(item["limit"], self.limits["fetch_items"]) - 1)
        return {**head, "to": to, "items": user.items(first, to)}

    def _ack(self, connection: FakeTransport, item: Item) -> Item:
        connection.acked = item["number"]
        return {}

    def _snapshot(self, connection: FakeTransport, item: Item) -> Item:
        user = self.users[connection.user]
        names = sorted(c for c, found in self.conversations.items() if user.name in found.told)
        names = [name for name in names if name > item.get("after", "")]
        page, rest = names[: self.limits["snapshot_rows"]], names[self.limits["snapshot_rows"] :]
        rows = [
            {"conversation": name, "last": self.conversations[name].told[user.name]}
            for name in page
        ]
        more = {"next": page[-1]} if rest else {}
        return {"epoch": user.epoch, "number": user.number, "conversations": rows, **more}

    def _history(self, connection: FakeTransport, item: Item) -> Item:
        found = self._known(item["conversation"])
        if connection.user not in found.told:
            raise Refusal("not_member")
        limit = min(item["limit"], self.limits["history_records"])
        if "after" in item:
            beyond = [r for r in found.records if r["n"] > item["after"]]
            return {"records": beyond[:limit], "more": len(beyond) > limit}
        below = [r for r in found.records if r["n"] < item.get("before", 1 << 50)]
        return {"records": below[-limit:], "more": len(below) > limit}

    def _conversation(self, connection: FakeTransport, item: Item) -> Item:
        found = self._known(item["conversation"])
        members = [{"user": user, "role": role} for user, role in sorted(found.members.items())]
        return {"conversation": item["conversation"], "title": found.title, "members": members}

    def _marks(self, connection: FakeTransport, item: Item) -> Item:
        return {"members": [{"user": "bob", "delivered": item["n"], "read": 0}]}

    def _read(self, connection: FakeTransport, item: Item) -> Item:
        return {"read": item["upto"], "unread": 0}

    def _known(self, name: str) -> Conversation:
        if name not in self.conversations:
            raise Refusal("not_found")
        return self.conversations[name]

    def _numbered(self, connection: FakeTransport, item: Item) -> Item:
        key, device = self._target(connection, item)
        found = self.conversations.get(key)
        results = {} if found is None else found.results.setdefault(device, {})
        last = 0 if found is None else found.last.get(device, 0)
        if item["tag"] in results:
            return results[item["tag"]]
        if item["number"] <= last:
            raise Refusal("number_used")
        if item["number"] > last + 1:
            raise Refusal("expected", retryable=True, expected=last + 1)
        result = self._execute(connection, key, item)
        found = self.conversations[key]
        results = found.results.setdefault(device, {})
        found.last[device] = item["number"]
        results[item["tag"]] = result
        while len(results) > 64:
            del results[next(iter(results))]
        return result

    def _target(self, connection: FakeTransport, item: Item) -> tuple[str, str]:
        assert connection.device is not None
        if item["command"] == "create_group":
            return f"g:{connection.device}-{item['tag']}", connection.device
        return item["conversation"], connection.device

    def _execute(self, connection: FakeTransport, key: str, item: Item) -> Item:
        by, command = connection.user, item["command"]
        assert by is not None
        if command == "create_group":
            self.conversations[key] = Conversation([by, *item["members"]], title=item["title"])
            fields: Item = {"type": "create", "members": item["members"]}
        elif key.startswith("d:") and key not in self.conversations:
            pair = key.split(":")[1:]
            if not all(user in self.users for user in pair):
                raise Refusal("not_found")
            self.conversations[key] = Conversation(pair)
        members = self._known(key).members
        if command == "join":
            members[by] = "member"
        elif by not in members:
            raise Refusal("not_member")
        if command == "invite":
            members[item["user"]] = "member"
        if command == "send":
            fields = {"type": "message", "text": item["text"], "device": connection.device}
        elif command != "create_group":
            fields = {"type": command, **{k: item[k] for k in ("user", "role") if k in item}}
        record = self._append(key, {"by": by, "number": item["number"], **fields})
        if command in ("leave", "remove"):
            members.pop(item.get("user", by))
        told = {"conversation": key, "n": record["n"], "at": record["at"]}
        return {**told, "ordinal": record["ordinal"]} if command == "send" else told


class FakeTransport:
    """One connection to a fake server; it finds out by itself which encoding the client speaks."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.user: str | None = None
        self.device: str | None = None
        self.attached_at: int | None = None
        self.acked: int | None = None
        self.closed_politely = False
        self._held: list[Item] = []
        self._json = False
        self._ended: TransportClosed | None = None
        self._out, self._in = trio.open_memory_channel[bytes](1 << 20)

    @property
    def alive(self) -> bool:
        return self._ended is None

    def push(self, item: Item) -> None:
        self._held.append(item)
        if not self.server.hold:
            self.flush()

    def flush(self) -> None:
        held, self._held = self._held, []
        if held and self._ended is None:
            frame = json.dumps(held).encode() if self._json else msgpack.packb(held)
            self._out.send_nowait(frame)

    def raw(self, frame: bytes) -> None:
        self._out.send_nowait(frame)

    def end(self, code: int | None = None) -> None:
        """End the connection; a close code comes behind what was sent, a cut loses it."""
        if self._ended is None:
            self._ended = TransportClosed("the fake server ended the connection", code)
            if code is None:
                self._in.close()
            self._out.close()
            if self in self.server.connections:
                self.server.connections.remove(self)

    async def send(self, frame: bytes) -> None:
        if self._ended is not None:
            raise self._ended
        await trio.lowlevel.checkpoint()
        if self._ended is not None:
            raise self._ended
        self._json = frame[:1] == b"["
        self.server.frame(self, json.loads(frame) if self._json else msgpack.unpackb(frame))

    async def receive(self) -> bytes:
        try:
            return await self._in.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            assert self._ended is not None
            raise self._ended from None

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed_politely = self._ended is None
        self.end(1000)

    def cut(self) -> None:
        self.end()
