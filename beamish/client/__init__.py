"""The Python client: chat with Beamish nodes from trio, over any number of lost connections.

    async with open_client("ws://127.0.0.1:8080/ws", user="alice", password="secret") as client:
        await client.send(client.direct("bob"), "hello")
        async for event in client.events():
            match event:
                case Message(conversation=conversation, by=by, text=text):
                    print(f"{by}: {text}")

Opening
-------
`open_client(urls, *, user, password=None, token=None, register=False, display=None,
device_name=None, store=None, codec="msgpack", connect=None, random=None, on_records=None,
on_event=None, settings=Settings(), wait=True)` is an async context manager.

- `urls`: one WebSocket URL or several; a client starts at a random one and goes elsewhere when it
  cannot reach it or loses it.
- Identity: the store's token, else `token`, resumes the device; else `password` logs in (a new
  device). `register=True` registers the user first; if the name exists the password logs in, so a
  repeated registration is harmless. A revoked token is followed by a login where a password is
  given; unanswered commands then end in `OutcomeUnknown`.
- `store`: `MemoryStore()` (the default) or `FileStore(path)`. Closing a client and opening another
  with the same store goes on where the first stopped: same device, cursor and unanswered commands.
- `wait=True` returns once logged in, raising what made that impossible (`AuthenticationFailed`,
  `Unreachable`, ...); `wait=False` returns at once, commands queue meanwhile.
- `connect`: the transport seam, `async connect(url, nursery) -> Transport`; see `transport.py`.
  `websocket_connector(codec, ssl_context)` makes one for a `wss://` node with its own authority.
- `random`: source of tags, jitter and the choice of URL (`random.Random`); time is trio's clock.

Commands
--------
- Numbered commands: `await client.send(conversation, text) -> Sent`; with a result `Changed`
  `create_group(title, members=(), *, open=False)`, `invite(conversation, user)`,
  `join(conversation)`, `leave(conversation)`, `remove(conversation, user)`,
  `set_role(conversation, user, role)`. Each has a `..._nowait` twin that returns a
  `PendingCommand` at once (`await pending.result()`, `pending.done`, `pending.first_written_at` on
  trio's clock, `on_done=callback(pending)`) or raises `OutboxFull`; the waiting forms wait for
  room. At most 64 are unanswered per conversation.
  A command has its number and tag, and is in the store, before its first byte is written; it is
  sent again on every connection until it is answered. Within a conversation commands keep the order
  of their calls, through refusals too: a retryable refusal is retried, after the time the node
  asked for, before anything later of the same conversation. A final refusal raises (`NotAllowed`,
  `NotFound`, `BadRequest`, ...) and concerns its command alone.
  Cancelling a waiting form abandons the answer, not the command.
- `await client.read(conversation, upto)` (`read_nowait`): this user has read up to record `upto`.
- `await client.history(conversation, *, before=None, after=None, limit=100) -> Page`,
  `conversation(c)`, `marks(c, n)`, `user_info(name)`, `snapshot()`: questions; asked again on the
  next connection when one is lost, and after a retryable refusal.
- `client.direct(user)`: id of the direct conversation with `user`.

Receiving
---------
- `async for event in client.events()`: one iterator per client; `Message`, `ConversationChanged`,
  `Marks`, `Receipt`, `OtherItem`, `Snapshot`, `Connected`, `Disconnected`. Within a conversation in
  record order; across conversations in the inbox's order.
- Or, for bulk consumers, `on_records(conversation, records)`: called with a non-empty list of plain
  record maps as they come, `on_event(event)` with everything else. They run inside the client's
  reader: quick and synchronous. With `on_records` there is no iterator.
- What is received is committed to the store together with the cursor, then handed over, then
  acknowledged. With a durable store the acknowledgement (which raises *delivered*) follows the
  commit; with a volatile one it follows the hand-over: an event counts as handed over when the
  iterator is asked for the next one, or the hook has returned. After a crash of the program, what
  was stored and not handed over is handed over first: at least once over crashes, once otherwise.
- After a `Snapshot` whose reason is `other_epoch` or `ahead` the node's data are those of a
  restored backup: forget all records; what is visible follows again from history.
- At most `Settings.event_limit` records wait for the iterator. Beyond that the client stops
  applying updates and fetches them when there is room, so a slow consumer costs no memory and
  replies still pass.

Watching and testing
--------------------
`client.name`, `client.device`, `client.cursor` -> `(epoch, number)`, `client.failure`,
`client.connected`, `client.statistics()`; `client.repeats` (updates dropped by the cursor rules),
`client.reconnects`, `client.refusals` (retryable refusals met). `client.drop_connection()` cuts the
socket without a closing handshake; the client then reconnects and resumes. `await
client.wait_connected()`. `await client.settled()` waits until no command is unanswered.
`await client.logout()` revokes the device and ends the client.
"""

from __future__ import annotations

from beamish.client.client import Client, Events, Statistics
from beamish.client.errors import (
    AlreadyExists,
    AuthenticationFailed,
    BadRequest,
    ClientClosed,
    ClientError,
    CommandError,
    NotAllowed,
    NotFound,
    NumberConflict,
    OutboxFull,
    OutcomeUnknown,
    StoreError,
    TransportClosed,
    Unavailable,
    Unreachable,
    VersionNotSupported,
)
from beamish.client.events import (
    Changed,
    Connected,
    ConversationChanged,
    Disconnected,
    Event,
    Marks,
    Message,
    OtherItem,
    Page,
    ReadState,
    Receipt,
    Record,
    Sent,
    Snapshot,
    event_of,
)
from beamish.client.file_store import FileStore
from beamish.client.opening import open_client
from beamish.client.pending import PendingCommand
from beamish.client.settings import Settings
from beamish.client.store import Batch, Identity, MemoryStore, Store, StoredCommand, StoredState
from beamish.client.transport import Connect, Transport, websocket_connector

__all__ = [
    "AlreadyExists",
    "AuthenticationFailed",
    "BadRequest",
    "Batch",
    "Changed",
    "Client",
    "ClientClosed",
    "ClientError",
    "CommandError",
    "Connect",
    "Connected",
    "ConversationChanged",
    "Disconnected",
    "Event",
    "Events",
    "FileStore",
    "Identity",
    "Marks",
    "MemoryStore",
    "Message",
    "NotAllowed",
    "NotFound",
    "NumberConflict",
    "OtherItem",
    "OutboxFull",
    "OutcomeUnknown",
    "Page",
    "PendingCommand",
    "ReadState",
    "Receipt",
    "Record",
    "Sent",
    "Settings",
    "Snapshot",
    "Statistics",
    "Store",
    "StoreError",
    "StoredCommand",
    "StoredState",
    "Transport",
    "TransportClosed",
    "Unavailable",
    "Unreachable",
    "VersionNotSupported",
    "event_of",
    "open_client",
    "websocket_connector",
]
