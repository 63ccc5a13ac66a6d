"""Open files: a connection each, so processes with thousands of them ask for all they may have."""

from __future__ import annotations

import resource


def raise_file_limit() -> int:
    """Raises the soft limit of open files to the hard one; the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
