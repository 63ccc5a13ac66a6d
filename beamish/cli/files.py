"""Open files: a connection each, so processes with thousands of them ask for all they may have."""

from __future__ import annotations

import resource

SPARE_FILES = 320
"""What a node opens besides its connections: journal, control socket, admin port, backups, and the
connections above the bound while they hear that they are refused."""


def file_limit() -> int:
    """How many files this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def connections_room(limit: int) -> int:
    """Connections that a node can hold under a limit of open files; more would find none left."""
    return limit - SPARE_FILES if limit >= 2 * SPARE_FILES else max(1, limit // 2)


def turned_away_room(limit: int) -> int:
    """Connections above the bound that may hear why at once, out of the files that are spare."""
    return min(128, (limit - connections_room(limit)) // 4)


def raise_file_limit() -> int:
    """Raises the soft limit of open files to the hard one; the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
