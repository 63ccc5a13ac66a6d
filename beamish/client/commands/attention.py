"""What this client has on screen and follows: said by the way, renewed by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import trio

from beamish.client.commands.issuing import Issuing
from beamish.client.errors import BadRequest
from beamish.client.events import Presence
from beamish.client.synchronise import ask
from beamish.client.telling import presence_of

_USERS, _CONVERSATIONS, _CHANNELS = 64, 8, 256


class AttentionCommands(Issuing):
    """Presence, typing, and the posts of channels."""

    async def look(
        self, users: Iterable[str] = (), conversations: Iterable[str] = ()
    ) -> list[Presence]:
        """Have these on screen, in place of what was before; how those users are now.

        From then on `Presence` tells of changes and `Typing` of who writes there, over lost
        connections, until something else is looked at.

        Args:
            users: at most 64.
            conversations: at most 8.
        """
        self.look_nowait(users, conversations)
        core = self._core
        fields = core.hints.look(list(users), list(conversations))
        core.hints.said(trio.current_time())
        answer = await ask(core, "look", fields)
        return list(map(presence_of, answer["presence"]))

    def look_nowait(self, users: Iterable[str] = (), conversations: Iterable[str] = ()) -> None:
        """`look` without waiting: `Presence` tells the answer, too.

        Raises:
            BadRequest: there are more than a node takes.
        """
        users, conversations = list(users), list(conversations)
        core = self._core
        core.check()
        core.check_fields({"users": users, "conversations": conversations})
        _bound(users, _USERS, "users")
        _bound(conversations, _CONVERSATIONS, "conversations")
        core.hints.look(users, conversations)
        core.wake()

    def typing_nowait(self, conversation: str) -> None:
        """Tell that this user writes in `conversation`: at each key, it is said every 4 s."""
        core = self._core
        core.check()
        core.check_fields({"conversation": conversation})
        if core.link is not None and core.hints.type(conversation, trio.current_time()):
            core.wake()

    def follow_nowait(self, channels: Mapping[str, int]) -> None:
        """Receive the posts of these channels, at most 256, in place of those before.

        Posts come as events of the channel's conversation, each once; how far each channel is
        stored here is in the store. `Followed` tells that it works, `Unfollowed` that it does not
        (any more).

        Args:
            channels: for each the record behind which to begin if this store has nothing of it yet:
                0 for all, a subscription's `since` for what is new. What is older, `history` tells.

        Raises:
            BadRequest: there are too many.
        """
        core = self._core
        core.check()
        core.check_fields({"channels": list(channels.items())})
        _bound(channels, core.limits.get("followed", _CHANNELS), "channels")
        core.inbox.following.want(channels)
        core.wake()


def _bound(things: Iterable[str] | Mapping[str, int], most: int, name: str) -> None:
    count = len(list(things))
    if count > most:
        raise BadRequest("too_large", f"at most {most} {name} at a time, these are {count}")
