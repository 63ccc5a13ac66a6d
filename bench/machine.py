"""What the figures were measured on, and the readings of a process that several benches need."""

from __future__ import annotations

import gc
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, object]:
    """The machine, the interpreter and the libraries that the figures depend on."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {
            name: version(name) for name in ("trio", "trio-websocket", "msgpack", "lmdb")
        },
        "load_average": round(os.getloadavg()[0], 2),
        "fsync_ms": round(fsync_ms(Path(tempfile.gettempdir())), 3),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def fsync_ms(folder: Path, times: int = 50) -> float:
    """The median time of writing 4 KiB and syncing it, in a new file in `folder`."""
    taken: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2] * 1000


def rss_bytes(pid: int | str = "self") -> int:
    """Resident memory of a process, after a collection when it is this one."""
    if pid == "self":
        gc.collect()
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, that a process has used since it began."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def require_linux() -> None:
    """Raise SystemExit with a sentence where there is no /proc to read."""
    if not sys.platform.startswith("linux"):
        raise SystemExit("The benches read /proc, so they run on Linux only.")
