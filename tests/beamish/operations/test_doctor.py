"""What the examination of a journal finds, and that it finds nothing where nothing is wrong."""

from __future__ import annotations

from random import Random

import msgpack
import pytest
import trio

from beamish.messenger.conversations.state import ConversationState
from beamish.messenger.sessions.handlers.numbered import NumberedHandlers
from beamish.operations.doctor import Doctor
from storage import open_memory
from tests.beamish.messenger.conftest import make_world  # noqa: F401

DIRECT = "d:alice:bob"
LOG, BOB = f"c/{DIRECT}", "u/bob"


async def talk(world):
    """Messages in a direct conversation and a group, marks, and somebody who leaves."""
    alice, bob = await world.talker("alice"), await world.talker("bob")
    group = await alice.create_group("all", ["bob"])
    for number in range(8):
        sent = await alice.send(DIRECT, f"direct {number}")
        await bob.send(group, f"group {number}")
    await bob.question("read", conversation=DIRECT, upto=sent["n"])
    await alice.until(lambda: alice.receipt(DIRECT, "bob")[1] == sent["n"])
    await bob.command("leave", group)
    return alice, bob


@pytest.fixture
async def journal(make_world, autojump_clock):  # noqa: F811
    """What a node leaves behind after some talk."""
    async with make_world() as world:
        async with world.running(snapshot_every=5):
            await talk(world)
        async with open_memory(world.disk, random=Random(1)) as journal:
            yield journal


async def test_blocks_and_declined_invitations_are_nothing_wrong(
    make_world,  # noqa: F811
    autojump_clock,
    monkeypatch,
):
    async def as_it_was(_handlers, user):
        await trio.lowlevel.checkpoint()
        return user, None

    monkeypatch.setattr(NumberedHandlers, "_invited", as_it_was)
    async with make_world() as world:
        async with world.running():
            alice, bob = await talk(world)
            group = await bob.create_group("late")
            await alice.command("block", "@", user="bob")
            await bob.command("invite", group, user="alice")
            await trio.sleep(20)
        async with open_memory(world.disk, random=Random(1)) as journal:
            loaded = await journal.load(LOG)
            assert loaded.info.settled == loaded.info.version
            assert await examined(journal) == []


async def examined(journal):
    """The findings as lines."""
    doctor = Doctor(journal)
    return [f"{one.severity} {one.stream}: {one.what}" async for one in doctor.examine()]


async def last_record(journal, stream):
    loaded = await journal.load(stream)
    page = await journal.read(stream, loaded.info.version)
    return loaded.info.version, msgpack.unpackb(page.records[-1])


async def a_message(journal):
    """Version of the log, and a message of it."""
    version, _ = await last_record(journal, LOG)
    page = await journal.read(LOG, 1)
    records = [msgpack.unpackb(raw) for raw in page.records]
    return version, [one for one in records if one["type"] == "message"][-1], records[-1]


async def bend(journal, **changes):
    """Append a message once more, as the next one of its device, and with changes."""
    version, message, last = await a_message(journal)
    bent = {
        **message,
        "n": version + 1,
        "number": last["number"] + 1,
        "ordinal": message["ordinal"] + 1,
        "at": last["at"],
        "tag": "bent",
        **changes,
    }
    await journal.append(LOG, version, msgpack.packb(bent))
    return version, last


async def test_nothing_is_found_where_nothing_is_wrong(journal):
    doctor = Doctor(journal)
    assert [one async for one in doctor.examine()] == []
    assert (doctor.users, doctor.conversations) == (2, 2)
    assert doctor.records > 20


async def test_a_gap_in_the_command_numbers_of_a_device_is_found(journal):
    _, _message, last = await a_message(journal)
    await bend(journal, number=last["number"] + 2)
    found = await examined(journal)
    assert any(f"due was {last['number'] + 1}" in one for one in found), found


async def test_time_that_falls_is_found(journal):
    _, _, last = await a_message(journal)
    await bend(journal, at=last["at"] - 1)
    assert any("before the one in front of it" in one for one in await examined(journal))


