"""What the command line may do to accounts, on a running node or on a directory that nobody serves.

Both go through `carry_out`, so a command means the same either way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beamish.messenger.accounts.administration import Administration

MARKER = "journal.json"
"""Every data directory has it."""


async def _add(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    await accounts.add(asked["user"], asked["password"], asked.get("display"))
    return {"user": asked["user"]}


async def _list(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    return {"users": await accounts.list(asked.get("after"), int(asked.get("limit", 1_000)))}


async def _passwd(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    await accounts.set_password(asked["user"], asked["password"])
    return {"user": asked["user"]}


async def _logout(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    await accounts.log_out(asked["user"])
    return {"user": asked["user"]}


async def _disable(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    await accounts.disable(asked["user"])
    return {"user": asked["user"]}


async def _enable(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    await accounts.enable(asked["user"])
    return {"user": asked["user"]}


async def _delete(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    await accounts.delete(asked["user"])
    return {"user": asked["user"]}


Change = Callable[["Administration", Mapping[str, Any]], Awaitable[dict[str, Any]]]

COMMANDS: dict[str, Change] = {
    "user_add": _add,
    "user_list": _list,
    "user_passwd": _passwd,
    "user_logout": _logout,
    "user_disable": _disable,
    "user_enable": _enable,
    "user_delete": _delete,
}
"""By their names on the control socket."""


async def carry_out(accounts: Administration, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Do what a request asks for, and tell what was done. Raises ValueError, KeyError."""
    return await COMMANDS[asked["command"]](accounts, asked)


def has_journal(data: Path) -> bool:
    """Whether this is a data directory, served or not."""
    return (data / MARKER).exists()


async def carry_out_offline(data: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The same on a directory that no node serves, which is locked meanwhile.

    Raises:
        storage.DirectoryError: it cannot be opened; a node may have begun to serve it.
        ValueError: it cannot be done.
    """
    from beamish.node import NodeConfig, open_node

    async with open_node(NodeConfig(data)) as node:
        return await carry_out(node.accounts, asked)
