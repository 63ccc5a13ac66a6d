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
- Numbered commands, which wait until a node has them on disk:
  messages    `send(conversation, text, *, reply=None, mentions=(), action=False) -> Sent`,
              `edit(conversation, n, text, *, mentions=())`, `delete(conversation, n)`,
              `react(conversation, n, emoji)`
  membership  `create_group(title, members=(), *, open=False)`, `create_channel(title, *,
              description=None, public=False)`, `invite`, `remove`, `ban`, `unban(conversation,
              user)`, `join(conversation, *, link=None)`, `leave(conversation)`,
              `set_role(conversation, user, role)`
  agreements  `set_info(conversation, *, title, description, open)`, `set_permissions(conversation,
              *, post, invite, info)`, `set_slow_mode(conversation, seconds)`,
              `create_link(conversation, *, expires_at, uses) -> Link`, `revoke_link`
  account     `set_profile(*, display, status)`, `set_privacy(*, last_seen, read_marks)`,
              `set_conversation(conversation, *, muted_until, archived, pinned)`, `block`,
              `unblock(user)`, `subscribe(channel, *, link=None)`, `unsubscribe(channel)`
  with a result `Changed` where none is named. Each has a `..._nowait` twin that returns a
  `PendingCommand` at once (`await pending.result()`, `pending.done`, `pending.first_written_at` on
  trio's clock, `on_done=callback(pending)`) or raises `OutboxFull`; the waiting forms wait for
  room. At most 64 are unanswered per conversation; the account is a lane like one.
  A command has its number and tag, and is in the store, before its first byte is written; it is
  sent again on every connection until it is answered. Within a conversation commands keep the order
  of their calls, through refusals too: a retryable refusal is retried, after the time the node
  asked for, before anything later of the same conversation. A final refusal raises (`NotAllowed`,
  `NotFound`, `BadRequest`, ...) and concerns its command alone.
  Cancelling a waiting form abandons the answer, not the command.
- `await client.read(conversation, upto)` (`read_nowait`): this user has read up to record `upto`.
- `await client.history(conversation, *, before=None, after=None, limit=100) -> Page`,
  `conversation(c, *, link=None)`, `marks(c, n)`, `user_info(name)`, `snapshot()`, `account()`:
  questions; asked again on the next connection when one is lost, and after a retryable refusal.
- Devices: `devices()`, `name_device(device, name)`, `revoke_device(device)`,
  `logout_everywhere(*, except_this=True)`, `set_password(old, new, *, logout_others=True)`,
  `delete_account(password)`.
- By the way: `look(users, conversations)` says what is on screen (`look_nowait`), which is renewed
  by itself; `typing_nowait(conversation)`, lost when there is no connection.
- `client.direct(user)`: id of the direct conversation with `user`.

Receiving
---------
- `async for event in client.events()`: one iterator per client. `Message` and
  `ConversationChanged` within a conversation in record order, across conversations in the inbox's
  order. What becomes of a message later, `Edited`, `Reacted`, `Deleted`, names it by `n` and says
  how it stands now: a level, which may be told again. A message that was deleted, or edited again
  (`Withheld`), before this device heard of it is handed over as that.
  Levels: `Marks`, `Receipt`, `ProfileChanged`, `PrivacyChanged`, `ConversationSettings`, `Blocked`,
  `Subscription`, `OtherItem`; `Snapshot`. Stored nowhere: `Connected`, `Disconnected`, `Presence`,
  `Typing`, `Followed`, `Unfollowed`.
- Or, for bulk consumers, `on_records(conversation, records)`: called with a non-empty list of plain
  record maps as they come, each record once, and `on_event(event)` with everything else, changes of
  messages behind the records that touch them. They run inside the client's reader: quick and
  synchronous. With `on_records` there is no iterator.
- A copy of a conversation puts in each record that is new or has a higher `rev`, from `records`
  and from the `record` of a change (`Page.amended` in history): `FileStore.records` is one.
- `client.follow_nowait({channel: after, ...})`: the posts of these channels come as records of the
  conversations of these names, each once. How far each is stored is kept in the store; `after` is
  where to begin without. `ChannelRestarted`: forget what there is of it, all follows again.
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
    Blocked,
    ChannelRestarted,
    Connected,
    ConversationChanged,
    ConversationSettings,
    Deleted,
    Disconnected,
    Edited,
    Event,
    Followed,
    Marks,
    Message,
    OtherItem,
    Presence,
    PrivacyChanged,
    ProfileChanged,
    Reacted,
    Reaction,
    Receipt,
    Record,
    Snapshot,
    Subscription,
    Typing,
    Unfollowed,
    Withheld,
    reactions_of,
)
from beamish.client.file_store import FileStore
from beamish.client.opening import open_client
from beamish.client.pending import PendingCommand
from beamish.client.results import (
    FOREVER,
    Account,
    Changed,
    Device,
    Link,
    Page,
    ReadState,
    Sent,
)
from beamish.client.settings import Settings
from beamish.client.store import Batch, Identity, MemoryStore, Store, StoredCommand, StoredState
from beamish.client.telling import changes_of, event_of
from beamish.client.transport import Connect, Transport, websocket_connector

__all__ = [
    "FOREVER",
    "Account",
    "AlreadyExists",
    "AuthenticationFailed",
    "BadRequest",
    "Batch",
    "Blocked",
    "Changed",
    "ChannelRestarted",
    "Client",
    "ClientClosed",
    "ClientError",
    "CommandError",
    "Connect",
    "Connected",
    "ConversationChanged",
    "ConversationSettings",
    "Deleted",
    "Device",
    "Disconnected",
    "Edited",
    "Event",
    "Events",
    "FileStore",
    "Followed",
    "Identity",
    "Link",
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
    "Presence",
    "PrivacyChanged",
    "ProfileChanged",
    "Reacted",
    "Reaction",
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
    "Subscription",
    "Transport",
    "TransportClosed",
    "Typing",
    "Unavailable",
    "Unfollowed",
    "Unreachable",
    "VersionNotSupported",
    "Withheld",
    "changes_of",
    "event_of",
    "open_client",
    "reactions_of",
    "websocket_connector",
]
