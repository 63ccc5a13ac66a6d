"""The screen: list, messages, and a line to write in, on prompt_toolkit. Runs in asyncio.

It shows the session's model as it is whenever it is drawn, and hands what the user does to
`act(function, *arguments)`, which runs it where the session lives. Nothing else is kept here but
how far one has scrolled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    Float,
    FloatContainer,
    HSplit,
    Layout,
    UIContent,
    UIControl,
    VSplit,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.styles import Style

from beamish.chat import rendering
from beamish.chat.commands import COMMANDS, EMOJIS, carry_out
from beamish.chat.model import HOME
from beamish.chat.plain import cut, plain
from beamish.chat.session import Session

LIST_WIDTH = 24
NARROW = 60
"""Columns below which the list is shown only while no conversation is open."""

STYLE = Style.from_dict(
    {
        "heading": "reverse", "footer": "reverse", "open": "reverse", "unread": "bold",
        "badge": "bold ansiyellow", "time": "ansibrightblack", "number": "ansibrightblack",
        "name": "bold ansicyan", "me": "bold ansigreen", "mention": "bold ansiyellow",
        "day": "ansibrightblack", "notice": "ansimagenta", "change": "italic ansibrightblack",
        "gone": "italic ansibrightblack", "waiting": "ansibrightblack", "read": "ansigreen",
        "reply": "ansibrightblack", "reactions": "", "typing": "italic ansibrightblack",
        "separator": "ansibrightblack",
    }
)  # fmt: skip

Act = Callable[..., None]


class Lines(UIControl):
    """Lines that `render(width, height)` makes anew each time they are drawn."""

    def __init__(self, render: Callable[[int, int], list[rendering.Line]]) -> None:
        self._render = render

    def create_content(self, width: int, height: int | None) -> UIContent:
        """What to draw."""
        lines: list[Any] = list(self._render(width, height or 1))
        return UIContent(get_line=lines.__getitem__, line_count=len(lines), show_cursor=False)

    def is_focusable(self) -> bool:
        """It is only looked at."""
        return False


class Words(Completer):
    """Completes commands, what they take, and the names behind an @."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002  # the base class's
    ) -> Iterable[Completion]:
        """What the word before the cursor may become."""
        text = document.text_before_cursor
        word = text.rsplit(" ", 1)[-1].rsplit("\n", 1)[-1]
        for candidate, meaning in self._candidates(text, word):
            if candidate.casefold().startswith(word.casefold()) and candidate != word:
                yield Completion(
                    candidate + " ", -len(word), display=plain(candidate, lines=False),
                    display_meta=plain(meaning, lines=False),
                )  # fmt: skip

    def _candidates(self, text: str, word: str) -> Iterable[tuple[str, str]]:
        model = self._session.model
        if text.startswith("/") and " " not in text:
            return [(f"/{c.name}", c.does) for c in COMMANDS.values()]
        if word.startswith("@"):
            people = (
                self._people("member") if not text.startswith("/group") else self._people("user")
            )
            return [(f"@{user}", model.name(user)) for user in people]
        if not text.startswith("/"):
            return []
        name, *before = text[1:].split(" ")
        found = COMMANDS.get(name)
        position = len(before) - 1
        if found is None or not 0 <= position < len(found.kinds):
            return []
        kind = found.kinds[position]
        if kind == "message" and name == "react":
            return [(f":{emoji}:", sign) for emoji, sign in EMOJIS.items()]
        if kind == "command":
            return [(c.name, c.does) for c in COMMANDS.values()]
        if kind == "role":
            return [(role, "") for role in ("owner", "admin", "member")]
        if kind == "conversation":
            rows = [c for c in model.conversations.values() if c.id != HOME]
            return [(model.title(c), c.id) for c in rows]
        return [(user, model.name(user)) for user in self._people(kind)]

    def _people(self, kind: str) -> list[str]:
        session = self._session
        model, where = session.model, session.open
        if kind == "member":
            direct = [model.peer(where)] if where.kind == "direct" else []
            return sorted({*where.members, *direct} - {model.me})
        return sorted(model.names.keys() - {model.me}) if kind == "user" else []


