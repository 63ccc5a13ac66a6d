"""A fake server for what is beyond plain messages: touches, the account's lane, channels, hints."""

from __future__ import annotations

from tests.beamish.client.fake_server import Conversation, FakeServer, FakeTransport, Item, Refusal

TOUCHES = ("edit", "delete", "react")


class WideServer(FakeServer):
    def __init__(self) -> None:
        super().__init__()
        self.epochs: dict[str, int] = {}
        self.account: Item = {"display": "Alice", "status": ""}
        self.followers: dict[FakeTransport, dict[str, int]] = {}
        self.looks: list[Item] = []
        self.passwords: list[tuple[str, str]] = []

    def group(self, *members: str) -> str:
        name = f"g:{next(self._ids)}"
        self.conversations[name] = Conversation(list(members), title="group")
        rows = [[member, member.title(), "member"] for member in members]
        about = {"kind": "group", "title": "group", "members": rows}
        self._append(name, {"type": "create", "by": members[0], **about})
        return name

    # -- touches ----------------------------------------------------------------------------------

    def touch(self, conversation: str, by: str, kind: str, target: int, **fields: object) -> Item:
        """Somebody changes a message from elsewhere."""
        return self._append(conversation, {"type": kind, "by": by, "target": target, **fields})

    def _append(self, key: str, fields: Item) -> Item:
        if fields["type"] in TOUCHES:
            record = self.conversations[key].records[fields["target"] - 1]
            self._amend(record, fields, len(self.conversations[key].records) + 1)
            fields = {k: v for k, v in fields.items() if k not in ("text", "emoji")}
        appended = super()._append(key, fields)
        self._post(key)
        return appended

    def _amend(self, record: Item, touch: Item, n: int) -> None:
        record["rev"] = n
        if touch["type"] == "delete":
            record.pop("text", None)
            record.pop("reactions", None)
            record |= {"deleted": n, "deleted_by": touch["by"]}
        elif touch["type"] == "edit":
            record |= {"text": touch["text"], "edited": n}
        else:
            others = [row for row in record.get("reactions", []) if row[0] != touch["by"]]
            record["reactions"] = [*others, [touch["by"], touch["emoji"], n]]

    def amended(self, key: str, records: list[Item]) -> Item:
        """The field `amended` for records, if there is anything to tell."""
        shown = {record["n"] for record in records}
        targets = {r["target"] for r in records if r["type"] in TOUCHES} - shown
        found = [dict(self.conversations[key].records[n - 1]) for n in sorted(targets)]
        return {"amended": found} if found else {}

    def _updates(self, user, first: int, last: int) -> Item:
        event = super()._updates(user, first, last)
        return {**event, "items": list(map(self._whole, event["items"]))}

    def _fetch(self, connection, item: Item) -> Item:
        answer = super()._fetch(connection, item)
        return {**answer, "items": list(map(self._whole, answer["items"]))}

    def _whole(self, item: Item) -> Item:
        if item["type"] != "records":
            return item
        return {**item, **self.amended(item["conversation"], item["records"])}

    def _history(self, connection, item: Item) -> Item:
        answer = super()._history(connection, item)
        return {**answer, **self.amended(item["conversation"], answer["records"])}

    # -- commands ---------------------------------------------------------------------------------

    def _target(self, connection, item: Item) -> tuple[str, str]:
        if item["command"] == "create_channel":
            return f"c:{connection.device}-{item['tag']}", connection.device
        return super()._target(connection, item)

    def _execute(self, connection, key: str, item: Item) -> Item:
        command, by = item["command"], connection.user
        if command in TOUCHES:
            self._known(key)
            fields = {k: item[k] for k in ("text", "emoji") if k in item}
            record = self.touch(key, by, command, item["target"], **fields)
        elif command == "create_channel":
            self.conversations[key] = Conversation([by], title=item["title"])
            record = self._append(key, {"type": "create", "by": by, "kind": "channel"})
        elif key == "@":
            self.conversations.setdefault("@", Conversation([]))
            sent = {k: v for k, v in item.items() if k not in ("id", "command", "conversation")}
            self.tell(by, {"type": f"told {command}", **sent})
            return {"conversation": "@", "n": self.users[by].number, "at": self.now}
        else:
            return super()._execute(connection, key, item)
        return {"conversation": key, "n": record["n"], "at": record["at"]}

    def _snapshot(self, connection, item: Item) -> Item:
        return {**super()._snapshot(connection, item), "account": self.account}

    def _conversation(self, connection, item: Item) -> Item:
        answer = super()._conversation(connection, item)
        members = [{**row, "display": row["user"].title()} for row in answer["members"]]
        return {**answer, "members": members, "count": len(members)}

    # -- channels ---------------------------------------------------------------------------------

    def channel(self, *staff: str) -> str:
        key = f"c:{next(self._ids)}"
        self.conversations[key] = Conversation(list(staff), title="News")
        self.epochs[key] = 1
        self._append(key, {"type": "create", "by": "editor", "kind": "channel"})
        return key

    def _follow(self, connection, item: Item) -> Item:
        told, cursors = [], {}
        for wanted in item["channels"]:
            channel = wanted["channel"]
            if channel not in self.conversations:
                told.append({"channel": channel, "error": "not_found"})
                continue
            records = self.conversations[channel].records
            cursors[channel] = wanted["after"]
            ordinal = sum(record["type"] == "message" for record in records)
            about = {"n": len(records), "ordinal": ordinal, "title": "News"}
            told.append({"channel": channel, "epoch": self.epochs[channel], **about})
        self.followers[connection] = cursors
        return {"channels": told}

    def frame(self, connection, items: list[Item]) -> None:
        super().frame(connection, items)
        for item in items:
            for wanted in item.get("channels", ()) if item["command"] == "follow" else ():
                self._post(wanted["channel"])

    def _post(self, channel: str) -> None:
        for connection, cursors in self.followers.items():
            if connection.alive and channel in cursors and channel in self.conversations:
                for event in self.posts(channel, cursors[channel]):
                    for told in self.mangle(event):
                        connection.push(told)
                cursors[channel] = len(self.conversations[channel].records)

    def posts(self, channel: str, after: int) -> list[Item]:
        records = self.conversations[channel].records
        fresh = [dict(r) for r in records[after:] if r["type"] != "join"]
        if after >= len(records):
            return []
        return [
            {
                "event": "posts",
                "channel": channel,
                "epoch": self.epochs[channel],
                "from": after + 1,
                "to": len(records),
                "ordinal": sum(record["type"] == "message" for record in records),
                "records": fresh,
                **self.amended(channel, fresh),
            }
        ]

    # -- by the way -------------------------------------------------------------------------------

    def _look(self, connection, item: Item) -> Item:
        self.looks.append({k: item[k] for k in ("users", "conversations")})
        return {"presence": [self.presence(user) for user in item["users"]]}

    def presence(self, user: str, *, online: bool = True) -> Item:
        return {"user": user, "online": online, "display": user.title(), "status": "at sea"}

    def _typing(self, connection, item: Item) -> Item:
        return {}

    def _devices(self, connection, item: Item) -> Item:
        rows = [device for user, device in self.devices.values() if user == connection.user]
        return {
            "devices": [
                {
                    "device": device,
                    "name": "",
                    "at": 1,
                    "seen": 2,
                    "connected": True,
                    "current": device == connection.device,
                    "later": "ignored",
                }
                for device in rows
            ]
        }

    def _name_device(self, connection, item: Item) -> Item:
        return {}

    def _revoke_device(self, connection, item: Item) -> Item:
        self.devices = {t: d for t, d in self.devices.items() if d[1] != item["device"]}
        return {}

    def _logout_everywhere(self, connection, item: Item) -> Item:
        return {}

    def _set_password(self, connection, item: Item) -> Item:
        user = self.users[connection.user]
        if item["old"] != user.password:
            raise Refusal("bad_credentials")
        user.password = item["new"]
        return {}

    def _delete_account(self, connection, item: Item) -> Item:
        return {}
