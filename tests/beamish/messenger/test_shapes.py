"""Every record, item, event, row and reply has exactly the fields that `docs/protocol.md` lists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import trio

from beamish.messenger.conversations.charter import link_id
from beamish.protocol import JSON, Limits
from tests.beamish.messenger.talker import Refused, Talker

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
DIRECT = "d:alice:bob"
CAUSED = {"device", "number", "tag"}


# -- the page ------------------------------------------------------------------------------------


def table(header):
    """The rows below a table's header, as lists of cells."""
    lines = PAGE[PAGE.index(f"\n{header}\n") + 1 :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def names(cell):
    """(fields that are always there, fields that may be) of what a cell names in backquotes."""
    found = re.findall(r"`(\w+\??)`", cell)
    return {f for f in found if f[-1] != "?"}, {f[:-1] for f in found if f[-1] == "?"}


def braced(text):
    """The same for `{one, two?}`."""
    inner = re.search(r"`\{([^`]*)\}`", text)
    found = re.findall(r"(\w+\??)(?::[^,{\[]*)?", inner[1]) if inner else []
    return {f for f in found if f[-1] != "?"}, {f[:-1] for f in found if f[-1] == "?"}


def check(shown, documented, where):
    always, perhaps = documented
    assert always <= set(shown) <= always | perhaps, (where, sorted(shown), documented)


COMMON = {"n", "type", "by", "at"}
RECORDS = {
    row[0].strip("`"): names(row[1]) for row in table("| `type` | further fields | meaning |")
}
ITEMS = {row[0].strip("`"): names(row[1]) for row in table("| `type` | fields | |")}


def touched_fields():
    """What a touched message has besides, of which what a deleted one has."""
    rows = PAGE[PAGE.index("**Touches.**") :].partition("| field | type | |")[2].splitlines()[2:6]
    perhaps = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    return {"rev"}, perhaps - {"rev"}


def snapshot_row():
    part = PAGE[PAGE.index("### snapshot") :]
    rows = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    rows = rows[: next(i for i, row in enumerate(rows) if "`receipts`" in row[0]) + 1]
    always, perhaps = set(), set()
    for name, kind, *_ in rows:
        (perhaps if "optional" in kind else always).update(re.findall(r"`(\w+)`", name))
    return always, perhaps


def ok_of(command):
    """The `ok` of a command from the tables of sections 6, 9 and 10."""
    (line,) = [
        line
        for line in PAGE.splitlines()
        if line.startswith(f"| `{command}` |") and re.search(r"\| `\{", line)
    ]
    return braced(line[line.index("| `{") :])


def test_the_page_is_read_as_meant():
    membership = {"create", "invite", "join", "leave", "remove", "role", "ban", "unban"}
    agreements = {"info", "permissions", "slow_mode", "link", "link_gone"}
    touches = {"edit", "react", "delete"}
    assert set(RECORDS) == {"message", "block"} | membership | agreements | touches
    assert touched_fields() == ({"rev"}, {"edited", "mentioned", "reactions"})
    assert RECORDS["create"] == ({"kind", "title", "open", "members"}, {"description"})
    assert RECORDS["leave"] == (set(), {"owner"})
    assert set(ITEMS) == {"records", "marks", "receipt"} | {
        "block",
        "profile",
        "privacy",
        "settings",
        "subscription",
    }
    assert ok_of("send") == ({"conversation", "n", "ordinal", "at"}, set())
    assert ok_of("marks") == ({"members", "user", "delivered", "read"}, set())
    assert snapshot_row()[1] == {"role", "ordinal", "at"}


# -- the node ------------------------------------------------------------------------------------


class Noting(Talker):
    """A talker that keeps everything it is told as it came."""

    def __init__(self, *args, **kwargs):
        self.events = []
        super().__init__(*args, **kwargs)

    def _item(self, item):
        if "event" in item:
            self.events.append(item)
        super()._item(item)

    async def number(self, command, conversation, number, **fields):
        return await self.ask(
            command,
            conversation=conversation,
            number=number,
            tag=f"{command}{number:08d}",
            **fields,
        )


async def noting(world, user):
    talker = Noting(world.node, world.nursery, user)
    await talker.until(lambda: talker.ready)
    return talker


def check_record(record):
    kind = record["type"]
    always, perhaps = RECORDS[kind]
    if "deleted" in record:
        always, perhaps = {"ordinal", "rev", "deleted", "deleted_by"}, set()
    elif "withheld" in record:
        always, perhaps = (always | {"withheld"}) - {"text"}, perhaps | {"mentioned", "reactions"}
    elif "rev" in record:
        more, touched = touched_fields()
        always, perhaps = always | more, perhaps | touched
    by_itself = kind == "block" or (kind == "create" and record["kind"] == "direct")
    caused = set() if by_itself else CAUSED
    check(record, (always | COMMON | caused, perhaps), f"record {kind}")


def check_item(item):
    always, perhaps = ITEMS[item["type"]]
    check(item, (always | {"type"}, perhaps), f"item {item['type']}")
    for record in (*item.get("records", ()), *item.get("amended", ())):
        check_record(record)


def check_updates(event):
    if event["event"] == "posts":
        always = {"event", "channel", "epoch", "from", "to", "records"}
        check(event, (always, {"ordinal"}), "event posts")
        for record in event["records"]:
            check_record(record)
        return
    check(event, ({"event", "epoch", "from", "to", "items"}, set()), "event updates")
    for item in event["items"]:
        check_item(item)


async def everything(alice, bob):
    """All that can happen to a group; its id, and the replies by command."""
    ok = {}
    ok["create_group"] = await alice.ask(
        "create_group", number=1, tag="group0000000", title="G", open=True, members=["bob"]
    )
    group = ok["create_group"]["conversation"]
    ok["send"] = await alice.number("send", group, 2, text="hello")
    await bob.until(lambda: bob.texts(group) == ["hello"])
    ok["read"] = await bob.ask("read", conversation=group, upto=2)
    ok["leave"] = await bob.number("leave", group, 1)
    ok["invite"] = await alice.number("invite", group, 3, user="bob")
    ok["set_role"] = await alice.number("set_role", group, 4, user="bob", role="admin")
    await alice.number("leave", group, 5)  # hands the group on
    ok["join"] = await alice.number("join", group, 6)
    ok["remove"] = await bob.number("remove", group, 2, user="alice")
    await bob.number("leave", group, 3)
    await bob.number("join", group, 4)  # the first to join owns it
    await agreements(bob, group, ok)
    return group, ok


async def agreements(owner, group, ok):
    """All that a group's owner can settle; the replies go to `ok`."""
    secret = "s" * 22
    steps = [
        ("set_info", {"title": "New", "description": "What for", "open": True}),
        ("set_permissions", {"post": "member"}),
        ("set_slow_mode", {"seconds": 1}),
        ("create_link", {"link": secret, "expires_at": 2**50, "uses": 2}),
        ("revoke_link", {"link": link_id(secret)}),
        ("create_link", {"link": "t" * 22}),
        ("ban", {"user": "alice"}),
        ("unban", {"user": "alice"}),
    ]
    for number, (command, fields) in enumerate(steps, 5):
        ok[command] = await owner.number(command, group, number, **fields)


async def own_things(talker, conversation, ok):
    """All that a user's devices agree on; the replies go to `ok`."""
    steps = [
        ("set_profile", {"status": "at sea"}),
        ("set_privacy", {"last_seen": "shared"}),
        ("set_conversation", {"target": conversation, "pinned": True}),
    ]
    for number, (command, fields) in enumerate(steps, 1):
        ok[command] = await talker.number(command, "@", number, **fields)


async def channels(owner, reader, ok):
    """A channel's life; the replies go to `ok`."""
    ok["create_channel"] = await owner.ask(
        "create_channel", number=1, tag="channel00000", title="C", description="D", public=True
    )
    channel = ok["create_channel"]["conversation"]
    ok["subscribe"] = await reader.number("subscribe", "@", 4, target=channel)
    post = await owner.number("send", channel, 2, text="post")
    followed = await reader.ask("follow", channels=[{"channel": channel, "after": 0}])
    (row,) = followed["channels"]
    check(row, ({"channel", "epoch", "n", "ordinal", "title"}, set()), "followed")
    await reader.until(lambda: any(event["event"] == "posts" for event in reader.events))
    await reader.ask("read", conversation=channel, upto=post["n"])
    ok["unsubscribe"] = await reader.number("unsubscribe", "@", 5, target=channel)


async def touches(alice, bob, ok):
    """All that can be done to a message of the pair; the replies go to `ok`."""
    n = (await alice.number("send", DIRECT, 2, text="one", reply=2, action=True))["n"]
    ok["react"] = await bob.number("react", DIRECT, 1, target=n, emoji="+")
    ok["edit"] = await alice.number("edit", DIRECT, 3, target=n, text="two", mentions=["bob"])
    other = (await alice.number("send", DIRECT, 4, text="gone", mentions=["bob"]))["n"]
    ok["delete"] = await alice.number("delete", DIRECT, 5, target=other)


async def test_records_items_and_replies_are_as_documented(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await noting(world, "alice"), await noting(world, "bob")
        group, ok = await everything(alice, bob)
        await own_things(bob, group, ok)
        await channels(alice, bob, ok)
        first = await alice.number("send", DIRECT, 1, text="hi")
        await bob.until(lambda: bob.texts(DIRECT) == ["hi"])
        ok["block"] = await alice.number("block", "@", 1, user="bob")
        ok["unblock"] = await alice.number("unblock", "@", 2, user="bob")
        await bob.ask("read", conversation=DIRECT, upto=first["n"])
        await alice.until(lambda: alice.receipt(DIRECT, "bob")[1] == first["n"])
        await touches(alice, bob, ok)
        await trio.sleep(10)
        ok["history"] = await alice.ask("history", conversation=DIRECT)
        ok["marks"] = await alice.ask("marks", conversation=DIRECT, n=first["n"])
        ok["user"] = await alice.ask("user", user="bob")
        for command, told in ok.items():
            shown = set(told)
            if command == "marks":
                shown |= {key for row in told["members"] for key in row}
            check(shown, ok_of(command), command)
        seen = [*alice.events, *bob.events]
        for event in seen:
            check_updates(event)
        items = [item for event in seen for item in event.get("items", ())]
        records = [r for item in items for r in item.get("records", ())]
        assert {item["type"] for item in items} == set(ITEMS)
        assert {record["type"] for record in records} == set(RECORDS)
        told = await bob.ask("history", conversation=group)
        newest = await bob.ask("history", conversation=DIRECT, limit=1)
        for record in (*told["records"], *ok["history"]["records"], *newest["amended"]):
            check_record(record)
        fetched = await bob.ask("fetch", epoch=bob.epoch, **{"from": 1})
        check(fetched, ({"status", "epoch", "number", "from", "to", "items"}, set()), "fetch")
        for item in fetched["items"]:
            check_item(item)


async def test_members_of_a_creation_are_triples_and_levels_and_roles_are_what_they_seem(
    make_world, autojump_clock
):
    async with make_world() as world, world.running():
        alice, bob = await noting(world, "alice"), await noting(world, "bob")
        group, _ = await everything(alice, bob)
        await bob.until(lambda: 10 in bob.records.get(group, ()))
        log = [bob.records[group][n] for n in sorted(bob.records[group])]
        assert log[0]["members"] == [["alice", "alice", "owner"], ["bob", "bob", "member"]]
        assert [r.get("owner") for r in log if r["type"] == "leave"] == [None, "bob", None]
        assert [r.get("role") for r in log if r["type"] == "join"] == [None, "owner"]
        text = log[1]
        assert (text["device"], text["number"], text["tag"]) == (alice.device, 2, "send00000002")


async def test_snapshots_and_questions_are_as_documented(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice, bob = await noting(world, "alice"), await noting(world, "bob")
        group, _ = await everything(alice, bob)
        await bob.until(lambda: group in bob.records)
        await trio.sleep(5)
        for talker in (alice, bob):
            page = await talker.ask("snapshot")
            check(page, ({"epoch", "number", "conversations"}, {"next", "account"}), "snapshot")
            check(
                page["account"],
                ({"display", "status", "privacy", "blocks", "subscriptions"}, set()),
                "account",
            )
            for row in page["conversations"]:
                check(row, snapshot_row(), "row")
                for receipt in row["receipts"]:
                    check(receipt, ({"user", "delivered", "read"}, set()), "receipt of a row")
        info = await bob.ask("conversation", conversation=group)
        check(info, braced(PAGE[PAGE.index("### conversation") :].partition("`ok`: ")[2]), "info")
        for member in info["members"]:
            check(member, ({"user", "display", "role", "joined"}, set()), "member")
        attached = await bob.ask("attach", epoch=bob.epoch, number=bob.cursor)
        check(attached, ({"status", "epoch", "number"}, set()), "attach")
        check(await bob.ask("ping"), ({"time"}, set()), "ping")


async def test_logins_and_refusals_are_as_documented(make_world, autojump_clock):
    async with make_world() as world, world.running():
        alice = await noting(world, "alice")
        replies = {}

        class Logging(Noting):
            async def ask(self, command, **fields):
                replies[command] = await super().ask(command, **fields)
                return replies[command]

        phone = Logging(world.node, world.nursery, "alice")
        await phone.until(lambda: phone.ready)
        again = Logging(world.node, world.nursery, "alice", token=phone.token)
        again.once = phone.once = True
        await again.until(lambda: again.ready)
        await again.ask("logout")
        hello = braced(PAGE[PAGE.index("### hello") :].partition("\n`ok`: ")[2])
        check(replies.pop("hello"), hello, "hello")
        assert {"login", "resume", "logout"} <= set(replies)
        for command in ("login", "resume"):
            check(replies[command], ok_of(command), command)
        assert replies["logout"] == {}
        with pytest.raises(Refused) as caught:
            await alice.number("send", "d:alice:bob", 1, text="hi")
        check(
            caught.value.error,
            ({"code", "message", "retryable"}, {"retry_after_ms"}),
            "a refusal",
        )


async def test_a_detached_client_is_told_what_is_documented(make_world, autojump_clock):
    async with make_world() as world, world.running(limits=Limits(inbox=5), snapshot_every=5):
        alice, bob = await noting(world, "alice"), await noting(world, "bob")
        await alice.number("send", DIRECT, 1, text="hi")
        await bob.until(lambda: bob.texts(DIRECT) == ["hi"])
        session = next(
            ref.actor
            for ref, user in world.node.environment.connections.logged_in_sessions()
            if user == "bob"
        )
        for i in range(2, 40):
            await alice.number("send", DIRECT, i, text="hi")
        await trio.sleep(1)
        session.feed.handed = 1
        session.feed.go_on()
        await bob.until(lambda: any(e["event"] == "detached" for e in bob.events))
        (told,) = [event for event in bob.events if event["event"] == "detached"]
        check(told, ({"event", "status", "epoch", "number"}, set()), "detached")
        assert told["status"] == "too_old"


async def test_hello_tells_the_version_of_the_distribution(make_world, autojump_clock):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    async with make_world() as world, world.running() as node:
        link = await node.open_session(JSON, "x")
        await link.receive({"id": 1, "command": "hello", "versions": [1]})
        (raw,) = await link.take()
        (item,) = JSON.decode(f"[{raw.decode()}]")
        assert item["ok"]["server"] == f"beamish/{project['version']}"
