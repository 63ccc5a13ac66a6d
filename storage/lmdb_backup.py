"""Online backup: the journal as of one moment, copied while it goes on.

Two threads of its own, and a socket between them: one has LMDB write the environment as of one read
transaction, compacted, into the socket, outside of the interpreter; the other writes what comes out
into the target, with its checksum. So commits and reads never wait for a backup, the copy can be
counted, and shutting the socket ends it at any time: LMDB's own copy into a file can neither be
watched nor stopped.

**What it costs meanwhile.** LMDB reuses no page that the read transaction can still see: the
journal's file grows by what is committed during the copy, and keeps that size (as free pages). So a
copy ends when the disk of the journal falls below its reserve, or when the target takes nothing for
``stall_s``, and is done in pieces of `PIECE_BYTES` that are synced one by one, lest the last sync
hold up those of the journal.

Everything committed before `backup` was called is in it, nothing that was committed later, no part
of a commit. It holds no byte of a record or snapshot that was replaced, amended or truncated before
(in a journal of format 2; at either end of the unused part of a page up to seven old bytes may
stand).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import lmdb
import trio

from storage import host
from storage.backup_manifest import DATA, MANIFEST, Backup, BackupError, Progress, write_manifest
from storage.journal import Journal
from storage.lmdb_commits import Committer
from storage.lmdb_engine import LmdbJournal

PIECE_BYTES = 16 << 20
CHUNK_BYTES = 1 << 20
WATCH_S = 0.1
END_S = 10.0
"""How long a backup that is given up may take to end before it is left behind."""


async def backup(
    journal: Journal,
    target: str | Path,
    *,
    progress: Progress | None = None,
    stall_s: float = 60.0,
) -> Backup:
    """Copy an open journal into a new or empty directory, and say what was copied.

    When it returns, file and directory are synced and `storage.restore` takes them. One at a time.
    ``progress`` is called in the trio thread, some times a second, with the bytes done and those
    that there are. Cancelled, or failed with `BackupError` (a sentence: the disk is full, the
    directory is not empty, the journal was closed, ...), it removes what it had written; only a
    target that answers nothing for ``stall_s`` is left as it is.
    """
    if not isinstance(journal, LmdbJournal):
        raise BackupError("this journal has no directory to copy; open one with open_lmdb")
    if journal._backing_up:
        raise BackupError("a backup of this journal is under way; wait for its end")
    journal._backing_up = True
    run = _Run(journal._committer, Path(target))
    try:
        return await _watch(run, progress, stall_s)
    finally:
        journal._backing_up = False


async def _watch(run: _Run, progress: Progress | None, stall_s: float) -> Backup:
    run.start()
    moved, since = -1, trio.current_time()
    try:
        while not run.ended.is_set():
            with trio.move_on_after(WATCH_S):
                await run.ended.wait()
            if progress is not None and run.total:
                progress(run.done, run.total)
            if run.steps != moved:
                moved, since = run.steps, trio.current_time()
            elif trio.current_time() - since > stall_s:
                run.give_up(f"{run.target} has taken nothing for {stall_s:g} s; check its disk")
                break
    finally:
        if not run.ended.is_set():
            run.give_up("the backup was cancelled")
            with trio.move_on_after(END_S, shield=True):
                await run.ended.wait()
    return run.outcome()


class _Run:
    """One backup under way."""

    def __init__(self, committer: Committer, target: Path) -> None:
        self.target = target
        self.done = self.total = self.steps = 0
        self.ended = trio.Event()
        self.left = host.Event()
        """Clear as long as the environment is read; see `Committer.lend`."""
        self.left.set()
        self._committer = committer
        self._token = trio.lowlevel.current_trio_token()
        self._inlet, self._outlet = host.socket_pair()
        self._failure: str | None = None
        self._copier: Any = None
        self._made = False
        self._origin = (0, "", 0)
        self._result: Backup | None = None

    def start(self) -> None:
        host.start_thread("journal backup", self._run)

    def give_up(self, why: str) -> None:
        """End the copy, for this reason if there is none yet; any thread may call it."""
        if self._failure is None:
            self._failure = why
        host.shut(self._outlet)

    def outcome(self) -> Backup:
        """What was copied; raises `BackupError`."""
        if self._result is None:
            raise BackupError(self._failure or "the backup was cancelled")
        return self._result

    # -- the thread that writes -------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._prepare()
            self._result = self._write()
        except BackupError as error:
            self.give_up(str(error))
        except OSError as error:
            self.give_up(self._sentence(error))
        except Exception as error:
            self.give_up(f"the backup failed in an unforeseen way: {error!r}")
        if self._copier is not None:
            self._copier.join()
        if self._result is None:
            self._remove()
        self._inlet.close()
        self._outlet.close()
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.ended.set)

    def _prepare(self) -> None:
        source = self._committer.path.resolve()
        if source in (self.target.resolve(), *self.target.resolve().parents):
            raise BackupError(f"{self.target} is in the journal's own directory; name another one")
        try:
            self.target.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            found = next(iter(sorted(self.target.iterdir())), None)
            if found is not None:
                raise BackupError(
                    f"{self.target} is not empty ({found.name}); name an empty or a new directory"
                ) from None
        else:
            host.sync_directory(self.target.parent)
        self._made = True

    def _write(self) -> Backup:
        digest = hashlib.sha256()
        descriptor = os.open(
            self.target / DATA, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        try:
            self._copier = host.start_thread("journal backup copy", self._copy)
            self._pump(descriptor, digest)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        backup = Backup(*self._origin, self.done, digest.hexdigest())
        write_manifest(self.target, backup)
        self.steps += 1
        return backup

    def _pump(self, descriptor: int, digest: Any) -> None:
        buffer = bytearray(CHUNK_BYTES)
        view = memoryview(buffer)
        piece = 0
        while count := self._outlet.recv_into(buffer):
            if not self.done:
                self._check_room(self.total)
            digest.update(view[:count])
            at = 0
            while at < count:
                at += os.write(descriptor, view[at:count])
            self.done += count
            self.steps += 1
            piece += count
            if piece >= PIECE_BYTES:
                piece = 0
                os.fdatasync(descriptor)
                self._check_room(self.total - self.done)
        if self._failure is not None:
            raise BackupError(self._failure)

    def _check_room(self, needed: int) -> None:
        free = host.free_bytes(self.target)
        if free < needed:
            raise BackupError(
                f"the disk of {self.target} is full: {free} bytes are free and {needed} are still "
                "to come; free some space, or name a directory elsewhere"
            )
        reserve, path = self._committer.reserve, self._committer.path
        same = host.same_disk(path, self.target)
        left = host.free_bytes(path) - (needed if same else 0)
        if left < (reserve if same else reserve // 2):
            raise BackupError(
                f"the backup would leave {max(left, 0)} bytes free on the disk of {path}, less "
                f"than its reserve of {reserve}; free some space, or name a directory elsewhere"
            )

    def _sentence(self, error: OSError) -> str:
        return (
            f"{self.target} takes no backup: {error.strerror} (after {self.done} of {self.total} "
            "bytes); free some space and make it writable, or name a directory elsewhere"
        )

    def _remove(self) -> None:
        if not self._made:
            return
        for name in (DATA, MANIFEST, MANIFEST + ".new"):
            with suppress(OSError):
                (self.target / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.target.rmdir()

    # -- the thread that copies -------------------------------------------------------------------

    def _copy(self) -> None:
        try:
            with self._committer.lend(self) as store, store.environment.begin() as txn:
                self._origin = (store.format, store.id, host.wall_ms())
                self.total = store.used_bytes(txn)
                store.environment.copyfd(self._inlet.fileno(), compact=True, txn=txn)
        except BackupError as error:
            self.give_up(str(error))
        except (lmdb.Error, OSError) as error:
            self.give_up(f"the journal cannot be copied: {error}; check its disk")
        finally:
            host.shut(self._inlet)
