"""The client's public face: all its commands, and what can be watched.

The package's docstring is its contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from beamish.client.commands.account import AccountCommands
from beamish.client.commands.agreements import AgreementCommands
from beamish.client.commands.attention import AttentionCommands
from beamish.client.commands.devices import DeviceCommands
from beamish.client.commands.membership import MembershipCommands
from beamish.client.commands.messages import MessageCommands
from beamish.client.commands.reading import ReadingCommands
from beamish.client.connection import Dropped
from beamish.client.delivery import Delivery
from beamish.client.errors import ClientError
from beamish.client.events import Event
from beamish.client.pending import PendingCommand


@dataclass(frozen=True, slots=True)
class Statistics:
    """A client's figures: `pending` commands, `repeats`, `reconnects`, `refusals`, the cursor."""

    connected: bool
    epoch: int | None
    number: int
    pending: int
    repeats: int
    reconnects: int
    refusals: int


class Events:
    """The iterator of events; asking for the next takes the one before."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        return await self._delivery.next()


class Client(
    MessageCommands,
    MembershipCommands,
    AgreementCommands,
    AccountCommands,
    DeviceCommands,
    ReadingCommands,
    AttentionCommands,
):
    """One user's device, connected as much as the network allows. Made by `open_client`."""

    def direct(self, user: str) -> str:
        """The id of the direct conversation with `user`."""
        first, second = sorted((self.name, user))
        return f"d:{first}:{second}"

    def events(self) -> Events:
        """The iterator of events: one consumer at a time; going on later goes on where it was."""
        return Events(self._core.delivery)

    @property
    def name(self) -> str:
        """The user."""
        return self._core.credentials.user

    @property
    def device(self) -> str | None:
        """The device's id; None before the first login."""
        identity = self._core.identity
        return None if identity is None else identity.device

    @property
    def token(self) -> str | None:
        """The device's secret token; None before the first login."""
        return self._core.token

    @property
    def cursor(self) -> tuple[int | None, int]:
        """`(epoch, number)`: everything up to number has been received."""
        return self._core.inbox.cursor

    @property
    def connected(self) -> bool:
        """There is a connection and it is logged in."""
        return self._core.link is not None

    @property
    def failure(self) -> ClientError | None:
        """What ended the client for good; None while it lives."""
        return self._core.failure

    @property
    def limits(self) -> dict[str, int]:
        """The node's limits by the protocol's names; empty before the first connection."""
        return self._core.limits

    @property
    def repeats(self) -> int:
        """Updates dropped by the cursor rules."""
        return self._core.inbox.repeats

    @property
    def reconnects(self) -> int:
        """Logins after the first."""
        return self._core.reconnects

    @property
    def refusals(self) -> int:
        """Retryable refusals met."""
        return self._core.outbox.refusals + self._core.questions.refusals

    @property
    def pending(self) -> int:
        """Numbered commands without an answer."""
        return self._core.outbox.pending

    def unanswered(self) -> list[PendingCommand[Any]]:
        """The numbered commands without an answer, in order within each conversation.

        Those of an earlier program with this store are among them.
        """
        return self._core.outbox.commands()

    def statistics(self) -> Statistics:
        """All figures at once."""
        epoch, number = self.cursor
        return Statistics(
            self.connected,
            epoch,
            number,
            self.pending,
            self.repeats,
            self.reconnects,
            self.refusals,
        )

    async def wait_connected(self) -> None:
        """Wait for a login. Raises what ended the client."""
        while not self.connected:
            self._core.check()
            await self._core.changed.wait()

    async def wait_failed(self) -> ClientError:
        """Wait until the client has ended for good, and return why."""
        while self._core.failure is None:
            await self._core.changed.wait()
        return self._core.failure

    async def settled(self) -> None:
        """Wait until no numbered command is unanswered."""
        await self._core.outbox.settled()

    def drop_connection(self) -> None:
        """Cut the socket without a goodbye, then reconnect and resume."""
        link = self._core.link
        if link is not None:
            link.transport.cut()
            link.close(Dropped("the program dropped the connection"))
