"""`CheckedRef`: the refs of a debug system; see `actors.scheduling.threads`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.ref import CALL_TIMEOUT_S, LocalRef
from actors.scheduling.protection import protect

if TYPE_CHECKING:
    from actors.messages import Request


class CheckedRef(LocalRef):
    """A ref that refuses other threads at every use, before anything is done."""

    __slots__ = ()

    def cast(self, message: object) -> None:
        """As `Ref.cast`. Raises RuntimeError in another thread."""
        self.scheduler.check_thread()
        LocalRef.cast(self, message)

    async def send(self, message: object, timeout: float | None = CALL_TIMEOUT_S) -> None:  # noqa: ASYNC109
        """As `Ref.send`. Raises RuntimeError in another thread."""
        self.scheduler.check_thread()
        await LocalRef.send(self, message, timeout)

    async def call(self, request: Request[Any], timeout: float | None = CALL_TIMEOUT_S) -> Any:  # noqa: ASYNC109
        """As `Ref.call`. Raises RuntimeError in another thread."""
        self.scheduler.check_thread()
        return await LocalRef.call(self, request, timeout)


protect(CheckedRef)
