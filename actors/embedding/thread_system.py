"""`open_system_in_thread`: a whole system in a background thread, for programs without trio.

    with open_system_in_thread("counters") as portal:
        counter = portal.spawn(Counter, 5)
        total = portal.call(counter, Add(3))

Contract:

* The block is entered when the system runs; what prevents that is raised here, in the thread that
  enters. The portal may be used by any number of threads inside the block.
* Leaving the block, however that happens, stops the system in order (see `actors.system`) and
  waits for it: at most `stop_timeout` seconds and a little, as it is everywhere. Ctrl-C in the main
  thread interrupts the block, or what it waits for, and is raised after the orderly stop; further
  Ctrl-C during the stop changes nothing.
* If the system fails by itself - a handler raised KeyboardInterrupt or SystemExit, the runtime is
  broken - the portal raises `SystemStopped` from then on, and the failure is raised when the block
  is left, in the thread that leaves it.
* The thread is a daemon: a program that ends without leaving the block is not kept alive by it, and
  its actors are then not stopped in order. It is the only thread besides those that handlers ask
  trio for.
* Signal handlers stay as they are: trio touches them in the main thread only.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import trio

from actors.scheduling.protection import protect
from actors.system import STOP_TIMEOUT_S, open_system

if TYPE_CHECKING:
    from actors.embedding.portal import Portal


class _Background:
    """One system, the thread that runs it, and how it ended."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._started: Future[tuple[Portal, trio.Event]] = Future()
        self._ended: Future[None] = Future()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=f"actors {options['name']}", daemon=True
        )

    def start(self) -> Portal:
        """Start the thread and wait until the system runs; raises what prevents it."""
        self._thread.start()
        try:
            return self._started.result()[0]
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask the system to stop, wait for its end, and raise what it failed with."""
        interrupt: KeyboardInterrupt | None = None
        while not self._ended.done():
            try:
                if self._started.exception() is None:
                    self._ask()
                self._ended.exception()
            except KeyboardInterrupt as error:
                interrupt = error
        self._thread.join()
        if interrupt is not None:
            raise interrupt
        if self._started.exception() is None:
            self._ended.result()

    def _ask(self) -> None:
        portal, leave = self._started.result()
        with suppress(trio.RunFinishedError):
            portal._token.run_sync_soon(leave.set)

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:
            self._finish(error)
        else:
            self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if not self._started.done():
            assert error is not None
            self._started.set_exception(error)
        else:
            self._started.result()[0].close()
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    async def _main(self) -> None:
        leave = trio.Event()
        async with open_system(**self._options) as system:
            self._started.set_result((system.portal(), leave))
            await leave.wait()


@contextmanager
def open_system_in_thread(
    name: str = "actors",
    *,
    seed: int | None = None,
    stop_timeout: float = STOP_TIMEOUT_S,
    tune_collector: bool = False,
    debug: bool | None = None,
) -> Iterator[Portal]:
    """Run a system in a thread of its own for the duration of the block; the portal leads into it.

    The arguments are those of `open_system`. The system inherits the context variables of the
    thread that opens it.

    Raises:
        RuntimeError: called inside trio, where ``async with open_system()`` is the way.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "open_system_in_thread would block trio; write 'async with open_system()' in trio, or "
            "'async with open_guest_system()' in asyncio code"
        )
    background = _Background(
        {
            "name": name,
            "seed": seed,
            "stop_timeout": stop_timeout,
            "tune_collector": tune_collector,
            "debug": debug,
        }
    )
    portal = background.start()
    try:
        yield portal
    finally:
        background.stop()


protect(_Background)