async def test_a_record_that_says_another_number_is_found(journal):
    await bend(journal, n=77)
    found = await examined(journal)
    assert any("does not replay" in one and "77" in one for one in found), found
    assert not any("no such user" in one for one in found)


async def test_a_snapshot_that_tells_otherwise_than_the_log_is_found(journal):
    version, _ = await last_record(journal, LOG)
    state = ConversationState(DIRECT)
    page = await journal.read(LOG, 1)
    for n, raw in enumerate(page.records, 1):
        state.take(n, raw)
    state.members.pop("bob")
    await journal.snapshot(LOG, version, state.dump())
    found = await examined(journal)
    assert f"error {LOG}: its snapshot at {version} has other members than the log" in found


@pytest.mark.parametrize("stream", [LOG, BOB])
async def test_a_snapshot_that_is_none_is_found(journal, stream):
    version, _ = await last_record(journal, stream)
    await journal.snapshot(stream, version, b"\x93 no snapshot")
    found = await examined(journal)
    assert any(one.startswith(f"error {stream}: its snapshot cannot be read") for one in found)


async def test_a_member_who_lacks_what_is_settled_is_found(journal):
    version, _ = await bend(journal)
    found = await examined(journal)
    lacking = f"it holds {DIRECT} up to {version}, settled is {version + 1}"
    assert {f"error u/alice: {lacking}", f"error u/bob: {lacking}"} == set(found)


async def test_what_is_not_settled_yet_need_not_be_held(journal):
    version, message, last = await a_message(journal)
    more = {**message, "n": version + 1, "number": last["number"] + 1, "tag": "new"}
    more |= {"ordinal": message["ordinal"] + 1, "at": last["at"]}
    await journal.append(LOG, version, msgpack.packb(more), pending=True)
    assert await examined(journal) == []


async def test_marks_beyond_what_is_held_are_found(journal):
    version, _ = await last_record(journal, BOB)
    marks = {"t": "marks", "a": 0, "m": [[DIRECT, 999, 998, 0, 0]]}
    await journal.append(BOB, version, msgpack.packb(marks))
    found = await examined(journal)
    assert any(f"{DIRECT} is delivered up to 999" in one for one in found), found
    assert any(f"{DIRECT} is read up to 998" in one for one in found), found


async def test_marks_in_a_side_stream_beyond_the_log_are_found(journal):
    bent = msgpack.packb({"m": [["bob", 999, 0]], "low": 0})
    await journal.append(f"{LOG}#marks", 0, bent)
    found = await examined(journal)
    assert any(one.startswith(f"error {LOG}#marks: marks of bob are at 999") for one in found)


async def test_a_member_who_does_not_exist_is_found(journal):
    first = await journal.read(LOG, 1, limit=1)
    await journal.append("c/d:alice:eve", 0, first.records[0].replace(b"bob", b"eve"))
    found = await examined(journal)
    assert any("eve is or was a member, and there is no such user" in one for one in found), found


async def test_a_log_that_is_gone_is_found_by_who_holds_it(journal):
    version, _ = await last_record(journal, BOB)
    page = await journal.read(BOB, 1)
    ranges = next(r for r in map(msgpack.unpackb, page.records) if r["t"] == "ranges")
    row = ["d:bob:zoe", *ranges["r"][0][1:]]
    await journal.append(BOB, version, msgpack.packb({**ranges, "r": [row]}))
    found = await examined(journal)
    assert any("it holds d:bob:zoe" in one and "no such log" in one for one in found), found


async def test_a_stream_of_no_known_kind_is_a_warning(journal):
    await journal.append("what/ever", 0, b"x")
    await journal.append("c/not a conversation", 0, b"x")
    assert await examined(journal) == [
        "warning c/not a conversation: nobody knows what this stream is for",
        "warning what/ever: nobody knows what this stream is for",
    ]


async def test_a_stream_that_is_no_msgpack_is_one_finding_and_the_rest_goes_on(journal):
    version, _ = await last_record(journal, BOB)
    await journal.append(BOB, version, b"\xc1")
    doctor = Doctor(journal)
    found = [one async for one in doctor.examine()]
    assert [one.stream for one in found] == ["u/bob"], found
    assert found[0].what.startswith("it does not replay")
    assert doctor.users == 2
