"""Whose thread this is: a ref used in another thread than its system's is an error.

A system belongs to the thread of its trio run. Other threads reach it through a portal; what they
do to a ref directly would change queues under the hands of the leader. It is found out

* always when it makes an actor runnable that was not, or comes from code that is no actor's
  (``ref.call``, ``ref.send``, `System.spawn`), or gives a deferred reply or sets a `Signal`: the
  paths where asking for the thread, 30 ns, does not count beside the rest. So whoever does it is
  told soon, but not each time: a cast at an actor that has messages already goes into its mailbox
  without a look, and so does a call while a handler of the system runs;
* at every cast, call and send, before anything is done, in a *debug* system: ``open_system(...,
  debug=True)``, the default under ``python -X dev`` (as asyncio has it). Its refs are
  `CheckedRef`, so that the check costs nothing where it is off.

What is found out late - the message is in the mailbox by then - is delivered none the less; the
error tells of the wrong way, not of a loss.
"""

from __future__ import annotations

import sys
from threading import get_ident

from actors.scheduling.protection import protect

__all__ = ["get_ident", "is_debug", "stranger"]


def is_debug(asked: bool | None) -> bool:
    """Whether a system is to be a debug system. None: as Python itself, by ``-X dev``."""
    return sys.flags.dev_mode if asked is None else asked


def stranger(name: str) -> RuntimeError:
    """The error for who comes from another thread, or from another trio run."""
    return RuntimeError(
        f"the system {name!r} belongs to another thread or trio run; reach it through "
        "a portal, which system.portal() makes there"
    )


protect(is_debug, stranger)
