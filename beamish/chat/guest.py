"""One thread for two worlds: the screen in asyncio, the session in trio as its guest.

trio's guest mode runs between the turns of asyncio's loop, so both look at the same model without
locks, and never at the same time. Each calls into the other by `act` and `changed` alone.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import outcome
import trio

T = TypeVar("T")
Act = Callable[..., None]
Host = Callable[[Callable[[], Awaitable[object]]], None]
Serve = Callable[[Act, Host], Awaitable[T]]


def run(serve: Serve[T]) -> T | None:
    """Run `serve` in trio beside asyncio; what it returns, None if it was cancelled.

    It is given `act(function, *arguments)`, callable from asyncio, which runs a function in trio,
    in order, and `host(application)`, callable from trio, which runs a coroutine function in
    asyncio; when that ends, whatever the reason, `serve` is cancelled.
    """
    return asyncio.run(_host(serve))


async def _host(serve: Serve[T]) -> T | None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[outcome.Outcome[T | None]] = loop.create_future()
    guest = _Guest(loop)
    handler = signal.getsignal(signal.SIGINT)
    trio.lowlevel.start_guest_run(
        guest.main,
        serve,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        run_sync_soon_not_threadsafe=loop.call_soon,
        done_callback=ended.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    if signal.getsignal(signal.SIGINT) is not handler:
        signal.signal(signal.SIGINT, handler)
    result = await ended
    await guest.hosted_ended()
    return result.unwrap()


class _Guest:
    """The trio side, and the application in asyncio that it has started."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._hosted: asyncio.Task[object] | None = None

    async def main(self, serve: Serve[T]) -> T | None:
        """Run `serve` until it returns, or the application ends."""
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            return await serve(self._act, self._host)
        return None

    def _act(self, function: Callable[..., object], *arguments: Any) -> None:
        assert self._token is not None
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *arguments)

    def _host(self, application: Callable[[], Awaitable[object]]) -> None:
        async def run() -> None:
            try:
                await application()
            finally:
                self._act(self._scope.cancel)

        self._hosted = self._loop.create_task(run())

    async def hosted_ended(self) -> None:
        """Wait for the application, which puts the terminal back as it was."""
        if self._hosted is not None:
            await self._hosted
