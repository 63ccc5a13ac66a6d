"""The slash commands: what each is called, what it takes, and what it does.

A command is a coroutine of the session and the words behind its name; what it returns is said to
the user. `kinds` names what may be completed for each word: "user", "member", "conversation",
"role", "message", "command", or "" for anything else.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from beamish.chat.model import HOME, Conversation
from beamish.chat.plain import moment, plain
from beamish.chat.session import Session
from beamish.client import FOREVER, Record

Run = Callable[[Session, str], Awaitable[str | None]]
NOT_HERE = "Open a conversation first: /msg USER, or /open NAME"
EMOJIS = {
    "+1": "👍", "-1": "👎", "heart": "❤️", "laugh": "😂", "wow": "😮", "sad": "😢", "party": "🎉",
    "eyes": "👀", "fire": "🔥", "check": "✅", "ok": "👌", "pray": "🙏",
}  # fmt: skip


class Usage(Exception):
    """The user's mistake, as a sentence."""


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command; `usage` are its words, `does` a sentence, `run` what it does."""

    name: str
    usage: str
    does: str
    kinds: tuple[str, ...]
    run: Run


COMMANDS: dict[str, Command] = {}


def command(usage: str, does: str, *kinds: str) -> Callable[[Run], Run]:
    """Make a coroutine a command; its name is the first word of `usage`."""

    def register(run: Run) -> Run:
        name, _, words = usage.partition(" ")
        COMMANDS[name] = Command(name, words, does, kinds, run)
        return run

    return register


async def carry_out(session: Session, line: str) -> None:
    """Carry out a line that begins with a slash; mistakes are told."""
    name, _, rest = line[1:].partition(" ")
    found = COMMANDS.get(name)
    if found is None:
        near = [known for known in COMMANDS if known.startswith(name)]
        if len(near) != 1 or not name:
            session.say(f"There is no command /{name}: /help lists them.")
            return
        found = COMMANDS[near[0]]
    where = session.open
    try:
        said = await found.run(session, rest.strip())
    except Usage as mistake:
        session.say(f"{mistake} Usage: /{found.name} {found.usage}".rstrip(), where)
        return
    if said:
        session.say(said)


# -- what commands need ---------------------------------------------------------------------------


def here(session: Session) -> Conversation:
    """The open conversation, which has to be one."""
    if session.open.id == HOME:
        raise Usage(NOT_HERE + ".")
    return session.open


def words(text: str, least: int, most: int) -> list[str]:
    """`text` as words, the last of them the rest; between `least` and `most`."""
    found = text.split(None, most - 1)
    if len(found) < least:
        raise Usage("Something is missing.")
    return found


def number(word: str, what: str) -> int:
    """A whole number."""
    if not word.removeprefix("#").isdecimal():
        raise Usage(f"{what} is a number, not {plain(word)}.")
    return int(word.removeprefix("#"))


def target(session: Session, text: str, *, own: bool | None) -> tuple[Record, str]:
    """The message that the first word names, and the rest; else the last one.

    `own`: the last one is one's own, somebody else's (False), anybody's (None).
    """
    where = here(session)
    first, _, rest = text.partition(" ")
    if first.startswith("#"):
        found = where.records.get(number(first, "A message"))
        if found is None or found["type"] != "message":
            raise Usage(f"There is no message {plain(first)} here.")
        return found, rest.strip()
    for record in where.messages():
        if own is None or own == (record["by"] == session.model.me):
            return record, text
    raise Usage("There is no message yet.")


# -- finding one's way ----------------------------------------------------------------------------


@command("help [COMMAND]", "what there is", "command")
async def _help(_: Session, text: str) -> str:
    if text:
        found = COMMANDS.get(text.lstrip("/"))
        if found is None:
            raise Usage(f"There is no command /{plain(text.lstrip('/'))}.")
        return f"/{found.name} {found.usage}\n{found.does}."
    rows = sorted(COMMANDS.values(), key=lambda c: c.name)
    lines = [f"/{f'{c.name} {c.usage}'.rstrip()} - {c.does}" for c in rows]
    return "\n".join(
        [
            *lines,
            "",
            "Enter sends, Alt-Enter begins a line, Tab completes, PageUp and PageDown scroll.",
            "Alt-Up and Alt-Down change the conversation, Alt-A goes to one with something new.",
            "#N is a message's number, shown beside it. A line that begins with // says /...",
        ]
    )


@command("msg USER [TEXT]", "open the direct conversation with a user", "user", "")
async def _msg(session: Session, text: str) -> None:
    user, *rest = words(text, 1, 2)
    if user == session.model.me:
        raise Usage("That is you.")
    session.show(session.model.get(session.client.direct(user)))
    if rest:
        session.send(rest[0])


@command("open NAME", "open a conversation by title, user or id", "conversation")
async def _open(session: Session, text: str) -> None:
    found = session.model.find(text)
    if found is None:
        raise Usage("There is none of that name.")
    session.show(found)


@command("home", "leave the conversation on screen, to the list")
async def _home(session: Session, _: str) -> None:
    session.show(session.model.get(HOME))


@command("who", "who is in this conversation")
async def _who(session: Session, _: str) -> str:
    where = here(session)
    about = await session.ensure(session.client.conversation(where.id))
    session.model.about(where, about)
    lines = [f"{session.model.title(where)} ({where.id}), {about.get('count', 0)} members"]
    if where.description:
        lines.append(where.description)
    for row in about["members"]:
        present = session.model.present.get(row["user"])
        is_there = " · online" if present is not None and present.online else ""
        lines.append(f"  {row['user']}  {row['display']}  {row['role']}{is_there}")
    if about.get("bans"):
        lines.append("banned: " + ", ".join(about["bans"]))
    lines += [f"link {row['link']} of {row['by']}, used {row['used']}" for row in
              about.get("links") or ()]  # fmt: skip
    return "\n".join(lines)


# -- messages -------------------------------------------------------------------------------------


@command("me TEXT", "say what you do")
async def _me(session: Session, text: str) -> None:
    here(session)
    session.send(words(text, 1, 1)[0], action=True)


@command("reply [#N] TEXT", "answer a message, by default the last of others", "message")
async def _reply(session: Session, text: str) -> None:
    record, rest = target(session, text, own=False)
    session.send(words(rest, 1, 1)[0], reply=record["n"])


@command("edit [#N] TEXT", "give your message, by default the last, another text", "message")
async def _edit(session: Session, text: str) -> None:
    where = here(session)
    record, rest = target(session, text, own=True)
    said = words(rest, 1, 1)[0]
    mentions = session.mentioned(where, said)
    await session.ensure(session.client.edit(where.id, record["n"], said, mentions=mentions))


@command("delete [#N]", "take your message, by default the last, away", "message")
async def _delete(session: Session, text: str) -> None:
    where = here(session)
    record, _ = target(session, text, own=True)
    await session.ensure(session.client.delete(where.id, record["n"]))


@command("react [#N] EMOJI", "react to a message, by default the last; - takes it back", "message")
async def _react(session: Session, text: str) -> None:
    where = here(session)
    record, rest = target(session, text, own=None)
    emoji = words(rest, 1, 1)[0]
    emoji = "" if emoji == "-" else EMOJIS.get(emoji.strip(":"), emoji)
    await session.ensure(session.client.react(where.id, record["n"], emoji))


# -- groups and channels --------------------------------------------------------------------------


@command("group TITLE [@USER ...]", "create a group", "")
async def _group(session: Session, text: str) -> None:
    title = " ".join(word for word in words(text, 1, 99) if not word.startswith("@"))
    users = [word[1:] for word in text.split() if word.startswith("@")]
    made = await session.ensure(session.client.create_group(title, users))
    session.show(session.model.get(made.conversation))


@command("channel TITLE", "create a channel, which anybody may read who knows its id", "")
async def _channel(session: Session, text: str) -> None:
    title = words(text, 1, 1)[0]
    made = await session.ensure(session.client.create_channel(title, public=True))
    session.show(session.model.get(made.conversation))


@command("join ID [SECRET]", "join a group, by a link's secret if it is not open", "")
async def _join(session: Session, text: str) -> None:
    group, *secret = words(text, 1, 2)
    await session.ensure(session.client.join(group, link=secret[0] if secret else None))
    session.show(session.model.get(group))


@command("leave", "leave this group")
async def _leave(session: Session, _: str) -> str:
    where = here(session)
    await session.ensure(session.client.leave(where.id))
    where.member = False
    return f"You have left {session.model.title(where)}."


def _about_user(name: str, does: str, kind: str) -> None:
    """A command that does something to a user in a group."""

    @command(f"{name} USER", does, kind)
    async def run(session: Session, text: str) -> None:
        where = here(session)
        user = words(text, 1, 1)[0].removeprefix("@")
        await session.ensure(getattr(session.client, name)(where.id, user))


_about_user("invite", "make a user a member", "user")
_about_user("remove", "remove a member", "member")
_about_user("ban", "keep a user out", "member")
_about_user("unban", "let a user in again", "user")


@command("role USER ROLE", "make a member owner, admin or member", "member", "role")
async def _role(session: Session, text: str) -> None:
    where = here(session)
    user, role = words(text, 2, 2)
    await session.ensure(session.client.set_role(where.id, user.removeprefix("@"), role))


@command("title TEXT", "call this group otherwise")
async def _title(session: Session, text: str) -> None:
    where = here(session)
    await session.ensure(session.client.set_info(where.id, title=words(text, 1, 1)[0]))


@command("about TEXT", "describe this group")
async def _about(session: Session, text: str) -> None:
    where = here(session)
    await session.ensure(session.client.set_info(where.id, description=text))


@command("slow SECONDS", "let members write once in so many seconds, 0: at will")
async def _slow(session: Session, text: str) -> None:
    where = here(session)
    seconds = number(words(text, 1, 1)[0], "The time")
    await session.ensure(session.client.set_slow_mode(where.id, seconds))


@command("link [USES]", "make an invitation link to this group")
async def _link(session: Session, text: str) -> str:
    where = here(session)
    uses = number(text, "The count") if text else None
    link = await session.ensure(session.client.create_link(where.id, uses=uses))
    verb = "subscribe" if where.kind == "channel" else "join"
    return f"Whoever has it comes in with: /{verb} {where.id} {link.secret}\nIts id: {link.id}"


@command("unlink ID", "let nobody in by a link any more")
async def _unlink(session: Session, text: str) -> str:
    where = here(session)
    await session.ensure(session.client.revoke_link(where.id, words(text, 1, 1)[0]))
    return "The link lets nobody in any more."


@command("subscribe ID [SECRET]", "read a channel, by a link's secret if it is not public", "")
async def _subscribe(session: Session, text: str) -> None:
    channel, *secret = words(text, 1, 2)
    await session.ensure(session.client.subscribe(channel, link=secret[0] if secret else None))
    session.show(session.model.get(channel))


@command("unsubscribe", "read this channel no longer")
async def _unsubscribe(session: Session, _: str) -> str:
    where = here(session)
    await session.ensure(session.client.unsubscribe(where.id))
    return f"You do not read {session.model.title(where)} any more."


# -- how it is shown, and the account -------------------------------------------------------------


@command("mute [MINUTES]", "do not call for attention, for a time or for ever; 0 ends it")
async def _mute(session: Session, text: str) -> str:
    where = here(session)
    minutes = number(text, "The time") if text else None
    until = FOREVER if minutes is None else int(time.time() + 60 * minutes) * 1000
    until = 0 if minutes == 0 else until
    await session.ensure(session.client.set_conversation(where.id, muted_until=until))
    return "It is heard again." if not until else "It is muted."


@command("archive", "out of the list until something new comes, or back")
async def _archive(session: Session, _: str) -> str:
    where = here(session)
    archived = not where.archived
    await session.ensure(session.client.set_conversation(where.id, archived=archived))
    return "It is archived." if archived else "It is in the list again."


@command("pin", "to the top of the list, or back")
async def _pin(session: Session, _: str) -> str:
    where = here(session)
    pinned = not where.pinned
    await session.ensure(session.client.set_conversation(where.id, pinned=pinned))
    return "It is pinned." if pinned else "It is not pinned any more."


@command("name TEXT", "the name that others see")
async def _name(session: Session, text: str) -> str:
    await session.ensure(session.client.set_profile(display=words(text, 1, 1)[0]))
    return "Others see that from now on."


@command("status [TEXT]", "what others see beside your name")
async def _status(session: Session, text: str) -> str:
    await session.ensure(session.client.set_profile(status=text))
    return "Others see that from now on." if text else "Your status is empty."


@command("block USER", "hear nothing more of a user", "user")
async def _block(session: Session, text: str) -> str:
    user = words(text, 1, 1)[0].removeprefix("@")
    await session.ensure(session.client.block(user))
    return f"{plain(user)} is blocked."


@command("unblock USER", "hear of a user again", "user")
async def _unblock(session: Session, text: str) -> str:
    user = words(text, 1, 1)[0].removeprefix("@")
    await session.ensure(session.client.unblock(user))
    return f"{plain(user)} is not blocked any more."


@command("devices", "where you are logged in")
async def _devices(session: Session, _: str) -> str:
    now = int(time.time() * 1000)
    rows = await session.ensure(session.client.devices())
    return "\n".join(
        f"{row.device}  {row.name or 'without a name'}, used {moment(row.seen, now)}"
        + (" (this one)" if row.current else "")
        for row in rows
    )


@command("revoke DEVICE", "log a device out")
async def _revoke(session: Session, text: str) -> str:
    await session.ensure(session.client.revoke_device(words(text, 1, 1)[0]))
    return "That device is logged out."


@command("logout", "log this device out and end")
async def _logout(session: Session, _: str) -> None:
    await session.ensure(session.client.logout())
    session.leave()


@command("quit", "end; what is not sent yet is sent at the next start")
async def _quit(session: Session, _: str) -> None:
    session.leave()
