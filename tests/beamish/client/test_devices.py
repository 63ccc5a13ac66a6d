"""Devices: logged in once, resumed from then on, replaced when they are void."""

from __future__ import annotations

import math
from random import Random

import pytest
import trio
import trio.lowlevel

from beamish.client import (
    AuthenticationFailed,
    ClientClosed,
    MemoryStore,
    OutcomeUnknown,
    StoreError,
    VersionNotSupported,
    open_client,
)
from tests.beamish.client.fake_server import FakeServer

ROOM = "d:alice:bob"


@pytest.fixture
def server():
    server = FakeServer()
    server.add_user("alice")
    server.add_user("bob")
    return server


def alice(server, urls="ws://fake", **options):
    options.setdefault("random", Random(1))
    options.setdefault("password", "password")
    return open_client(urls, user="alice", connect=server.connect, **options)


def refuse(command, code, times=math.inf, **more):
    left = [times]

    def script(connection, item):
        if item["command"] != command or left[0] <= 0:
            return None
        left[0] -= 1
        error = {"code": code, "message": code, "retryable": False, **more}
        return [{"id": item["id"], "error": error}]

    return script


async def test_a_device_logs_in_once_and_resumes_from_then_on(server):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        device = client.device
    for seed in (2, 3):
        async with alice(server, store=store, password=None, random=Random(seed)) as client:
            assert client.device == device
            assert client.name == "alice"
    assert len(server.commands("login")) == 1
    assert len(server.commands("resume")) == 2


async def test_a_token_alone_is_enough(server):
    async with alice(server) as client:
        token = client.token
    async with alice(server, password=None, token=token) as client:
        assert client.token == token
        assert (await client.send(ROOM, "x")).n == 1


async def test_registering_twice_is_harmless(server):
    for _ in range(2):
        async with open_client(
            "ws://fake", user="carol", password="secret", register=True, display="Carol",
            connect=server.connect, random=Random(1),
        ):  # fmt: skip
            pass
    assert [c["command"] for c in server.log if c.get("user") == "carol"] == [
        "register", "register", "login",
    ]  # fmt: skip
    assert server.commands("register")[0]["display"] == "Carol"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"password": "wrong"}, "bad_credentials"),
        ({"password": None}, "neither a token nor a password"),
        ({"password": None, "token": "forged"}, "no password to log in with"),
    ],
)
async def test_who_cannot_log_in_is_told_at_once(server, options, message):
    with pytest.raises(AuthenticationFailed, match=message):
        async with alice(server, **options):
            raise AssertionError("never entered")
    assert len(server.dialled) == 1


async def test_a_store_of_another_user_is_refused(server):
    store = MemoryStore()
    async with alice(server, store=store):
        pass
    with pytest.raises(StoreError, match="this store is alice's, not bob's"):
        async with open_client("ws://fake", user="bob", store=store, connect=server.connect):
            pass


async def test_a_store_serves_one_client_at_a_time(server):
    store = MemoryStore()
    async with alice(server, store=store):
        with pytest.raises(StoreError, match="in use by another client"):
            async with alice(server, store=store):
                pass
    async with alice(server, store=store):
        pass


async def test_no_common_version_is_final(server):
    server.script = refuse("hello", "unsupported_version", versions=[9])
    with pytest.raises(VersionNotSupported):
        async with alice(server):
            pass


async def test_a_revoked_token_is_followed_by_a_login(server, autojump_clock):
    async with alice(server) as client:
        first = client.device
        server.deaf = True
        pending = client.send_nowait(ROOM, "unanswered")
        await trio.testing.wait_all_tasks_blocked()
        server.deaf = False
        server.devices.clear()
        server.cut()
        with pytest.raises(OutcomeUnknown):
            await pending.result()
        await client.wait_connected()
        assert client.device not in (None, first)
        assert (await client.send(ROOM, "new")).n == 1
        assert server.commands("send")[-1]["number"] == 1


async def test_the_cursor_outlives_its_device(server, autojump_clock):
    heard = []
    server.group("bob", "alice")
    async with alice(server, on_records=lambda c, r: heard.extend(r)) as client:
        server.devices.clear()
        server.cut()
        await trio.sleep(5)
        server.say("g:1", "bob", "x")
        await trio.sleep(1)
        assert client.reconnects == 1
    assert [r["n"] for r in heard] == [1, 2]


async def test_a_logout_elsewhere_without_a_password_ends_the_client(server):
    store = MemoryStore()
    async with alice(server, store=store):
        pass
    async with alice(server, store=store, password=None) as client:
        server.devices.clear()
        server.cut(4401)
        assert isinstance(await client.wait_failed(), AuthenticationFailed)


async def test_what_was_never_written_goes_out_from_the_new_device(server, autojump_clock):
    async with alice(server) as client:
        await client.send(ROOM, "before")
        server.devices.clear()
        server.unreachable = True
        server.cut()
        await trio.sleep(5)
        pending = [client.send_nowait(ROOM, str(i)) for i in range(3)]
        server.unreachable = False
        for p in pending:
            await p.result()
    assert server.texts(ROOM) == ["before", "0", "1", "2"]
    assert [c["number"] for c in server.commands("send")] == [1, 1, 2, 3]


async def test_being_unauthenticated_in_the_middle_makes_a_new_device(server, autojump_clock):
    async with alice(server) as client:
        device = client.device
        server.script = refuse("send", "unauthenticated", times=1)
        with pytest.raises(OutcomeUnknown):
            await client.send(ROOM, "x")
        assert (await client.send(ROOM, "y")).n == 1
        assert client.device != device


async def test_logging_out_revokes_the_device_and_ends_the_client(server):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        await client.logout()
        with pytest.raises(ClientClosed, match="logged out"):
            await client.send(ROOM, "x")
    assert server.devices == {}
    assert (await store.load()).identity is None


async def test_a_question_of_a_revoked_device_is_asked_by_the_next(server, autojump_clock):
    async with alice(server) as client:
        device = client.device
        server.script = refuse("user", "unauthenticated", times=1)
        assert (await client.user_info("bob"))["user"] == "bob"
        assert client.device != device


async def test_a_token_of_somebody_else_is_refused(server):
    async with alice(server) as client:
        token = client.token
    with pytest.raises(StoreError, match="this store or token is alice's, not bob's"):
        async with open_client("ws://fake", user="bob", token=token, connect=server.connect):
            pass
