"""A node's figures in one map, for `beamish status` and the admin port."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from beamish.version import VERSION

if TYPE_CHECKING:
    from beamish.operations.watched import Watched


class Figures:
    """What identifies the process, what an operator looks at first, and what its parts count.

    `addresses`: what else tells who this is. `more`: figures of tests, where there are some.
    """

    def __init__(
        self,
        watched: Watched,
        data: Path,
        addresses: Mapping[str, str],
        more: Callable[[], Mapping[str, object]] | None = None,
    ) -> None:
        self._node = watched.node
        self._gateway = watched.gateway
        self._monitor = watched.monitor
        self._data = data
        self._addresses = addresses
        self._more = more

    def __call__(self) -> dict[str, object]:
        """The figures as of now."""
        more = {} if self._more is None else self._more()
        return {
            "pid": os.getpid(),
            **self._addresses,
            **self._glance(),
            "gateway": self._gateway.statistics(),
            **self._node.statistics(),
            **more,
        }

    def _glance(self) -> dict[str, object]:
        monitor = self._monitor
        messages, deliveries = monitor.rates()
        return {
            "version": VERSION,
            "uptime_s": round(trio.current_time() - monitor.started, 1),
            "users_online": self._node.environment.connections.users_online,
            "messages_per_s": round(messages, 1),
            "deliveries_per_s": round(deliveries, 1),
            "journal_bytes": journal_bytes(self._data),
            "longest_lag_ms": round(1_000 * monitor.longest_lag, 1),
            "restarts": sum(monitor.restarts.values()),
            "alarms": sorted(monitor.alarms),
        }


def journal_bytes(data: Path) -> int:
    """What the journal takes of the disk; its file is sparse, so not its length."""
    try:
        return (data / "data.mdb").stat().st_blocks * 512
    except OSError:
        return 0
