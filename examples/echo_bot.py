"""A bot that says back what it is told, also what it was told while it was away.

    BEAMISH_PASSWORD="a long secret" python examples/echo_bot.py ws://127.0.0.1:8080/ws echo.device

The second argument is the file that makes it one device over all its runs.
"""

from __future__ import annotations

import contextlib
import os
import sys

import trio

from beamish.client import FileStore, Message, NotAllowed, open_client


async def main(url: str, file: str) -> None:
    """Answer until Ctrl-C."""
    password = os.environ["BEAMISH_PASSWORD"]
    async with open_client(
        url, user="echo", password=password, register=True, store=FileStore(file)
    ) as client:
        print(f"{client.name} listens", flush=True)
        async for event in client.events():
            match event:
                case Message(conversation=where, by=by, text=text) if by != client.name:
                    with contextlib.suppress(NotAllowed):  # removed from that group meanwhile
                        await client.send(where, text)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        trio.run(main, *sys.argv[1:])
