"""Disks that fill up or fail under a running node, and get well again.

`SmallDisk`: the node runs in a user and mount namespace of its own where its data directory is a
tmpfs of some MiB; a filler file there makes it as full as wanted (ENOSPC). `FailingDisk`: a limit
on the size of files, set on the running process, makes writes beyond it fail (EFBIG, short writes).
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from pathlib import Path

from tests.reliability.node import NodeUnderTest


def namespaces_missing() -> str | None:
    """What this system lacks for `SmallDisk`; None: nothing."""
    if shutil.which("unshare") is None:
        return "unshare (util-linux)"
    tried = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "true"],
        capture_output=True,
        check=False,
    )
    return None if tried.returncode == 0 else "user namespaces for this user"


class SmallDisk:
    """A node on a disk of `size` MiB."""

    def __init__(self, folder: Path, size: int, *options: str) -> None:
        data = folder / "data"
        data.mkdir()
        mount = f'mount -t tmpfs -o size={size}m,mode=700 tmpfs "{data}" && exec "$@"'
        before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
        self.node = NodeUnderTest(folder, options, before)

    @property
    def inside(self) -> Path:
        """The data directory as the node sees it."""
        return Path(f"/proc/{self.node.pid}/root{self.node.data}")

    @property
    def free(self) -> int:
        found = os.statvfs(self.inside)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int) -> None:
        """Leave `leave` bytes free; 0 takes whatever comes free meanwhile, the ballast too."""
        with (self.inside / "filler").open("ab") as filler:
            while (spare := self.free - leave) > 0:
                size = os.fstat(filler.fileno()).st_size
                with contextlib.suppress(OSError):  # the node has taken some meanwhile: look again
                    os.posix_fallocate(filler.fileno(), size, spare)

    def empty(self) -> None:
        """Give the space back."""
        (self.inside / "filler").unlink()


class FailingDisk:
    """A node whose files cannot grow while `fail` holds."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.node = NodeUnderTest(folder, options)

    def fail(self) -> None:
        size = (self.node.data / "data.mdb").stat().st_size
        self._limit(size)

    def mend(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        _, hard = resource.prlimit(self.node.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.node.pid, resource.RLIMIT_FSIZE, (size, hard))
