"""Where alone this package meets clock, chance, threads, and the calls of the system.

Only the LMDB engine uses it; nothing that runs under simulation does.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

RANDOM = SystemRandom()

Condition = threading.Condition
Event = threading.Event
Lock = threading.Lock


def wall_ms() -> int:
    """Milliseconds since 1970, UTC, by this machine's clock."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds on a clock that only advances."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Block this thread."""
    time.sleep(seconds)


def start_thread(name: str, run: Callable[[], None]) -> threading.Thread:
    """A started daemon thread: a sync that never returns must not keep the process alive."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a stream between threads. Either may be `shut` while the other is in use."""
    return socket.socketpair()


def shut(end: socket.socket) -> None:
    """End a stream both ways: reads give nothing more, writes fail, those that wait are woken."""
    with suppress(OSError):  # closed, or shut before
        end.shutdown(socket.SHUT_RDWR)


def same_disk(one: Path, other: Path) -> bool:
    """Whether two paths are on the same file system."""
    return one.stat().st_dev == other.stat().st_dev


def free_bytes(path: Path) -> int:
    """What the filesystem under ``path`` still gives to unprivileged writers."""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def lock_file(path: Path) -> int | None:
    """An open descriptor that holds an exclusive lock, until closed or dead; None: taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def lock_existing(path: Path) -> int | None:
    """The same for a file that is not made or written; raises `FileNotFoundError` without one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Give up a lock of `lock_file`."""
    os.close(descriptor)


def allocate(path: Path, size: int) -> None:
    """Make a file of ``size`` bytes that really occupies them."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that after any crash it is there with its old or its new content."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the directory's entries durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
