"""Envelopes: entries of a mailbox that are opened only when their turn comes.

What may still be taken back while it waits - the message of a keyed timer - or is only made when it
is wanted waits inside an envelope, so that taking it back is a flag and never a search through the
mailbox. An envelope is of a class that no actor has a handler for, so it ends up where such
messages do, off the path of all others.
"""

from __future__ import annotations

from typing import Any


class Envelope:
    """What waits in a mailbox instead of a message."""

    __slots__ = ()

    def open(self) -> Any:
        """The message, or `EMPTY` if there is nothing to handle any more. Called once."""
        raise NotImplementedError
