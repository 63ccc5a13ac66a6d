"""A node under test: started by the command line, killed, looked into when dead, started again.

It keeps its port over restarts, as a node behind an address does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lmdb
import trio

START_WITHIN = 60.0
STOP_WITHIN = 40.0
CHEAP_PASSWORDS = ("--argon2-memory", "64", "--argon2-time", "1")


class NodeUnderTest:
    """One node on `folder/data`; `before` is a command prefix (`unshare ...` for example)."""

    def __init__(
        self, folder: Path, options: Sequence[str] = (), before: Sequence[str] = ()
    ) -> None:
        self.data = folder / "data"
        self.ready = folder / "ready.json"
        self.log = folder / "node.log"
        self.port = 0
        self.ws = ""
        self._options = options
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def spawn(self) -> None:
        """Begin a start and do not wait for it."""
        command = [*self._before, sys.executable, "-m", "beamish", "serve"]
        command += ["--data", str(self.data), "--port", str(self.port)]
        command += ["--ready-file", str(self.ready), *CHEAP_PASSWORDS, *self._options]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )

    async def start(self) -> float:
        """Start and wait until it is ready; seconds that took."""
        began = time.monotonic()
        self.spawn()
        await self.wait_ready()
        return time.monotonic() - began

    async def wait_ready(self) -> None:
        """Wait for the ready file of this very process."""
        process = self._process
        assert process is not None
        deadline = time.monotonic() + START_WITHIN
        while not self.is_ready():
            assert process.poll() is None, f"the node ended by itself:\n{self.tail()}"
            assert time.monotonic() < deadline, f"not ready in {START_WITHIN} s:\n{self.tail()}"
            await trio.sleep(0.02)

    def is_ready(self) -> bool:
        try:
            told = json.loads(self.ready.read_text())
        except (FileNotFoundError, ValueError):
            return False
        if self._process is None or (told["pid"] != self.pid and not self._before):
            return False
        self.ws = told["ws"]
        self.port = int(self.ws.rsplit(":", 1)[1].split("/")[0])
        return True

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()

    async def stop(self) -> int:
        """An orderly stop; the exit status."""
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        return await trio.to_thread.run_sync(process.wait, STOP_WITHIN)

    def close(self) -> None:
        """Whatever it does, it ends."""
        if self.running:
            self.kill()

    def unsettled_streams(self) -> int:
        """How many streams of the dead node have open obligations on disk."""
        if not (self.data / "data.mdb").exists():
            return 0
        environment = lmdb.open(
            str(self.data), readonly=True, lock=False, max_dbs=8, map_size=1 << 40
        )
        try:
            pending = environment.open_db(b"pending", create=False)
            with environment.begin() as transaction:
                return int(transaction.stat(pending)["entries"])
        except lmdb.NotFoundError:
            return 0  # killed before the first commit
        finally:
            environment.close()

    async def status(self) -> dict[str, Any]:
        """What the running node says about itself."""
        from beamish.cli.control import request

        return await request(self.data, "status")

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
