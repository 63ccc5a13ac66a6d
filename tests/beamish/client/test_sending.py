"""Numbered commands: executed once, in order, whatever happens to connections and answers."""

from __future__ import annotations

from random import Random

import pytest
import trio

from beamish.client import (
    AlreadyExists,
    BadRequest,
    Changed,
    ClientClosed,
    MemoryStore,
    NotAllowed,
    NotFound,
    NumberConflict,
    OutboxFull,
    OutcomeUnknown,
    Sent,
    Settings,
    open_client,
)
from tests.beamish.client.fake_server import FakeServer, Item

ROOM = "d:alice:bob"


@pytest.fixture
def server():
    server = FakeServer()
    server.add_user("alice")
    server.add_user("bob")
    return server


def alice(server, **options):
    options.setdefault("random", Random(1))
    return open_client(
        "ws://fake", user="alice", password="password", connect=server.connect, **options
    )


def refusal(item: Item, code: str, *, retryable: bool = False, **more: object) -> list[Item]:
    error = {"code": code, "message": code, "retryable": retryable, **more}
    return [{"id": item["id"], "error": error}]


class Once:
    """A script that answers the first matching command by `answer` and leaves the rest alone."""

    def __init__(self, answer, **match):
        self.answer = answer
        self.match = match
        self.used = False

    def __call__(self, connection, item):
        if self.used or any(item.get(k) != v for k, v in self.match.items()):
            return None
        self.used = True
        return self.answer(item)


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_a_message_is_answered_with_its_place_in_the_conversation(server, codec):
    async with alice(server, codec=codec) as client:
        sent = await client.send(client.direct("bob"), "hello")
        assert sent == Sent(ROOM, 1, 1, server.now)
        assert client.pending == 0


async def test_commands_are_numbered_from_one_in_each_conversation(server):
    server.add_user("carol")
    async with alice(server) as client:
        for text in ("a", "b"):
            await client.send(ROOM, text)
        await client.send("d:alice:carol", "c")
    assert [c["number"] for c in server.commands("send")] == [1, 2, 1]
    assert len({c["tag"] for c in server.commands("send")}) == 3


async def test_several_messages_travel_without_waiting_for_each_other(server):
    async with alice(server) as client:
        server.hold = True
        pending = [client.send_nowait(ROOM, str(i)) for i in range(10)]
        await trio.testing.wait_all_tasks_blocked()
        assert server.texts(ROOM) == [str(i) for i in range(10)]
        assert not any(p.done for p in pending)
        server.release()
        assert [(await p.result()).ordinal for p in pending] == list(range(1, 11))


async def test_at_most_64_commands_of_a_conversation_are_unanswered(server):
    async with alice(server) as client:
        server.hold = True
        for i in range(64):
            client.send_nowait(ROOM, str(i))
        with pytest.raises(OutboxFull, match="64 commands of d:alice:bob"):
            client.send_nowait(ROOM, "one too many")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, ROOM, "waits for room")
            await trio.testing.wait_all_tasks_blocked()
            assert len(server.commands("send")) == 64
            server.release()
        assert server.texts(ROOM)[-1] == "waits for room"


async def test_waiting_senders_keep_the_order_of_their_calls(server):
    async with alice(server) as client:
        server.hold = True
        for i in range(64):
            client.send_nowait(ROOM, str(i))
        async with trio.open_nursery() as nursery:
            for i in range(64, 200):
                nursery.start_soon(client.send, ROOM, str(i))
                await trio.testing.wait_all_tasks_blocked()
            server.release()
        assert server.texts(ROOM) == [str(i) for i in range(200)]


async def test_the_bound_over_all_conversations_holds_and_wakes_whoever_waits(server):
    for name in ("carol", "dave"):
        server.add_user(name)
    async with alice(server, settings=Settings(max_pending=2)) as client:
        server.hold = True
        client.send_nowait(ROOM, "1")
        client.send_nowait("d:alice:carol", "2")
        with pytest.raises(OutboxFull, match="2 in all"):
            client.send_nowait("d:alice:dave", "3")
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, "d:alice:dave", "3")
                await trio.testing.wait_all_tasks_blocked()
                server.release()
        assert server.texts("d:alice:dave") == ["3"]


