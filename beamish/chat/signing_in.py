"""Becoming a device: a file with a token in it, made by a login, used from then on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import trio

from beamish.client import FileStore, Settings, open_client

PATIENCE = 15.0
"""Seconds to look for a node when signing in; later the chat looks for ever."""


def node_url(given: str) -> str:
    """The WebSocket address of a node, from what a person would write: `host:port` will do.

    Raises:
        ValueError: it is no address.
    """
    parts = urlsplit(given if "://" in given else f"ws://{given}")
    schemes = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"{given} is no node's address: write ws://HOST:PORT/ws, or HOST:PORT")
    path = parts.path if parts.path.strip("/") else "/ws"
    return urlunsplit((schemes[parts.scheme], parts.netloc, path, parts.query, ""))


def default_file(url: str, user: str) -> Path:
    """Where this user's device for that node is kept."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    node = urlsplit(url).netloc.replace(":", "_")
    return Path(base) / "beamish" / f"{user}@{node}.device"


def known_user(file: Path) -> str | None:
    """Whose device the file is; None: there is none, or it is logged out.

    Raises:
        StoreError: the file is in use, or no device.
    """
    if not file.exists():
        return None

    async def look() -> str | None:
        store = FileStore(file)
        state = await store.load()
        await store.release()
        return None if state.identity is None else state.identity.user

    return trio.run(look)


def sign_in(
    url: str, user: str, password: str, file: Path, *, register: bool, display: str | None = None
) -> None:
    """Make the file a device of `user`.

    Raises:
        AuthenticationFailed: the password is wrong.
        Unreachable: there is no node.
        ClientError: a node, or the file, refuses.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    here = f"terminal on {platform.node() or 'a computer'}"[:64].strip()

    async def log_in() -> None:
        async with open_client(
            url,
            user=user,
            password=password,
            register=register,
            display=display,
            device_name=here,
            store=FileStore(file),
            settings=Settings(give_up=PATIENCE),
        ):
            pass

    trio.run(log_in)
