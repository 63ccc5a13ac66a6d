"""`Agent`: a state behind functions that read and change it (Elixir's ``Agent``).

    agent = await system.spawn(Agent, lambda: 0, name="count")
    await agent.call(AgentUpdate(lambda count: count + 1))
    assert await agent.call(AgentGet(lambda count: count)) == 1

The functions run in the agent, one after the other; what takes long there makes the others wait.
A function that raises crashes the agent, as a handler would, and the state is lost with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from actors.actor import Actor
from actors.handlers import on
from actors.messages import Request
from actors.observing.summaries import summary

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class AgentGet(Request[Any]):
    """Replied with ``function(state)``."""

    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        """Refuse what would crash the agent."""
        _check(self)


@dataclass(frozen=True, slots=True)
class AgentUpdate(Request[None]):
    """The new state is ``function(state)``; may be cast, too."""

    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        """Refuse what would crash the agent."""
        _check(self)


@dataclass(frozen=True, slots=True)
class AgentGetAndUpdate(Request[Any]):
    """``function(state)`` returns the reply and the new state."""

    function: Callable[[Any], tuple[Any, Any]]

    def __post_init__(self) -> None:
        """Refuse what would crash the agent."""
        _check(self)


def _check(request: AgentGet | AgentUpdate | AgentGetAndUpdate) -> None:
    if not callable(request.function):
        raise TypeError(
            f"{type(request).__name__} takes a function of the state, not "
            f"{summary(request.function)}; write {type(request).__name__}(lambda state: ...)"
        )


class Agent(Actor):
    """Keeps what `function` returns, called in its ``init``."""

    __slots__ = ("_function", "_state")

    def __init__(self, function: Callable[[], Any]) -> None:
        if not callable(function):
            raise TypeError(
                f"an Agent takes a function that makes its state, not {summary(function)}; "
                "write spawn(Agent, lambda: state)"
            )
        self._function = function

    def init(self) -> None:
        """Make the state."""
        self._state = self._function()

    @on(AgentGet)
    def get(self, request: AgentGet) -> Any:
        """Read the state."""
        return request.function(self._state)

    @on(AgentUpdate)
    def update(self, request: AgentUpdate) -> None:
        """Replace the state."""
        self._state = request.function(self._state)

    @on(AgentGetAndUpdate)
    def get_and_update(self, request: AgentGetAndUpdate) -> Any:
        """Reply and replace the state."""
        reply, self._state = request.function(self._state)
        return reply
