"""A plain threaded web server with actors behind it; no `async` outside the actors.

    python examples/thread_counters.py 8001     then: curl -X POST http://127.0.0.1:8001/apples

`http.server` gives every request a thread of its own. The counters live in one system of actors, in
a background thread, and are reached through its portal: no lock anywhere, since an actor handles
one message at a time. The stock is supervised; when it crashes (`/boom`) it is started anew and
loads what it had written down, here in a dict that stands for a database.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from actors import Actor, CallError, Portal, Request, on, open_system_in_thread
from supervision import Backoff, ChildSpec, Supervisor


@dataclass(frozen=True, slots=True)
class Add(Request[int]):
    """Count one more of `key`; answered with the new number."""

    key: str


@dataclass(frozen=True, slots=True)
class Read(Request[int]):
    """Answered with the number of `key`."""

    key: str


class Stock(Actor):
    """Counts things. `saved` outlives it."""

    def __init__(self, saved: dict[str, int]) -> None:
        self.saved = saved
        self.numbers: dict[str, int] = {}

    def init(self) -> None:
        """Load what the last incarnation has written down."""
        self.numbers = dict(self.saved)

    @on(Add)
    def add(self, request: Add) -> int:
        """Read, count, write: nobody comes in between."""
        if request.key == "boom":
            raise RuntimeError("on purpose")
        number = self.numbers[request.key] = self.numbers.get(request.key, 0) + 1
        self.saved[request.key] = number
        return number

    @on(Read)
    def read(self, request: Read) -> int:
        """How many there are."""
        return self.numbers.get(request.key, 0)


class Server(ThreadingHTTPServer):
    """Knows the portal, for the threads of its requests."""

    daemon_threads = True

    def __init__(self, port: int, portal: Portal) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.portal = portal


class Handler(BaseHTTPRequestHandler):
    """One request, in a thread of its own."""

    server: Server

    def do_GET(self) -> None:
        """Read a number."""
        self.answer(Read(self.path.strip("/")))

    def do_POST(self) -> None:
        """Count one more."""
        self.answer(Add(self.path.strip("/")))

    def answer(self, request: Request[int]) -> None:
        """Ask the stock; 503 while it is being restarted."""
        portal = self.server.portal
        try:
            stock = portal.whereis("stock")
            status = 503 if stock is None else 200
            text = "restarting" if stock is None else str(portal.call(stock, request, timeout=2.0))
        except CallError as error:
            status, text = 503, str(error)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet."""


def main(port: int) -> None:
    """Serve until Ctrl-C; then the actors stop in order."""
    saved: dict[str, int] = {}
    stock = ChildSpec("stock", Stock, (saved,), name="stock", backoff=Backoff(first=0.05))
    with open_system_in_thread("stock") as portal:
        portal.spawn(Supervisor, [stock])
        with Server(port, portal) as server:
            print("listening on", server.server_address[1], flush=True)
            server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 8001)
    print("stopped", flush=True)