async def test_a_lost_answer_makes_no_second_message(server, autojump_clock):
    async with alice(server) as client:
        server.hold = True
        pending = client.send_nowait(ROOM, "once")
        await trio.testing.wait_all_tasks_blocked()
        server.cut()
        server.hold = False
        assert (await pending.result()).n == 1
        first, second = server.commands("send")
        assert (first["number"], first["tag"]) == (second["number"], second["tag"])
        assert server.texts(ROOM) == ["once"]
        assert client.reconnects == 1


async def test_a_lost_command_is_sent_again_in_order(server, autojump_clock):
    async with alice(server) as client:
        server.deaf = True
        pending = [client.send_nowait(ROOM, str(i)) for i in range(5)]
        await trio.testing.wait_all_tasks_blocked()
        server.deaf = False
        server.cut()
        for p in pending:
            await p.result()
        assert server.texts(ROOM) == ["0", "1", "2", "3", "4"]


async def test_answers_read_while_the_connection_is_given_up_count_once(server, autojump_clock):
    """The node answers one of three and closes; writing fails before or after that is read."""
    async with alice(server, settings=Settings(backoff_first=0.01)) as client:
        for i in range(40):
            server.hold = True
            for text in (3 * i, 3 * i + 1, 3 * i + 2):
                client.send_nowait(ROOM, str(text))
                await trio.testing.wait_all_tasks_blocked()
                server.deaf = True
            server.deaf = False
            server.release()
            server.cut(1001)
            client.read_nowait(ROOM, i + 1)
            with trio.fail_after(100):
                await client.settled()
    assert server.texts(ROOM) == [str(i) for i in range(120)]


async def test_commands_queue_while_no_node_is_reachable(server, autojump_clock):
    server.unreachable = True
    async with alice(server, wait=False) as client:
        pending = [client.send_nowait(ROOM, str(i)) for i in range(3)]
        await trio.sleep(100)
        server.unreachable = False
        for p in pending:
            await p.result()
    assert server.texts(ROOM) == ["0", "1", "2"]


@pytest.mark.parametrize("code", ["overloaded", "storage_unavailable", "internal", "rate_limited"])
async def test_a_retryable_refusal_is_retried_before_later_messages(server, autojump_clock, code):
    server.script = Once(
        lambda item: refusal(item, code, retryable=True, retry_after_ms=3000), text="1"
    )
    async with alice(server) as client:
        before = trio.current_time()
        pending = [client.send_nowait(ROOM, str(i)) for i in range(4)]
        for p in pending:
            await p.result()
        assert server.texts(ROOM) == ["0", "1", "2", "3"]
        assert trio.current_time() - before >= 3
        assert client.refusals == 1


async def test_a_refused_conversation_does_not_hold_up_another(server, autojump_clock):
    server.add_user("carol")
    server.script = Once(
        lambda item: refusal(item, "overloaded", retryable=True, retry_after_ms=3000), text="1"
    )
    async with alice(server) as client:
        before = trio.current_time()
        slow = client.send_nowait(ROOM, "1")
        await client.send("d:alice:carol", "2")
        assert trio.current_time() - before < 1
        assert not slow.done
        await slow.result()


async def test_a_command_that_was_carried_out_before_its_refusal_is_not_doubled(
    server, autojump_clock
):
    """`internal` leaves open whether the command was carried out."""

    def carried_out(connection, item):
        if item.get("text") == "1" and not done:
            done.append(item)
            server._numbered(connection, item)
            return refusal(item, "internal", retryable=True)
        return None

    done: list[Item] = []
    server.script = carried_out
    async with alice(server) as client:
        for p in [client.send_nowait(ROOM, str(i)) for i in range(3)]:
            await p.result()
    assert server.texts(ROOM) == ["0", "1", "2"]


async def test_a_final_refusal_fails_its_command_alone_and_frees_its_number(server):
    server.script = Once(lambda item: refusal(item, "forbidden"), text="1")
    async with alice(server) as client:
        server.hold = True
        pending = [client.send_nowait(ROOM, str(i)) for i in range(4)]
        await trio.testing.wait_all_tasks_blocked()
        server.release()
        with pytest.raises(NotAllowed, match="forbidden"):
            await pending[1].result()
        results = [await pending[i].result() for i in (0, 2, 3)]
        assert [r.ordinal for r in results] == [1, 2, 3]
        assert server.texts(ROOM) == ["0", "2", "3"]
        assert (await client.send(ROOM, "4")).ordinal == 4
        tags = {c["text"]: c["tag"] for c in server.commands("send")}
        assert all(c["tag"] == tags[c["text"]] for c in server.commands("send"))
        numbers = {c["text"]: c["number"] for c in server.commands("send")}
        assert numbers == {"0": 1, "1": 2, "2": 2, "3": 3, "4": 4}


