"""Child specs: how a supervisor starts, restarts and stops one child.

    ChildSpec("counter", Counter, (5,))                       # everything else from the class
    ChildSpec("counter", Counter, (5,), restart="transient", shutdown=2.0)
    child_spec(Counter, 5)                                    # the class itself is the id
    ChildSpec("sessions", DynamicSupervisor, kwargs={"max_children": 10_000})

| field         | is                                                | without it            |
|---------------|---------------------------------------------------|-----------------------|
| `id`          | any hashable but None; unique in its supervisor   | must be given         |
| `actor`       | the actor's class                                 | must be given         |
| `args`        | a tuple: the arguments of the class               | `()`                  |
| `kwargs`      | a mapping: the keyword arguments of the class     | None                  |
| `name`        | the name to register, any hashable                | no name               |
| `restart`     | "permanent", "transient" or "temporary"           | class, "permanent"    |
| `shutdown`    | seconds above 0, "brutal_kill" or "infinity"      | class, then by `type` |
| `type`        | "worker" or "supervisor"                          | class, "worker"       |
| `significant` | True: its own end may end the supervisor          | class, False          |
| `budget`      | a `Budget` of the child's own, or None            | class, None           |
| `backoff`     | a `Backoff` before its restarts, or None          | class, None           |

"class" means the attribute `child_defaults = ChildDefaults(...)` of the actor's class. A worker
has 5 seconds to stop, a supervisor as long as it needs ("infinity"), as in OTP.

A spec is an immutable value and may be shared by any number of children. Its fields are checked
one by one when it is made; a wrong one raises `ChildSpecError`, whose sentence shows the line to
write instead. That the arguments fit the class is checked as far as it is certain, see
`supervision.arguments`. (Idea: Elixir's validators, one for each field.)
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Any, ClassVar, Final, Literal, NoReturn, Self

from actors import Actor
from actors.upgrading.versions import newest
from supervision.arguments import find_fault
from supervision.backoff import Backoff
from supervision.budget import Budget
from supervision.decision import RESTARTS, Restart

ShutdownTime = float | Literal["brutal_kill", "infinity"]
ChildType = Literal["worker", "supervisor"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]

WORKER_SHUTDOWN: Final = 5.0
_FROM_CLASS: Final[Any] = None


class _Named:
    """Refuses keyword arguments that are no fields, with the field that is probably meant."""

    __slots__ = ()

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __new__(cls, *_: Any, **given: Any) -> Self:
        """Check the names of the fields; their values are checked once they are there."""
        known: dict[str, Any] = cls.__dataclass_fields__
        for name in given:
            if name not in known:
                near = _ELSEWHERE.get(name) or next(iter(get_close_matches(name, known, 1)), None)
                if near in known:
                    hint = f"Did you mean {near}=, as in {near}={EXAMPLES[near]}?"
                else:
                    hint = f"The fields are {', '.join(known)}."
                raise ChildSpecError(name, f"{cls.__name__} has no field {name}=. {hint}")
        return object.__new__(cls)


EXAMPLES: Final = {
    "id": '"counter"',
    "actor": "Counter",
    "args": "(5,)",
    "kwargs": "{'limit': 10}",
    "name": '("user", "alice")',
    "restart": '"transient"',
    "shutdown": "5.0",
    "type": '"supervisor"',
    "significant": "True",
    "budget": "Budget(3, 5.0)",
    "backoff": "Backoff(first=0.1, maximum=30.0)",
}
"""A right value for each field, as errors show it."""
_ELSEWHERE: Final = {
    "restart_type": "restart",
    "timeout": "shutdown",
    "stop_timeout": "shutdown",
    "start": "actor",
    "cls": "actor",
    "max_restarts": "budget",
    "intensity": "budget",
}
"""What the fields are called elsewhere, where that does not look alike."""


class ChildSpecError(ValueError):
    """A child spec that cannot be meant. `field` names what is wrong with it."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True)
class ChildDefaults(_Named):
    """What an actor's class says about its supervision; see the table above.

    class Session(Actor):
        child_defaults = ChildDefaults(restart="temporary", shutdown=2.0)

    Raises:
        ChildSpecError: if a field is wrong, where the class is defined.

    """

    restart: Restart = "permanent"
    shutdown: ShutdownTime | None = None
    type: ChildType = "worker"
    significant: bool = False
    budget: Budget | None = None
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        """Check field by field."""
        for name, wanted, is_right in _OPTIONS:
            value = getattr(self, name)
            if not (is_right(value) or (name == "shutdown" and value is None)):
                raise ChildSpecError(
                    name,
                    f"{name}={shown(value)} in child_defaults is not {wanted}. "
                    f"Write child_defaults = ChildDefaults({name}={_right(name, value)}).",
                )


