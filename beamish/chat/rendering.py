"""The model as lines of styled text, of a given width. Pure; every foreign text goes by `plain`.

A line is a list of `(style, text)`, in prompt_toolkit's words *formatted text*. Only what is needed
from the end on is laid out, so a long conversation costs no more than a short one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from prompt_toolkit.utils import get_cwidth

from beamish.chat.model import HOME, Conversation, Model
from beamish.chat.plain import clock, cut, day, moment, plain, wrapped
from beamish.client import Record

Line = list[tuple[str, str]]

_TIME = 6
_CHANGES = {
    "create": "{by} created this",
    "join": "{by} joined",
    "leave": "{by} left",
    "invite": "{by} invited {user}",
    "remove": "{by} removed {user}",
    "ban": "{by} banned {user}",
    "unban": "{by} lets {user} in again",
    "role": "{by} made {user} {role}",
    "permissions": "{by} changed who may what",
    "link": "{by} made the invitation link {link}",
    "link_gone": "{by} revoked the invitation link {link}",
}
_SILENT = frozenset(("edit", "react", "delete"))


def timeline(
    model: Model, conversation: Conversation, waiting: list[Record], width: int, count: int
) -> list[Line]:
    """The last `count` lines of a conversation, or all if it has fewer."""
    lines: list[Line] = []
    for block in _blocks(model, conversation, waiting, width):
        lines[:0] = block
        if len(lines) >= count:
            break
    return lines[-count:]


def _blocks(
    model: Model, conversation: Conversation, waiting: list[Record], width: int
) -> Iterator[list[Line]]:
    """What there is to show, from the newest backwards."""
    for fields in reversed(waiting):
        yield _waiting(model, fields, width)
    notices = conversation.notices[::-1]
    order, records = conversation.order, conversation.records
    for index in range(len(order) - 1, -1, -1):
        record = records[order[index]]
        while notices and notices[0].after >= record["n"]:
            yield _notice(notices.pop(0).text, width)
        block = record_lines(model, conversation, record, width)
        if not block:
            continue
        if index == 0 or day(records[order[index - 1]]["at"]) != day(record["at"]):
            block.insert(0, [("class:day", f"── {day(record['at'])} ──")])
        yield block
    for notice in notices:
        yield _notice(notice.text, width)


def height_above(model: Model, conversation: Conversation, n: int, width: int) -> int:
    """How many lines the records above record `n` take."""
    first = bisect_right(conversation.order, n)
    fresh = (conversation.records[number] for number in conversation.order[first:])
    return sum(len(record_lines(model, conversation, record, width)) for record in fresh)


def _notice(text: str, width: int) -> list[Line]:
    return [[("class:notice", line)] for line in wrapped(plain(text), width)]


def _waiting(model: Model, fields: Record, width: int) -> list[Line]:
    head: Line = [("class:time", f"{'…':<{_TIME}}"), ("class:me", model.name(model.me) + ": ")]
    return _said(head, plain(fields["text"]), "class:waiting", width)


def _said(head: Line, text: str, style: str, width: int) -> list[Line]:
    """A head and a text behind it, which goes on below it, indented."""
    room = sum(get_cwidth(part) for _, part in head)
    indent = min(room, _TIME + 2, max(width - 8, 0))
    if room > max(width - 8, 0):
        return [head, *([("", " " * indent), (style, part)] for part in
                        wrapped(text, width - indent))]  # fmt: skip
    # The first line has less room than those below it.
    filled = "\N{NO-BREAK SPACE}" * (room - indent)
    first, *rest = wrapped(filled + text, width - indent)
    lines: list[Line] = [[*head, (style, first.removeprefix(filled))]]
    return lines + [[("", " " * indent), (style, part)] for part in rest]


def record_lines(
    model: Model, conversation: Conversation, record: Record, width: int
) -> list[Line]:
    """One record; a touch of another one shows nothing."""
    if record["type"] != "message":
        return _change_lines(model, record, width)
    mine = record["by"] == model.me
    head: Line = [("class:time", f"{clock(record['at']):<{_TIME}}")]
    head.append(("class:number", f"#{record['n']} "))
    who = "class:me" if mine else "class:name"
    name = plain(model.name(record["by"]), lines=False)
    if "text" not in record:
        what = "deleted" if "deleted" in record else "edited later"
        return [[*head, (who, f"{name} "), ("class:gone", f"({what})")]]
    head.append((who, f"* {name} " if record.get("action") else f"{name}: "))
    style = "class:mention" if model.me in (record.get("mentions") or ()) else ""
    lines = _said(head, plain(record["text"]), style, width)
    if "edited" in record:
        lines[-1] = [*lines[-1], ("class:gone", " (edited)")]
    if mine and conversation.peer_read >= record["n"]:
        lines[-1] = [*lines[-1], ("class:read", " ✓")]
    if record.get("reply"):
        lines.insert(0, _reply(model, conversation, record["reply"], width))
    if record.get("reactions"):
        lines.append(_reactions(record, width))
    return lines


def _reply(model: Model, conversation: Conversation, n: int, width: int) -> Line:
    answered = conversation.records.get(n, {})
    text = answered.get("text", "(deleted)" if answered else "…")
    who = model.name(answered["by"]) if answered else ""
    whole = plain(f"{' ' * _TIME}↳ #{n} {who}: {text}", lines=False)
    return [("class:reply", cut(whole, width))]


def _reactions(record: Record, width: int) -> Line:
    counts = Counter(plain(emoji, lines=False) for _, emoji, _ in record["reactions"])
    shown = "  ".join(f"{emoji} {count}" for emoji, count in counts.items())
    return [("class:reactions", cut(" " * (_TIME + 2) + shown, width))]


def _change_lines(model: Model, record: Record, width: int) -> list[Line]:
    kind = record["type"]
    if kind in _SILENT:
        return []
    by, user = model.name(record["by"]), model.name(record.get("user") or "")
    if kind == "info":
        parts = [
            f"calls this “{record['title']}”" if "title" in record else "",
            f"describes this: {record['description']}" if record.get("description") else "",
            ("opened this to all" if record["open"] else "closed this") if "open" in record else "",
        ]
        text = f"{by} " + (", ".join(filter(None, parts)) or "changed the description")
    elif kind == "slow_mode":
        seconds = record["seconds"]
        text = f"{by} " + (
            f"lets members write every {seconds} s" if seconds else "ended slow mode"
        )
    elif kind in _CHANGES:
        given = {"role": record.get("role"), "link": record.get("link")}
        text = _CHANGES[kind].format(by=by, user=user, **given)
    else:
        text = f"{by}: {kind}"
    return _said([("class:time", f"{clock(record['at']):<{_TIME}}")], plain(text),
                 "class:change", width)  # fmt: skip


# -- around the messages --------------------------------------------------------------------------


def heading(model: Model, conversation: Conversation, width: int, now: int) -> Line:
    """The title of what is open, and who is there."""
    title = plain(model.title(conversation), lines=False)
    return [("class:heading", cut(f" {title}{_beside(model, conversation, now)}", width))]


def _beside(model: Model, conversation: Conversation, now: int) -> str:
    if conversation.id == HOME:
        return " · /help tells what there is"
    if conversation.kind != "direct":
        count = len(conversation.members)
        parts = [conversation.kind, f"{count} members" if count else ""]
        if not conversation.member and not conversation.subscribed:
            parts.append("you are not in it")
        parts.append(plain(conversation.description, lines=False))
    else:
        present = model.present.get(model.peer(conversation))
        parts = [model.peer(conversation)]
        if present is not None:
            if present.online:
                parts.append("online")
            elif present.last_seen:
                parts.append(f"last seen {moment(present.last_seen, now)}")
            parts.append(plain(present.status, lines=False))
    return "".join(f" · {part}" for part in parts if part)


def typing(model: Model, conversation: Conversation, now: float) -> Line:
    """Who is writing."""
    users = [user for user, until in conversation.typing.items() if until > now]
    names = ", ".join(plain(model.name(user), lines=False) for user in users[:3])
    return [("class:typing", f" {names} {'is' if len(users) == 1 else 'are'} writing …")] \
        if users else []  # fmt: skip


def rows(model: Model, conversation: Conversation, width: int, count: int, now: int) -> list[Line]:
    """The list of conversations, with the open one in sight."""
    listed = model.listed(now)
    if not listed:
        return [[("class:notice", line)] for line in wrapped("Nothing yet. /msg USER", width)]
    index = listed.index(conversation) if conversation in listed else 0
    start = max(0, min(index - count // 2, len(listed) - count))
    return [_row(model, c, width, now, is_open=c is conversation)
            for c in listed[start : start + count]]  # fmt: skip


def _row(model: Model, conversation: Conversation, width: int, now: int, *, is_open: bool) -> Line:
    waiting, muted = model.waiting(conversation), conversation.muted_until > now
    badge = f" @{conversation.mentions}" if conversation.mentions else ""
    badge += f" {waiting}" if waiting else ""
    signs = {"group": "#", "channel": "!"}
    sign = signs.get(conversation.kind, " ")
    if conversation.kind == "direct":
        present = model.present.get(model.peer(conversation))
        sign = "•" if present is not None and present.online else " "
    title = cut(plain(model.title(conversation), lines=False), width - len(badge) - 2)
    gap = " " * max(0, width - 2 - get_cwidth(title) - len(badge))
    style = "class:open" if is_open else "class:unread" if waiting and not muted else "class:row"
    return [(style, f"{sign} {title}{gap}"), (f"{style} class:badge", badge)]
