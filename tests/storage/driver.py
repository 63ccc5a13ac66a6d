"""Runs a journal in a trio thread of its own, for tests that are not asynchronous themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import trio

from storage import Journal


class Driver:
    """An open journal; `call` runs an async function with it and waits."""

    def __init__(
        self,
        opener: Callable[[], AbstractAsyncContextManager[Journal]],
        clock: trio.abc.Clock | None = None,
    ) -> None:
        self._opener = opener
        self._clock = clock
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def _run(self) -> None:
        try:
            trio.run(self._main, clock=self._clock)
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self._stop = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        async with self._opener() as self.journal:
            self._ready.set()
            await self._stop.wait()

    def call(self, function, *args):
        """``await function(*args)`` in the trio thread."""
        return trio.from_thread.run(function, *args, trio_token=self._token)

    def call_sync(self, function, *args):
        """``function(*args)`` in the trio thread."""
        return trio.from_thread.run_sync(function, *args, trio_token=self._token)

    def perform(self, op):
        """Carry out one operation."""
        return self.call(self.journal.perform, op)

    def perform_all(self, ops):
        """Submit all at once, wait for all."""
        return self.call(self._perform_all, ops)

    async def _perform_all(self, ops):
        outcomes = {}
        finished = trio.Event()

        def done(index):
            def told(outcome):
                assert index not in outcomes, "a completion was called twice"
                outcomes[index] = outcome
                if len(outcomes) == len(ops):
                    finished.set()

            return told

        for index, op in enumerate(ops):
            self.journal.submit(op, done(index))
            assert index not in outcomes, "a completion was called inside submit"
        await finished.wait()
        return [outcomes[index] for index in range(len(ops))]

    def close(self) -> None:
        """Close the journal in order."""
        self.call_sync(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure
