"""What users of `beamish.client` see of the types: results of commands, kinds of events."""

from __future__ import annotations

from typing import assert_type

from beamish.client import (
    Changed,
    Client,
    Device,
    Edited,
    FileStore,
    Link,
    Message,
    Page,
    PendingCommand,
    Presence,
    Reacted,
    Reaction,
    Sent,
    Snapshot,
    open_client,
)


async def opened() -> None:
    async with open_client("ws://node/ws", user="alice", store=FileStore("alice")) as client:
        assert_type(client, Client)
        assert_type(client.cursor, tuple[int | None, int])


async def commands(client: Client) -> None:
    assert_type(await client.send("d:alice:bob", "hello"), Sent)
    assert_type(client.send_nowait("d:alice:bob", "hello"), PendingCommand[Sent])
    assert_type(await client.send_nowait("d:alice:bob", "hello").result(), Sent)
    assert_type(await client.create_group("Friends"), Changed)
    assert_type(client.join_nowait("g:a"), PendingCommand[Changed])
    assert_type(await client.history("g:a"), Page)
    assert_type(await client.edit("g:a", 3, "text"), Changed)
    assert_type(await client.create_link("g:a", uses=3), Link)
    assert_type(client.create_link_nowait("g:a"), PendingCommand[Link])
    assert_type(client.block_nowait("bob"), PendingCommand[Changed])
    assert_type(await client.devices(), list[Device])
    assert_type(await client.look(["bob"]), list[Presence])


async def events(client: Client) -> None:
    async for event in client.events():
        match event:
            case Message(text=text, n=n):
                assert_type(text, str)
                assert_type(n, int)
                assert_type(event.reply, int | None)
            case Edited(text=text):
                assert_type(text, str)
            case Reacted(reactions=reactions):
                assert_type(reactions, list[Reaction])
            case Snapshot(reason=reason):
                assert_type(reason, str)
            case _:
                pass
