"""The wire protocol of `docs/protocol.md`: encodings, commands, errors and limits.

    codec = JsonCodec()
    for item in codec.decode(frame):            # raises ProtocolError: close with its code
        try:
            command = parse(item, codec.limits)  # raises Refusal: answer, go on
        except Refusal as refusal:
            if wants_reply(item):
                answer(encode_refusal(codec, reply_id(item), refusal))

Nothing here knows of connections, sessions or storage.
"""

from beamish.protocol.codec import JSON, MSGPACK, Codec, Item, JsonCodec, MsgpackCodec, codecs
from beamish.protocol.commands import (
    COMMANDS,
    VERSIONS,
    Ack,
    Attach,
    Ban,
    Command,
    ConversationInfo,
    CreateGroup,
    CreateLink,
    Fetch,
    Hello,
    History,
    InConversation,
    Invite,
    Join,
    Leave,
    Login,
    Logout,
    Marks,
    Numbered,
    Ping,
    Read,
    Register,
    Remove,
    Resume,
    RevokeLink,
    Send,
    SetInfo,
    SetPermissions,
    SetRole,
    SetSlowMode,
    SnapshotPage,
    Unban,
    UserInfo,
    parse,
    reply_id,
    wants_reply,
)
from beamish.protocol.errors import RETRYABLE, CloseCode, ErrorCode, ProtocolError, Refusal
from beamish.protocol.limits import DEFAULT_LIMITS, MAX_INTEGER, Limits
from beamish.protocol.replies import encode_event, encode_refusal, encode_reply

__all__ = [
    "COMMANDS",
    "DEFAULT_LIMITS",
    "JSON",
    "MAX_INTEGER",
    "MSGPACK",
    "RETRYABLE",
    "VERSIONS",
    "Ack",
    "Attach",
    "Ban",
    "CloseCode",
    "Codec",
    "Command",
    "ConversationInfo",
    "CreateGroup",
    "CreateLink",
    "ErrorCode",
    "Fetch",
    "Hello",
    "History",
    "InConversation",
    "Invite",
    "Item",
    "Join",
    "JsonCodec",
    "Leave",
    "Limits",
    "Login",
    "Logout",
    "Marks",
    "MsgpackCodec",
    "Numbered",
    "Ping",
    "ProtocolError",
    "Read",
    "Refusal",
    "Register",
    "Remove",
    "Resume",
    "RevokeLink",
    "Send",
    "SetInfo",
    "SetPermissions",
    "SetRole",
    "SetSlowMode",
    "SnapshotPage",
    "Unban",
    "UserInfo",
    "codecs",
    "encode_event",
    "encode_refusal",
    "encode_reply",
    "parse",
    "reply_id",
    "wants_reply",
]
