"""Exit reasons: why an actor ended, as immutable values.

Every actor ends with exactly one reason. What a reason does:

=================  ==========  ===================  ==================  =========
reason             abnormal    to a linked actor    transient restart   reported
=================  ==========  ===================  ==================  =========
``Normal``         no          ignored              no                  no
``Shutdown``       no          ends it too          no                  no
``Killed``         yes         ends it too          yes                 no
``NoProc``         yes         ends it too          yes                 no
``Crashed``        yes         ends it too          yes                 yes
your own subclass  yes         ends it too          yes                 no
=================  ==========  ===================  ==================  =========

A linked actor that traps exits gets an `Exit` message instead of ending. The words and their
meanings are OTP's. A reason never holds an exception object, so it pins no frames: a crash is
kept as the name of the exception's type and a bounded text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

MAX_TEXT = 512
"""Characters kept of an exception's text."""


@dataclass(frozen=True, slots=True)
class ExitReason:
    """Base of all reasons. Subclass it (a frozen dataclass) for reasons of your own."""

    abnormal: ClassVar[bool] = True
    """Whether a transient child is restarted after this reason."""

    def __str__(self) -> str:
        """One line for people."""
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True)
class Normal(ExitReason):
    """The actor had nothing left to do. Linked actors are not affected."""

    abnormal: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Shutdown(ExitReason):
    """The actor was asked to stop, as by its supervisor; `detail` may say why."""

    abnormal: ClassVar[bool] = False
    detail: object = None

    def __str__(self) -> str:
        """One line for people."""
        return "shutdown" if self.detail is None else f"shutdown: {one_line(bounded(self.detail))}"


@dataclass(frozen=True, slots=True)
class Killed(ExitReason):
    """The actor was killed; it could not trap that."""


@dataclass(frozen=True, slots=True)
class NoProc(ExitReason):
    """There was no such actor (any more) when it was linked, monitored or called."""


@dataclass(frozen=True, slots=True)
class Ignored(ExitReason):
    """``init`` raised `Ignore`: the actor did not want to start, which is no failure."""

    abnormal: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, init=False)
class Crashed(ExitReason):
    """A handler raised: the exception's qualified name and at most 512 characters of text."""

    exception: str
    text: str

    def __init__(self, exception: str, text: str = "") -> None:
        # By the slots' own setters: the generated one takes twice as long, in every restart.
        _set_exception(self, exception)
        _set_text(self, text)

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.exception}: {one_line(self.text)}" if self.text else self.exception


_set_exception = Crashed.__dict__["exception"].__set__
_set_text = Crashed.__dict__["text"].__set__


def crashed(error: BaseException) -> Crashed:
    """Describe `error` without keeping it."""
    text = bounded(error)
    if isinstance(error, BaseExceptionGroup):
        leaf: BaseException = error
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        text = bounded(f"{text}, the first: {_name(type(leaf))}: {bounded(leaf)}")
    return Crashed(_name(type(error)), text)


def _name(kind: type) -> str:
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def bounded(value: object, limit: int = MAX_TEXT) -> str:
    """Text of `value` in at most `limit` characters; a failing ``__str__`` is itself described."""
    try:
        text = str(value)
    except Exception as error:
        text = f"<no text: {type(error).__name__} in __str__>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str) -> str:
    """`text` with line ends and all else that is no character escaped as in a literal.

    Texts of exceptions often quote what somebody has sent; a line end in one must not begin a
    line of its own in a log.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
