"""A Starlette application on uvicorn with one actor for each visitor.

    python examples/visitors.py 8000            then: curl -b visitor=ann http://127.0.0.1:8000/

A visitor is a small actor that is started by the first request of its cookie, counts the visits,
and stops itself when it has been idle for a while (passivation): its count is then gone, as it is
when `/boom` crashes it and its supervisor starts it anew. The others notice nothing. The
system lives in the lifespan of the application, in uvicorn's own asyncio loop; SIGTERM stops both
in order.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from actors import Actor, AlreadyStarted, CallError, ExitReason, Ref, Request, on
from actors.guest import Bridge, open_guest_system
from supervision import Budget, ChildSpec, DynamicSupervisor, StartChild, Supervisor

IDLE_S = float(os.environ.get("VISITOR_IDLE_S", "600"))
MAX_VISITORS = 100_000


@dataclass(frozen=True, slots=True)
class Visit(Request[int]):
    """Answered with the number of visits so far."""


@dataclass(frozen=True, slots=True)
class Boom(Request[int]):
    """Crashes the visitor."""


@dataclass(frozen=True, slots=True)
class Look:
    """A timer: time to see whether the visitor is still active."""


class Visitor(Actor):
    """What is known of one visitor, for as long as they are active."""

    trap_exit = True  # so that terminate() runs when the application stops

    def __init__(self, name: str) -> None:
        self.name = name
        self.visits = 0
        self.active = False

    def init(self) -> None:
        """Start to look for idleness."""
        self.send_after(IDLE_S, Look())

    @on(Visit)
    def visit(self, _: Visit) -> int:
        """Count."""
        self.active = True
        self.visits += 1
        return self.visits

    @on(Boom)
    def boom(self, _: Boom) -> int:
        """Crash; the supervisor starts the next incarnation."""
        raise RuntimeError("on purpose")

    @on(Look)
    def look(self, _: Look) -> None:
        """Stop when nothing has come since the last look."""
        if not self.active:
            self.stop()
        self.active = False
        self.send_after(IDLE_S, Look())

    def terminate(self, reason: ExitReason) -> None:
        """The place for saving what must not be lost."""
        print(f"{self.name} left after {self.visits} visits: {reason}", flush=True)


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Bridge]]:
    """The system is there before the first request and stops after the last."""
    keeper = ChildSpec(
        "visitors",
        DynamicSupervisor,
        kwargs={"max_children": MAX_VISITORS, "child_budget": Budget(3, 5.0)},
        name="visitors",
    )
    async with open_guest_system("visitors") as bridge:
        await bridge.spawn(Supervisor, [keeper])
        yield {"bridge": bridge}


async def visitor(bridge: Bridge, name: str) -> Ref:
    """The visitor's actor, started if there is none; 503 while the house is full."""
    found = bridge.whereis(("visitor", name))
    keeper = bridge.whereis("visitors")
    if found is not None or keeper is None:
        return found or _unavailable()
    spec = ChildSpec("visitor", Visitor, (name,), restart="transient", name=("visitor", name))
    try:
        return await bridge.call(keeper, StartChild(spec))
    except AlreadyStarted as error:  # by another request, at the same time
        return error.ref
    except CallError:
        _unavailable()


def _unavailable() -> NoReturn:
    raise HTTPException(503, "try again in a moment", headers={"Retry-After": "1"})


async def answer(http: HttpRequest, request: Request[int]) -> JSONResponse:
    """Hand `request` to the visitor of this cookie."""
    bridge: Bridge = http.state.bridge
    name = http.cookies.get("visitor", "nobody")
    try:
        visits = await bridge.call(await visitor(bridge, name), request, timeout=2.0)
    except CallError:
        _unavailable()
    return JSONResponse({"visitor": name, "visits": visits})


async def index(http: HttpRequest) -> JSONResponse:
    """Count a visit."""
    return await answer(http, Visit())


async def boom(http: HttpRequest) -> JSONResponse:
    """Crash this visitor's actor, and nothing else."""
    return await answer(http, Boom())


app = Starlette(routes=[Route("/", index), Route("/boom", boom)], lifespan=lifespan)

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    uvicorn.run(app, host="127.0.0.1", port=port)
