"""One trio run as a guest of an asyncio loop, shared by all systems of that loop.

trio allows one run in a thread, so the first `actors.guest.open_guest_system` of a loop starts it,
the others join it, and the last one to leave ends it. Nobody but the systems lives in it.

What it leaves alone: signal handlers and the wakeup fd. trio installs a handler for SIGINT where it
finds Python's default one; Ctrl-C is the host's business here, so what was there is put back before
anything runs. While it idles, a thread of trio's waits for its sockets and timers.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import outcome


class GuestRun:
    """The trio run of one asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._members: dict[Callable[[BaseException], object], None] = {}
        self._ready: asyncio.Future[None] = loop.create_future()
        self._done: asyncio.Future[None] = loop.create_future()
        self._leave = trio.Event()
        self._nursery: trio.Nursery
        self._closing = False
        handler = signal.getsignal(signal.SIGINT)
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._run_sync_soon_threadsafe,
            run_sync_soon_not_threadsafe=loop.call_soon,
            done_callback=self._finished,
            host_uses_signal_set_wakeup_fd=True,
        )
        if signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)
        _guest_run.set(self)

    def _run_sync_soon_threadsafe(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop was closed under us: nobody is left to tell
            self._loop.call_soon_threadsafe(function)

    async def _main(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._ready.set_result(None)
            await self._leave.wait()

    def _finished(self, result: outcome.Outcome[Any]) -> None:
        error = getattr(result, "error", None)
        for tell in tuple(self._members):
            tell(error or RuntimeError("trio's run ended while systems were open in it"))
        if not self._ready.done():
            self._ready.cancel()
        if not self._done.done():
            self._done.set_result(None)

    @staticmethod
    async def join(
        serve: Callable[[], Awaitable[None]], failed: Callable[[BaseException], object]
    ) -> GuestRun:
        """Run `serve` in the current loop's guest run, which is started if need be.

        `serve` must not raise; `failed` is called if trio itself breaks.
        """
        loop = asyncio.get_running_loop()
        while True:
            run = _guest_run.get(None) if trio.lowlevel.in_trio_run() else GuestRun(loop)
            if run is None or run._loop is not loop:
                raise RuntimeError(
                    "another trio run lives in this thread, and trio allows only one; open the "
                    "system in it with 'async with open_system()'"
                )
            if not run._closing:
                break
            await asyncio.shield(run._done)
        run._members[failed] = None
        try:
            await asyncio.shield(run._ready)
            run._nursery.start_soon(serve, name="actors: a system in asyncio")
        except BaseException:
            await run.leave(failed)
            raise
        return run

    async def leave(self, failed: Callable[[BaseException], object]) -> None:
        """One system less; the last one waits for the end of the run.

        A cancellation meanwhile is raised after that.
        """
        self._members.pop(failed, None)
        if self._members or self._closing:
            return
        self._closing = True
        if not self._done.done():
            self._leave.set()
        await finish(self._done)


async def finish(future: asyncio.Future[Any]) -> None:
    """Wait for `future`, whatever cancels the current task meanwhile, and only then let it.

    Raises CancelledError if the task was cancelled; not what the future failed with.
    """
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


_guest_run: trio.lowlevel.RunVar[GuestRun | None] = trio.lowlevel.RunVar("actors.guest_run")
