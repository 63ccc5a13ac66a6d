"""Writes docs/images/chat.svg: what a terminal shows after a story told to a real node.

Run it as `python -m tests.beamish.chat.capture`.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

import trio
from rich.console import Console
from rich.style import Style
from rich.text import Text

from beamish.client import Client, open_client
from tests.beamish.chat.terminal import Terminal
from tests.beamish.cli.process import COMMAND, served

IMAGE = Path(__file__).resolve().parents[3] / "docs" / "images" / "chat.svg"
PASSWORD = "correct horse"
COLORS = {"brown": "yellow", "brightblack": "bright_black", "default": None}


def captured(terminal: Terminal) -> str:
    """The screen as an SVG that loads nothing from elsewhere."""
    screen = terminal.screen
    console = Console(
        record=True, width=screen.columns, file=io.StringIO(), force_terminal=True,
        color_system="truecolor",
    )  # fmt: skip
    for y in range(screen.lines):
        line = Text()
        for x in range(screen.columns):
            cell = screen.buffer[y][x]
            color = COLORS.get(cell.fg, cell.fg)
            color = re.sub("^bright(?!_)", "bright_", color) if color else None
            style = Style(color=color, bold=cell.bold, italic=cell.italics, reverse=cell.reverse)
            line.append(cell.data, style)
        console.print(line, end="\n", no_wrap=True, overflow="crop")
    svg = console.export_svg(title="beamish chat", unique_id="chat")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


async def tell(url: str, ready: trio.Event, done: trio.Event) -> None:
    """What others say, until the picture is taken."""

    def member(user: str, display: str):
        return open_client(url, user=user, password=PASSWORD, register=True, display=display)

    async with (
        member("grace", "Grace") as grace,
        member("alan", "Alan") as alan,
        member("ada", "Ada") as ada,
    ):
        people: list[Client] = [grace, alan, ada]
        tea = (await grace.create_group("Tea at four", ["alan", "ada"])).conversation
        await grace.set_info(tea, description="Kettle on, kitchen, every day")
        engine = (await alan.create_group("Engine room", ["ada"])).conversation
        await alan.send(engine, "the new bearings are here")
        sent = await grace.send(tea, "is there any cake left?")
        await alan.send(tea, "looks into the tin", action=True)
        await alan.send(tea, "two pieces. @ada, yours?", mentions=["ada"], reply=sent.n)
        await ada.send(tea, "one of them, please")
        await grace.send(tea, "the kettle is on. bring the tin and come down, it is nearly four")
        await alan.edit(tea, 5, "three pieces. @ada, yours?", mentions=["ada"])
        for user in (grace, ada):
            await user.react(tea, 5, "👍")
        await alan.react(tea, 6, "🎉")
        await grace.send(grace.direct("ada"), "see you downstairs")
        assert people
        ready.set()
        await done.wait()


async def main() -> None:
    """Take the picture."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as node:
        async with trio.open_nursery() as nursery:
            ready, done = trio.Event(), trio.Event()
            nursery.start_soon(tell, node.ws, ready, done)
            await ready.wait()
            IMAGE.write_text(await trio.to_thread.run_sync(show, node.ws, folder))
            done.set()


def show(url: str, folder: str) -> str:
    """Ada's terminal."""
    file = Path(folder) / "ada.device"
    terminal = Terminal([*COMMAND, "chat", url, "--user", "ada", "--file", file])
    try:
        terminal.until("Password:")
        terminal.line(PASSWORD)
        terminal.until("3 with something new")
        terminal.line("/open Tea")
        terminal.until("nearly")
        terminal.keys("coming, with a sp")
        terminal.until("with a sp")
        return captured(terminal)
    finally:
        terminal.close()


if __name__ == "__main__":
    trio.run(main)
