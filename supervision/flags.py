"""The words that a supervisor's own options may take."""

from __future__ import annotations

from typing import Final, Literal, TypeVar

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
STRATEGIES: Final = ("one_for_one", "one_for_all", "rest_for_one")
AUTO_SHUTDOWNS: Final = ("never", "any_significant", "all_significant")

F = TypeVar("F")


class FlagError(ValueError):
    """A supervisor's option that cannot be meant; the sentence shows what to write instead."""


def check_flag(name: str, value: F, words: tuple[str, ...]) -> F:
    """`value`, if it is one of `words`.

    Raises:
        FlagError: if it is not.

    """
    if value not in words:
        choice = ", ".join(map(repr, words))
        raise FlagError(f"{name}={value!r} is not one of {choice}. Write {name}={words[0]!r}.")
    return value