async def test_a_connection_lost_behind_a_final_refusal_loses_and_doubles_nothing(
    server, autojump_clock
):
    def script(connection, item):
        if item.get("text") == "1":
            server.hold = True  # what follows is answered, but the answers are lost
            connection._out.send_nowait(__import__("msgpack").packb(refusal(item, "not_member")))
            return []
        return None

    server.script = script
    async with alice(server) as client:
        pending = [client.send_nowait(ROOM, str(i)) for i in range(4)]
        await trio.testing.wait_all_tasks_blocked()
        server.hold = False
        server.cut()
        with pytest.raises(NotAllowed):
            await pending[1].result()
        for i in (0, 2, 3):
            await pending[i].result()
    assert server.texts(ROOM) == ["0", "2", "3"]


async def test_a_node_that_lost_its_numbers_is_followed(server, autojump_clock):
    """As after restoring a backup: it expects a number that was used long ago."""
    async with alice(server) as client:
        for i in range(3):
            await client.send(ROOM, str(i))
        device = client.device
        server.conversations[ROOM].last[device] = 1
        assert (await client.send(ROOM, "3")).ordinal == 4
        assert server.commands("send")[-1]["number"] == 2
        await client.send(ROOM, "4")
        assert server.commands("send")[-1]["number"] == 3


async def test_a_node_that_expects_what_it_gets_is_not_asked_in_a_hot_loop(server, autojump_clock):
    def stubborn(connection, item):
        if item["command"] == "send" and len(server.commands("send")) < 12:
            return refusal(item, "expected", retryable=True, expected=1)
        return None

    server.script = stubborn
    async with alice(server) as client:
        before = trio.current_time()
        await client.send(ROOM, "x")
        assert trio.current_time() - before > 1


async def test_a_used_number_makes_a_new_device_and_leaves_open_what_was_unanswered(
    server, autojump_clock
):
    server.script = Once(lambda item: refusal(item, "number_used"), text="1")
    async with alice(server) as client:
        device = client.device
        pending = [client.send_nowait(ROOM, str(i)) for i in range(1, 3)]
        with pytest.raises(NumberConflict):
            await pending[0].result()
        with pytest.raises(OutcomeUnknown, match="compare with the history"):
            await pending[1].result()
        assert (await client.send(ROOM, "3")).conversation == ROOM
        assert client.device != device
        assert server.commands("send")[-1]["number"] == 1


async def test_what_cannot_be_sent_is_refused_before_it_gets_a_number(server):
    async with alice(server) as client:
        for text, message in (
            ("", "at least one"),
            ("x" * 16385, "at most 16384 bytes"),
            ("\ud800", "surrogate"),
        ):
            with pytest.raises(BadRequest, match=message):
                await client.send(ROOM, text)
        with pytest.raises(BadRequest, match="surrogate"):
            client.create_group_nowait("half \udc00")
        with pytest.raises(BadRequest, match="no protocol type"):
            client.invite_nowait("g:1", object())
        with pytest.raises(BadRequest, match="at most 261120 bytes"):
            await client.create_group("crowd", ["x" * 64] * 5000)
        with pytest.raises(BadRequest, match="surrogate"):
            client.read_nowait("\ud800", 1)
        with pytest.raises(BadRequest, match="no protocol type"):
            await client.history(ROOM, after=object())
        assert (await client.send(ROOM, "ok")).n == 1
    assert len(server.commands("send")) == 1


async def test_the_nodes_own_limits_are_kept_to(server):
    server.limits |= {"unanswered": 3, "items": 2, "text_bytes": 5}
    frames = []
    carry_out = server.frame
    server.frame = lambda c, items: (frames.append(len(items)), carry_out(c, items))
    async with alice(server) as client:
        server.hold = True
        for i in range(10):
            client.send_nowait(ROOM, str(i))
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.commands("send")) == 3
        server.release()
        await client.settled()
        with pytest.raises(BadRequest, match="at most 5 bytes"):
            await client.send(ROOM, "x" * 6)
    assert server.texts(ROOM) == [str(i) for i in range(10)]
    assert max(frames) == 2


async def test_an_unknown_user_to_talk_to_is_not_found(server):
    async with alice(server) as client:
        with pytest.raises(NotFound):
            await client.send(client.direct("nobody"), "hello?")


