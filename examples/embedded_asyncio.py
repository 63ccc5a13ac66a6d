"""A Starlette application on uvicorn with a messenger inside, in the same process and thread.

    python examples/embedded_asyncio.py 8000 data
    curl -d '{"user": "alice"}' http://127.0.0.1:8000/login      gives a session, the chat
    curl -d '{"user": "alice", "text": "hello", "id": "1"}' http://127.0.0.1:8000/notify

The node runs on trio as a guest of uvicorn's asyncio loop, with a port of its own for chat clients.
Who logs in there as "alice" gives the application's session in place of a password: the node asks
the application, whose code stays asyncio code. Endpoints send through the bridge.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from actors.guest import Bridge, open_guest_system
from beamish.embedding import MaybeSent, NodeConfig, NotSent, SystemUser, open_gateway, open_node

MAX_SESSIONS = 10_000
GOODBYE_S = 3.0


class Sessions:
    """The application's own logins, where it would ask its database; the oldest go first."""

    def __init__(self) -> None:
        self._users: dict[str, str] = {}

    def begin(self, user: str) -> str:
        """A new session."""
        session = secrets.token_urlsafe(16)
        self._users[session] = user
        if len(self._users) > MAX_SESSIONS:
            del self._users[next(iter(self._users))]
        return session

    async def user_of(self, session: str) -> str | None:
        """Whose session this is."""
        await asyncio.sleep(0)  # stands for the database
        return self._users.get(session)


class Chat:
    """The node in this process, as the application sees it."""

    desk: SystemUser
    url: str

    def __init__(self, bridge: Bridge, sessions: Sessions, data: Path) -> None:
        self._bridge = bridge
        self._sessions = sessions
        self._config = NodeConfig(data, authenticate=self._authenticate)

    async def _authenticate(self, user: str, secret: str, _peer: str) -> str | None:
        """The node's question, in trio: who has this session? The answer is asyncio code's."""
        found = await self._bridge.from_asyncio(self._sessions.user_of, secret)
        return user.capitalize() if found == user else None

    async def serve(self, ready: asyncio.Future[None]) -> None:
        """In trio: the node and its port, until it is cancelled."""
        async with open_node(self._config) as node, trio.open_nursery() as nursery:
            self.desk = await node.system_user("desk", display="The Desk")
            gateway = await open_gateway(nursery, "127.0.0.1", 0, node)
            self.url = gateway.ws_url
            ready.set_result(None)
            try:
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(GOODBYE_S, shield=True):
                    await gateway.close()

    async def notify(self, user: str, text: str, tag: str) -> int:
        """In asyncio: send as the desk; the number of the message. Once for each tag."""
        sent = await self._bridge.run(partial(self.desk.send, user, text, tag=tag, timeout=5.0))
        return sent.n


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    """The node is there before the first request and stops in order after the last."""
    sessions = Sessions()
    async with open_guest_system("application") as bridge:
        chat = Chat(bridge, sessions, app.state.data)
        ready = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(bridge.run(chat.serve, ready))
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()  # raises why the node could not be opened
        print("chat at", chat.url, flush=True)
        yield {"chat": chat, "sessions": sessions}
        serving.cancel()
        await asyncio.wait({serving})
        if not serving.cancelled():
            serving.result()  # raises why the node ended by itself


async def login(http: Request) -> JSONResponse:
    """The application's login; whoever asks is believed here."""
    sessions: Sessions = http.state.sessions
    chat: Chat = http.state.chat
    user = (await http.json())["user"]
    return JSONResponse({"session": sessions.begin(user), "chat": chat.url})


async def notify(http: Request) -> JSONResponse:
    """Tell a user something in the chat."""
    chat: Chat = http.state.chat
    asked = await http.json()
    try:
        number = await chat.notify(asked["user"], asked["text"], asked["id"])
    except NotSent as error:
        raise HTTPException(409, error.message) from error
    except MaybeSent as error:
        raise HTTPException(503, "ask again with the same id") from error
    return JSONResponse({"n": number})


app = Starlette(
    routes=[
        Route("/login", login, methods=["POST"]),
        Route("/notify", notify, methods=["POST"]),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    app.state.data = Path(sys.argv[2])
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
