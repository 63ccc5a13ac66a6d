"""The chat as a whole: client, session and screen, until the user leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from beamish.chat import guest
from beamish.chat.screen import Screen
from beamish.chat.session import Session
from beamish.client import ClientError, FileStore, open_client


def chat(url: str, user: str, file: Path) -> ClientError | None:
    """Chat on the terminal as the device in `file`; what ended it, None if the user did.

    Raises:
        StoreError: the file is in use, or another user's.
    """

    async def serve(act: guest.Act, host: guest.Host) -> ClientError | None:
        store = FileStore(file)
        async with open_client(url, user=user, store=store, wait=False) as client:
            screens: list[Screen] = []

            def changed() -> None:
                for screen in screens:
                    screen.application.invalidate()

            session = Session(client, store, changed)

            def carefully(function: Callable[..., object], *arguments: object) -> None:
                act(_unless_closed, session, function, arguments)

            screen = Screen(session, carefully)
            screens.append(screen)
            host(screen.application.run_async)
            try:
                return await session.run()
            finally:
                if screen.application.is_running:
                    screen.application.exit()

    return guest.run(serve)


def _unless_closed(
    session: Session, function: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    """Do what the user asks for; refusals are told, and a client that has ended takes nothing."""
    if session.client.failure is not None:
        return
    try:
        function(*arguments)
    except ClientError as error:
        session.say(str(error))