async def test_a_group_is_created_filled_and_left(server):
    for name in ("carol", "dave"):
        server.add_user(name)
    async with alice(server) as client:
        made = await client.create_group("Friends", ["bob"], open=True)
        assert isinstance(made, Changed)
        group = made.conversation
        assert (await client.invite(group, "carol")).n == 2
        assert (await client.set_role(group, "carol", "admin")).n == 3
        assert (await client.remove(group, "bob")).n == 4
        assert (await client.send(group, "hi")).ordinal == 1
        assert (await client.leave(group)).n == 6
        with pytest.raises(NotAllowed):
            await client.send(group, "still here?")
        assert (await client.join(group)).n == 7
        numbers = [c["number"] for c in server.log if c.get("conversation") == group]
        assert numbers == [2, 3, 4, 5, 6, 7, 7]


async def test_a_group_whose_creation_was_answered_into_the_void_is_made_once(
    server, autojump_clock
):
    async with alice(server) as client:
        server.hold = True
        pending = client.create_group_nowait("Friends", ["bob"])
        await trio.testing.wait_all_tasks_blocked()
        server.cut()
        server.hold = False
        await pending.result()
        assert len(server.conversations) == 1


async def test_commands_without_waiting_call_back_with_their_outcome(server):
    done: list[object] = []
    async with alice(server) as client:
        client.send_nowait(ROOM, "x", on_done=lambda p: done.append(p.value))
        made = client.create_group_nowait("g", on_done=lambda p: done.append(p.value))
        group = (await made.result()).conversation
        client.invite_nowait(group, "bob", on_done=lambda p: done.append(p.value.n))
        client.set_role_nowait(group, "bob", "admin")
        client.remove_nowait(group, "bob")
        client.leave_nowait(group)
        client.join_nowait(group)
        await client.settled()
    assert done[0] == Sent(ROOM, 1, 1, done[0].at)
    assert done[1:] == [made.value, 2]
    assert [r["type"] for r in server.conversations[group].records] == [
        "create", "invite", "set_role", "remove", "leave", "join",
    ]  # fmt: skip


async def test_a_callback_may_send_the_next_command(server):
    async with alice(server) as client:

        def again(pending):
            if pending.value.ordinal < 5:
                client.send_nowait(ROOM, str(pending.value.ordinal), on_done=again)

        client.send_nowait(ROOM, "0", on_done=again)
        await client.settled()
    assert server.texts(ROOM) == ["0", "1", "2", "3", "4"]


async def test_the_first_write_is_timed_and_not_the_resends(server, autojump_clock):
    async with alice(server) as client:
        server.deaf = True
        started = trio.current_time()
        pending = client.send_nowait(ROOM, "x")
        await trio.testing.wait_all_tasks_blocked()
        server.deaf = False
        await trio.sleep(3)
        server.cut()
        await pending.result()
        assert pending.first_written_at == started


async def test_cancelling_a_send_abandons_the_answer_not_the_command(server):
    async with alice(server) as client:
        server.hold = True
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, ROOM, "abandoned")
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        server.release()
        await client.settled()
        await client.send(ROOM, "next")
    assert server.texts(ROOM) == ["abandoned", "next"]


async def test_what_is_unanswered_when_a_client_closes_is_sent_by_the_next_one(server):
    store = MemoryStore()
    async with alice(server, store=store) as client:
        server.deaf = True
        pending = [client.send_nowait(ROOM, str(i)) for i in range(3)]
    for p in pending:
        with pytest.raises(ClientClosed):
            await p.result()
    server.deaf = False
    async with alice(server, store=store, random=Random(2)) as client:
        assert client.pending == 3
        await client.settled()
        await client.send(ROOM, "3")
    assert server.texts(ROOM) == ["0", "1", "2", "3"]


async def test_commands_after_the_end_are_refused(server):
    async with alice(server) as client:
        pass
    with pytest.raises(ClientClosed, match="closed"):
        client.send_nowait(ROOM, "too late")
    with pytest.raises(ClientClosed):
        await client.send(ROOM, "too late")


async def test_already_a_member_is_its_own_error(server):
    server.script = Once(lambda item: refusal(item, "exists"), command="invite")
    async with alice(server) as client:
        group = (await client.create_group("g")).conversation
        with pytest.raises(AlreadyExists):
            await client.invite(group, "bob")