def _is_shutdown(value: object) -> bool:
    if isinstance(value, str):
        return value in ("brutal_kill", "infinity")
    return isinstance(value, (int, float)) and value is not True and value > 0 and isfinite(value)


def _right(name: str, value: object) -> str:
    """A right value for this field, the likeliest one to be meant."""
    if name == "shutdown" and value == 0 and value is not False:
        return "'brutal_kill'"
    words = {"restart": RESTARTS, "type": ("worker", "supervisor")}.get(name, ())
    near = get_close_matches(value, words, 1) if isinstance(value, str) else []
    return repr(near[0] if near else words[0]) if words else EXAMPLES[name]


_OPTIONS: Final[tuple[tuple[str, str, Callable[[Any], bool]], ...]] = (
    ("restart", "one of " + ", ".join(map(repr, RESTARTS)), lambda value: value in RESTARTS),
    ("type", "'worker' or 'supervisor'", lambda value: value in ("worker", "supervisor")),
    ("shutdown", "a number of seconds above 0, 'brutal_kill' or 'infinity'", _is_shutdown),
    ("significant", "True or False", lambda value: type(value) is bool),
    ("budget", "a Budget or None", lambda value: value is None or isinstance(value, Budget)),
    ("backoff", "a Backoff or None", lambda value: value is None or isinstance(value, Backoff)),
)
"""The fields that say how to supervise: what each has to be, and whether it is."""

_PLAIN: Final = ChildDefaults()


