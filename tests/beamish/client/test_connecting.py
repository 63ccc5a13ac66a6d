"""Connections: found, lost, noticed silent, and made again."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest
import trio
import trio.lowlevel

from beamish.client import (
    AuthenticationFailed,
    ClientClosed,
    Connected,
    Disconnected,
    NotFound,
    Settings,
    Unreachable,
    open_client,
)
from beamish.client.backoff import Backoff
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


@pytest.mark.parametrize(
    ("code", "failure", "message"),
    [
        (4403, AuthenticationFailed, "fake server ended"),
        (4409, ClientClosed, "another client uses this device"),
    ],
)
async def test_close_codes_that_forbid_coming_back_end_the_client(server, code, failure, message):
    async with alice(server) as client:
        server.cut(code)
        with pytest.raises(failure, match=message):
            await client.send(ROOM, "x")
        assert isinstance(await client.wait_failed(), failure)
    assert len(server.dialled) == 1


async def test_other_addresses_are_tried_in_turn(server, autojump_clock):
    async with alice(server, urls=["ws://a", "ws://b", "ws://c"]) as client:
        for _ in range(5):
            server.cut()
            await trio.sleep(60)
            assert client.connected
    assert sorted(server.dialled) == ["ws://a", "ws://a", "ws://b", "ws://b", "ws://c", "ws://c"]
    assert len(set(server.dialled[:3])) == 3


async def test_clients_start_at_different_addresses(server):
    for seed in range(20):
        async with alice(server, urls=["ws://a", "ws://b"], random=Random(seed)):
            pass
    assert set(server.dialled) == {"ws://a", "ws://b"}


async def test_the_client_gives_up_after_the_time_it_was_given(server, autojump_clock):
    server.unreachable = True
    started = trio.current_time()
    why = r"for 60 s \(tried ws://fake\); the last attempt: ws://fake: nobody listens"
    with pytest.raises(Unreachable, match=why):
        async with alice(server, settings=Settings(give_up=60)):
            pass
    assert 59 <= trio.current_time() - started <= 61


async def test_a_node_that_refuses_logins_for_now_is_not_unreachable(server, autojump_clock):
    server.script = refuse("login", "overloaded", times=9, retryable=True, retry_after_ms=20_000)
    async with alice(server, settings=Settings(give_up=60)):
        assert trio.current_time() >= 180


async def test_giving_up_fails_what_waits(server, autojump_clock):
    async with alice(server, settings=Settings(give_up=60)) as client:
        server.unreachable = True
        server.cut()
        for doomed in (client.send(ROOM, "x"), client.history(ROOM)):
            with pytest.raises(Unreachable):
                await doomed
        with pytest.raises(Unreachable):
            async for _ in client.events():
                pass


async def test_attempts_wait_longer_and_longer_up_to_the_cap(server, autojump_clock):
    server.unreachable = True
    times = []
    connect = server.connect

    async def timed(url, nursery):
        times.append(trio.current_time())
        return await connect(url, nursery)

    async with open_client(
        "ws://fake", user="alice", password="password", connect=timed, wait=False, random=Random(3)
    ):
        await trio.sleep(600)
    waits = [b - a for a, b in itertools.pairwise(times)]
    assert all(wait <= min(30, 0.5 * 2**k) for k, wait in enumerate(waits))
    assert max(waits[:4]) < 4.1
    assert 20 < len(times) < 60


def test_backoff_is_full_jitter_under_a_doubling_bound():
    waits = [Backoff(0.5, 30, Random(seed)).next() for seed in range(200)]
    assert max(waits) <= 0.5
    assert min(waits) < 0.05
    backoff = Backoff(0.5, 30, Random(1))
    assert max(backoff.next() for _ in range(2000)) <= 30
    assert backoff.next(at_least=40) == 40
    backoff.reset()
    assert backoff.next() <= 0.5


async def test_a_refused_login_that_may_succeed_later_is_repeated_after_the_time_asked_for(
    server, autojump_clock
):
    server.script = refuse("login", "overloaded", times=2, retryable=True, retry_after_ms=7000)
    started = trio.current_time()
    async with alice(server):
        assert trio.current_time() - started >= 14
    assert len(server.commands("login")) == 3


async def test_a_node_that_floods_refusals_is_left_alone_for_a_while(server, autojump_clock):
    async with alice(server) as client:
        lost = trio.current_time()
        server.cut(4429)
        await client.send(ROOM, "x")
        assert trio.current_time() - lost >= 10


async def test_silence_is_noticed_by_pings_and_ended(server, autojump_clock):
    async with alice(server) as client:
        await trio.sleep(300)
        assert client.reconnects == 0
        assert 10 <= len(server.commands("ping")) <= 15
        server.deaf = True
        went_silent = trio.current_time()
        while client.connected:
            await client._core.changed.wait()
        assert trio.current_time() - went_silent <= 30.2
        server.deaf = False
        await client.send(ROOM, "back")
        assert client.reconnects == 1


async def test_a_connection_that_takes_nothing_counts_as_dead(server, autojump_clock):
    async with alice(server) as client:

        async def take_nothing(frame):
            await trio.sleep_forever()

        server.connections[0].send = take_nothing
        await client.send(ROOM, "x")
        assert client.reconnects == 1


async def test_a_node_that_never_answers_the_login_is_left(server, autojump_clock):
    server.deaf = True
    with pytest.raises(Unreachable):
        async with alice(server, settings=Settings(give_up=200, login_timeout=50)):
            pass
    assert len(server.dialled) >= 3


async def test_a_connect_that_hangs_is_abandoned(server, autojump_clock):
    calls = []

    async def hang(url, nursery):
        calls.append(url)
        if len(calls) < 3:
            await trio.sleep_forever()
        return await server.connect(url, nursery)

    async with open_client("ws://x", user="alice", password="password", connect=hang):
        assert trio.current_time() >= 20


@pytest.mark.parametrize(
    "frame", [b"\xc1", b"\x01", b"\x91\x01", b"\x91\x81\xa5event\xa7updates", b"\x91\x81\xa1x\xc0"]
)
async def test_a_node_that_talks_nonsense_is_left_and_come_back_to(server, autojump_clock, frame):
    async with alice(server) as client:
        server.connections[0].raw(frame)
        await trio.sleep(5)
        await client.send(ROOM, "x")
        assert client.reconnects == 1


async def test_unknown_events_and_answers_to_nothing_are_ignored(server):
    async with alice(server) as client:
        server.connections[0].push({"event": "weather", "sky": "blue"})
        server.connections[0].push({"id": 999, "ok": {}})
        server.connections[0].push({"id": None, "error": {"code": "bad_request"}})
        await client.send(ROOM, "x")
        assert client.reconnects == 0


async def test_questions_are_answered_over_lost_connections_and_refusals(server, autojump_clock):
    async with alice(server) as client:
        await client.send(ROOM, "x")
        server.deaf = True
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def ask():
                assert len((await client.history(ROOM)).records) == 1

            await trio.testing.wait_all_tasks_blocked()
            server.script = refuse("history", "overloaded", times=1, retryable=True)
            server.deaf = False
            client.drop_connection()
        assert client.refusals == 1
        assert len(server.commands("history")) == 2
        assert (await client.user_info("bob"))["display"] == "bob"
        with pytest.raises(NotFound):
            await client.user_info("nobody")
        assert (await client.conversation(ROOM))["members"][0]["user"] == "alice"
        assert (await client.marks(ROOM, 1))[0]["user"] == "bob"
        assert [row["conversation"] for row in await client.snapshot()] == [ROOM]


async def test_a_cancelled_question_is_not_asked_again(server, autojump_clock):
    async with alice(server) as client:
        server.deaf = True
        with trio.move_on_after(5):
            await client.history(ROOM)
        server.deaf = False
        client.drop_connection()
        await trio.sleep(5)
        assert server.commands("history") == []


async def test_read_marks_are_levels_and_only_the_highest_travels(server, autojump_clock):
    async with alice(server) as client:
        server.deaf = True
        for upto in (3, 5, 4):
            client.read_nowait(ROOM, upto)
        await trio.testing.wait_all_tasks_blocked()
        client.read_nowait(ROOM, 9)
        server.deaf = False
        client.drop_connection()
        await trio.sleep(5)
        assert [c["upto"] for c in server.commands("read")] == [9]
        assert (await client.read(ROOM, 12)).read == 12
        server.script = refuse("read", "overloaded", times=1, retryable=True, retry_after_ms=500)
        client.read_nowait(ROOM, 13)
        await trio.sleep(5)
        assert [c["upto"] for c in server.commands("read")] == [9, 12, 13, 13]
        server.script = refuse("read", "not_member", times=1)
        client.read_nowait(ROOM, 14)
        await trio.sleep(5)
        assert client._reads.refused == 1


async def test_dropping_the_connection_reconnects_at_once_and_says_so(server):
    events = []
    async with alice(server, on_records=lambda c, r: None, on_event=events.append) as client:
        client.drop_connection()
        client.drop_connection()
        with trio.fail_after(1):
            while client.reconnects < 1:
                await trio.lowlevel.checkpoint()
        assert not server.connections[0].closed_politely
    assert [type(e) for e in events] == [Connected, Disconnected, Connected]
    assert events[1].reason == "the program dropped the connection"


async def test_closing_the_client_says_goodbye(server):
    async with alice(server):
        connection = server.connections[0]
    assert connection.closed_politely


async def test_closing_does_not_wait_for_a_node_that_does_not_answer(server, autojump_clock):
    async with alice(server, settings=Settings(close_timeout=2)):
        server.connections[0].aclose = trio.sleep_forever
        started = trio.current_time()
    assert trio.current_time() - started <= 2


async def test_closing_while_unconnected_is_at_once(server, autojump_clock):
    server.unreachable = True
    async with alice(server, wait=False):
        await trio.sleep(100)
        started = trio.current_time()
    assert trio.current_time() == started


async def test_an_exception_of_the_body_leaves_as_itself(server):
    with pytest.raises(KeyError):
        async with alice(server):
            raise KeyError("mine")


async def test_statistics_tell_the_state(server):
    async with alice(server) as client:
        await client.send(ROOM, "x")
        figures = client.statistics()
        assert figures.connected
        assert (figures.epoch, figures.number) == client.cursor == (1, 1)
        assert figures.pending == figures.repeats == figures.reconnects == figures.refusals == 0
        assert client.limits["text_bytes"] == 16384


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"urls": []}, "needs the address of a node"),
        ({"codec": "xml"}, "there is no codec 'xml'"),
    ],
)
async def test_arguments_that_make_no_sense_are_refused(server, arguments, message):
    with pytest.raises(ValueError, match=message):
        async with alice(server, **arguments):
            pass


def test_settings_that_could_never_work_are_refused():
    with pytest.raises(ValueError, match=r"Settings.event_limit is 0"):
        Settings(event_limit=0)