class Screen:
    """The application. `act` runs a function, in order, where the session lives."""

    def __init__(self, session: Session, act: Act) -> None:
        self._session = session
        self._act = act
        self._scroll = 0
        self._shown: object = None
        self._newest = 0
        self._words = Words(session)
        self._input = Buffer(
            multiline=True,
            completer=self._words,
            complete_while_typing=Condition(self._completing),
            on_text_changed=self._typed,
        )
        self.application: Application[None] = Application(
            layout=Layout(self._container(), focused_element=self._input),
            key_bindings=self._keys(),
            style=STYLE,
            full_screen=True,
            enable_page_navigation_bindings=False,
        )

    def _completing(self) -> bool:
        text = self._input.document.text_before_cursor
        return text.startswith("/") or text.rsplit(" ", 1)[-1].startswith("@")

    # -- what is where ----------------------------------------------------------------------------

    def _container(self) -> FloatContainer:
        wide = Condition(lambda: self._columns() >= NARROW or self._session.open.id == HOME)
        list_width = Dimension(min=12, preferred=LIST_WIDTH, max=LIST_WIDTH)
        side = ConditionalContainer(
            VSplit(
                [
                    Window(Lines(self._list), width=list_width),
                    Window(width=1, char="│", style="class:separator"),
                ]
            ),
            filter=wide,
        )
        prompt = Window(
            BufferControl(self._input, input_processors=[BeforeInput(self._prompt)]),
            height=Dimension(min=1, max=5),
            wrap_lines=True,
            dont_extend_height=True,
        )
        main = HSplit(
            [
                Window(Lines(self._heading), height=1, style="class:heading"),
                Window(Lines(self._messages)),
                Window(Lines(self._typing), height=1),
                prompt,
            ]
        )
        footer = Window(Lines(self._footer), height=1, style="class:footer")
        menu = Float(CompletionsMenu(max_height=8), xcursor=True, ycursor=True)
        return FloatContainer(HSplit([VSplit([side, main]), footer]), [menu])

    def _columns(self) -> int:
        return self.application.output.get_size().columns

    def _list(self, width: int, height: int) -> list[rendering.Line]:
        session = self._session
        return rendering.rows(session.model, session.open, width, height, _now())

    def _heading(self, width: int, _height: int) -> list[rendering.Line]:
        session = self._session
        return [rendering.heading(session.model, session.open, width, _now())]

    def _typing(self, _width: int, _height: int) -> list[rendering.Line]:
        if self._scroll:
            return [[("class:notice", " ↓ PageDown goes to what is new")]]
        session = self._session
        return [rendering.typing(session.model, session.open, time.monotonic())]

    def _prompt(self) -> str:
        return "> " if self._session.open.id != HOME else "/ "

    def _messages(self, width: int, height: int) -> list[rendering.Line]:
        """The lines in sight: from the bottom, less how far one has scrolled up."""
        session = self._session
        where = session.open
        if where is not self._shown:
            self._shown, self._scroll, self._newest = where, 0, where.newest
        if self._scroll:  # what one reads stays where it is when something new comes
            self._scroll += rendering.height_above(session.model, where, self._newest, width)
        self._newest = where.newest
        waiting = session.waiting()
        need = height + self._scroll
        lines = rendering.timeline(session.model, where, waiting, width, need + height)
        self._scroll = max(0, min(self._scroll, len(lines) - height))
        if len(lines) < need + height and not where.complete:
            self._act(session.start, session.load_older, where)
        end = len(lines) - self._scroll
        shown = lines[max(0, end - height) : end]
        return [[("", "")]] * (height - len(shown)) + shown

    def _footer(self, width: int, _height: int) -> list[rendering.Line]:
        session = self._session
        pending = session.client.pending
        state = "online" if session.online else "no connection"
        if pending and not session.online:
            state += f", {pending} to be sent"
        new = sum(1 for c in session.model.listed(_now()) if session.model.waiting(c))
        news = f" · {new} with something new" if new else ""
        text = plain(f" {session.model.me} · {state}{news}", lines=False)
        return [[("class:footer", cut(text, width))]]

    # -- what the user does -----------------------------------------------------------------------

    def _typed(self, buffer: Buffer) -> None:
        text = buffer.text
        if text and not text.startswith("/") and self._session.open.id != HOME:
            self._act(self._session.client.typing_nowait, self._session.open.id)

    def _enter(self) -> None:
        text = self._input.text
        if not text.strip():
            return
        self._input.append_to_history()
        self._input.reset()
        self._scroll = 0
        session = self._session
        if text.startswith("/") and not text.startswith("//"):
            self._act(session.start, carry_out, session, text)
        elif session.open.id == HOME:
            self._act(session.say, "Open a conversation first: /msg USER, or /open NAME.")
        else:
            self._act(session.send, text[1:] if text.startswith("//") else text)

    def _complete(self) -> None:
        """Take the only completion, or go through several."""
        buffer = self._input
        if buffer.complete_state is not None:
            buffer.complete_next()
            return
        event = CompleteEvent(completion_requested=True)
        found = list(self._words.get_completions(buffer.document, event))
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif found:
            buffer.start_completion(select_first=True)

    def _page(self, direction: int) -> None:
        rows = self.application.output.get_size().rows
        self._scroll = max(0, self._scroll + direction * max(rows - 6, 1))
        session = self._session
        self._act(self._note_end, session, self._scroll == 0)

    @staticmethod
    def _note_end(session: Session, at_end: bool) -> None:
        session.at_end = at_end
        session.seen()

    def _go(self, direction: int) -> None:
        session = self._session
        listed = session.model.listed(_now())
        if listed:
            index = listed.index(session.open) if session.open in listed else -max(direction, 0)
            self._act(session.show, listed[(index + direction) % len(listed)])

    def _go_to_news(self) -> None:
        session = self._session
        rows = [c for c in session.model.listed(_now()) if session.model.waiting(c)]
        if rows:
            self._act(session.show, max(rows, key=lambda c: (c.mentions, -c.at)))

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        def bind(*names: str, to: Callable[[], None]) -> None:
            def pressed(_: KeyPressEvent) -> None:
                to()

            keys.add(*names)(pressed)

        bind("enter", to=self._enter)
        bind("escape", "enter", to=lambda: self._input.insert_text("\n"))
        bind("tab", to=self._complete)
        bind("pageup", to=lambda: self._page(1))
        bind("pagedown", to=lambda: self._page(-1))
        bind("escape", "up", to=lambda: self._go(-1))
        bind("escape", "down", to=lambda: self._go(1))
        bind("c-p", to=lambda: self._go(-1))
        bind("c-n", to=lambda: self._go(1))
        bind("escape", "a", to=self._go_to_news)
        bind("c-c", to=self._clear_or_leave)
        bind("c-q", to=lambda: self._act(self._session.leave))
        return keys

    def _clear_or_leave(self) -> None:
        if self._input.text:
            self._input.reset()
        else:
            self._act(self._session.leave)


def _now() -> int:
    return int(time.time() * 1000)