@dataclass(frozen=True, slots=True)
class ChildSpec(_Named):
    """How to start, restart and stop one child; the fields are described above.

    Raises:
        ChildSpecError: if a field is wrong, or two of them contradict each other.

    """

    id: Hashable
    actor: type[Actor]
    args: tuple[Any, ...] = ()
    name: Hashable | None = None
    restart: Restart = _FROM_CLASS
    shutdown: ShutdownTime = _FROM_CLASS
    type: ChildType = _FROM_CLASS
    significant: bool = _FROM_CLASS
    budget: Budget | None = None
    backoff: Backoff | None = None
    kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Take from the class what was not given, then check field by field."""
        _check_start(self)
        defaults = getattr(self.actor, "child_defaults", _PLAIN)
        if not isinstance(defaults, ChildDefaults):
            raise ChildSpecError(
                "actor",
                f"child_defaults of {self.actor.__name__} is {shown(defaults)}. "
                'Write child_defaults = ChildDefaults(restart="transient") in the class.',
            )
        take = object.__setattr__
        if self.restart is None:
            take(self, "restart", defaults.restart)
        if self.type is None:
            take(self, "type", defaults.type)
        if self.significant is None:
            take(self, "significant", defaults.significant)
        if self.budget is None:
            take(self, "budget", defaults.budget)
        if self.backoff is None:
            take(self, "backoff", defaults.backoff)
        if self.shutdown is None:
            by_type = WORKER_SHUTDOWN if self.type == "worker" else "infinity"
            take(self, "shutdown", by_type if defaults.shutdown is None else defaults.shutdown)
        _check_options(self)


def child_spec(actor: type[Actor], *args: object, **options: Any) -> ChildSpec:
    """A spec derived from an actor's class: its id is the class unless `id=` is given.

    Raises:
        ChildSpecError: as `ChildSpec`.

    """
    return ChildSpec(options.pop("id", actor), actor, args, **options)


def check_children(
    children: Iterable[ChildSpec | type[Actor]], auto_shutdown: AutoShutdown
) -> tuple[ChildSpec, ...]:
    """The specs of a static supervisor, in start order; a bare class stands for its own spec.

    Raises:
        ChildSpecError: if one is no spec, two share an id, or one does not fit `auto_shutdown`.

    """
    specs: dict[Hashable, ChildSpec] = {}
    if isinstance(children, (ChildSpec, type)) or not isinstance(children, Iterable):
        raise ChildSpecError(
            "children",
            f"{shown(children)} is no list of children. "
            'Write [ChildSpec("counter", Counter, (5,))], also for one.',
        )
    for child in children:
        spec = check_complete(check_child(child, auto_shutdown))
        if spec.id in specs:
            raise ChildSpecError(
                "id",
                f"Two children have the id {shown(spec.id)}. Ids are unique in a supervisor: "
                f"write ChildSpec({_second(spec.id)}, {spec.actor.__name__}) for the second.",
            )
        specs[spec.id] = spec
    return tuple(specs.values())


def check_child(child: object, auto_shutdown: AutoShutdown) -> ChildSpec:
    """One spec that fits a supervisor with this `auto_shutdown`.

    Raises:
        ChildSpecError: if it is no spec, or significant where nothing may shut down by itself.

    """
    if isinstance(child, type) and issubclass(child, Actor):
        child = child_spec(child)
    if not isinstance(child, ChildSpec):
        raise ChildSpecError(
            "child",
            f"{shown(child)} is no child spec. "
            'Write ChildSpec("counter", Counter, (5,)) or the class of the actor alone.',
        )
    if child.significant and auto_shutdown == "never":
        raise ChildSpecError(
            "significant",
            f"The child {shown(child.id)} is significant, but its supervisor never shuts down "
            'by itself. Start the supervisor with auto_shutdown="any_significant" or '
            '"all_significant", or leave significant=True out.',
        )
    return child


def _check_start(spec: ChildSpec) -> None:
    """Check the fields that say what to start: id, actor, args, name."""
    if spec.id is None:
        raise ChildSpecError(
            "id", 'A child needs an id other than None. Write ChildSpec("counter", Counter).'
        )
    actor: object = spec.actor
    if isinstance(actor, Actor):
        kind = type(actor).__name__
        raise ChildSpecError(
            "actor",
            f"actor of the child {shown(spec.id)} is an instance of {kind}; a restart needs the "
            f"class and its arguments. Write ChildSpec({shown(spec.id)}, {kind}, (...,)).",
        )
    if not (isinstance(actor, type) and issubclass(actor, Actor)):
        raise ChildSpecError(
            "actor",
            f"actor={shown(actor)} of the child {shown(spec.id)} is no actor class. "
            f"Write ChildSpec({shown(spec.id)}, Counter) with class Counter(Actor).",
        )
    if type(spec.args) is not tuple:
        _refuse(spec, "args", "a tuple of arguments", f"({shown(spec.args)},)")
    if spec.kwargs is not None and not (
        isinstance(spec.kwargs, Mapping) and all(type(key) is str for key in spec.kwargs)
    ):
        _refuse(spec, "kwargs", "a mapping from names to arguments", "{'limit': 10}")
    if spec.args or spec.kwargs:
        _check_arguments(spec, complete=False)
    for field in ("id", "name"):
        try:
            hash(getattr(spec, field))
        except TypeError:
            _refuse(spec, field, "hashable", '("user", "alice")')


def check_complete(spec: ChildSpec) -> ChildSpec:
    """`spec`, for a supervisor that adds no arguments to those of its specs.

    Raises:
        ChildSpecError: if its class needs one that it does not give.

    """
    _check_arguments(spec, complete=True)
    return spec


def _check_arguments(spec: ChildSpec, *, complete: bool) -> None:
    actor, args, kwargs = spec.actor, spec.args, spec.kwargs
    fault = find_fault(actor, args, kwargs, complete=complete)
    # After an upgrade a spec may name the old class and mean either version.
    if fault is not None and find_fault(newest(actor), args, kwargs, complete=complete):
        example = f"ChildSpec({shown(spec.id)}, {spec.actor.__name__}{fault.right})"
        raise ChildSpecError(
            fault.field,
            f"The arguments of the child {shown(spec.id)} do not fit: {fault.sentence}. "
            f"Write {example}.",
        )


def _check_options(spec: ChildSpec) -> None:
    """Check the fields that say how to supervise."""
    for name, wanted, is_right in _OPTIONS:
        value = getattr(spec, name)
        if not is_right(value):
            _refuse(spec, name, wanted, _right(name, value))
    if spec.significant and spec.restart == "permanent":
        raise ChildSpecError(
            "significant",
            f"The child {shown(spec.id)} is permanent and significant, but a permanent child never "
            "ends by itself. "
            f"Write {_example(spec, 'restart', repr('transient'))} with significant=True.",
        )


def _refuse(spec: ChildSpec, field: str, wanted: str, right: str) -> NoReturn:
    raise ChildSpecError(
        field,
        f"{field}={shown(getattr(spec, field))} of the child {shown(spec.id)} is not {wanted}. "
        f"Write {_example(spec, field, right)}.",
    )


def _example(spec: ChildSpec, field: str, right: str) -> str:
    if field == "id":
        return f"ChildSpec({right}, {spec.actor.__name__})"
    return f"ChildSpec({shown(spec.id)}, {spec.actor.__name__}, {field}={right})"


def _second(child_id: object) -> str:
    name = child_id.__name__ if isinstance(child_id, type) else child_id
    return shown((name, 2))


def shown(value: object) -> str:
    """A value as it would be written, at most 80 characters of it."""
    if isinstance(value, type):
        return value.__name__
    try:
        text = repr(value)
    except Exception:
        return f"<a {type(value).__name__} that has no text>"
    return text if len(text) <= 80 else text[:77] + "..."
