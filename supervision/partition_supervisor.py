"""`PartitionSupervisor`: one child in N copies, and a key says which of them (Elixir's).

    await system.spawn(PartitionSupervisor, ChildSpec("counter", Counter), name="counters")
    counter = partition_of(system.whereis("counters"), ("user", "alice"))
    await counter.call(Add(1))                             # always the same of the N counters

    await system.spawn(PartitionSupervisor, DynamicSupervisor, partitions=4, name="sessions")
    name = PartitionName(system, "sessions", user)         # the same as a name, for finding
    await system.whereis(name).call(StartChild(spec))

Contract:

* It is a `Supervisor` whose children have the ids 0 to N - 1, with its strategies, budget and
  requests. Their number is fixed: `StartChild` and `DeleteChild` are refused.
* `with_arguments(args, partition)` returns the arguments of one partition; without it all get the
  same.
* **Routing**: an int goes to ``abs(key) % N``, as in Elixir; any other key by a hash of its
  content that is the same in every process and on every machine and in every run, whatever
  ``PYTHONHASHSEED`` is. Keys are made of str, bytes, int, float, bool, None, enum members and
  tuples of these.
* While a partition is being restarted, or is down, `partition_of` gives None.

N is 8 unless it is stated. In Elixir it is the number of cores; here one thread runs all partitions
anyhow, and with a number of the machine's the same seed would play another history on another one.
What partitions buy is shorter queues before a supervisor or an actor that waits.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final, cast

from actors import Actor, ActorError, LocalRef, Ref, Reject, System, Via
from actors.scheduling.protection import protect
from supervision.child_spec import ChildSpec, ChildSpecError, check_child
from supervision.flags import FlagError, Strategy
from supervision.requests import DeleteChild, StartChild, UnsupportedRequest
from supervision.supervisor import Supervisor

PARTITIONS: Final = 8
"""Partitions, if nothing else is said."""

WithArguments = Callable[[tuple[Any, ...], int], tuple[Any, ...]]


class PartitionSupervisor(Supervisor):
    """A supervisor of one child in several copies; see the top of this file.

    Args:
        child: the spec of all partitions, or the actor's class.
        partitions: how many, from 1 up.
        with_arguments: makes the arguments of a partition of the spec's and its number.
        strategy: as for `Supervisor`.
        intensity: as for `Supervisor`.
        period: as for `Supervisor`.

    Raises:
        FlagError, ChildSpecError, BudgetError: an argument is wrong (as the reason of StartFailed).

    """

    def __init__(
        self,
        child: ChildSpec | type[Actor],
        *,
        partitions: int = PARTITIONS,
        with_arguments: WithArguments | None = None,
        strategy: Strategy = "one_for_one",
        intensity: int = 3,
        period: float = 5.0,
    ) -> None:
        if type(partitions) is not int or partitions < 1:
            raise FlagError(
                f"partitions={partitions!r} is no number of partitions. "
                "Write a whole number from 1 up, as in partitions=8."
            )
        spec = check_child(child, "never")
        if spec.name is not None:
            raise ChildSpecError(
                "name",
                f"All partitions would have the name {spec.name!r}. Leave name= out and find them "
                "by partition_of(supervisor, key).",
            )
        super().__init__(
            [_of_partition(spec, number, with_arguments) for number in range(partitions)],
            strategy=strategy,
            intensity=intensity,
            period=period,
        )

    def partition(self, key: Hashable) -> LocalRef | None:
        """The running partition for `key`."""
        return self._children[route(key, len(self._children))].ref

    def start_one(self, request: StartChild) -> LocalRef:  # type: ignore[override]
        """Refused: the number of partitions is fixed."""
        raise Reject(_fixed(request))

    def delete_one(self, request: DeleteChild) -> None:
        """Refused: the number of partitions is fixed."""
        raise Reject(_fixed(request))


def _fixed(request: object) -> UnsupportedRequest:
    return UnsupportedRequest(
        f"A PartitionSupervisor has a fixed number of children, so there is no "
        f"{type(request).__name__}. Say partitions= when it is started, or let each partition be "
        "a DynamicSupervisor."
    )


def _of_partition(spec: ChildSpec, number: int, with_arguments: WithArguments | None) -> ChildSpec:
    args = spec.args if with_arguments is None else with_arguments(spec.args, number)
    return replace(spec, id=number, args=args)


def partition_of(supervisor: Ref | None, key: Hashable) -> LocalRef | None:
    """The partition for `key`; None if it, or the whole supervisor, does not run just now.

    Raises:
        ActorError: `supervisor` is no `PartitionSupervisor`.
        TypeError: the key has a part that is not routed by content.
    """
    actor = supervisor.actor if isinstance(supervisor, LocalRef) else None
    if actor is None and (supervisor is None or not supervisor.is_alive()):
        return None
    if not isinstance(actor, PartitionSupervisor):
        raise ActorError(f"{supervisor!r} is no PartitionSupervisor of this process")
    return actor.partition(key)


@dataclass(frozen=True, slots=True)
class PartitionName(Via):
    """The partition for `key` of the supervisor registered as `supervisor`, as a name to find."""

    system: System
    supervisor: Hashable
    key: Hashable

    def whereis(self) -> LocalRef | None:
        """The partition, if it runs. Raises as `partition_of`."""
        return partition_of(self.system.whereis(self.supervisor), self.key)

    def register(self, ref: LocalRef) -> None:
        """Refused: partitions are started by their supervisor."""
        raise ActorError(f"{self!r} finds a partition and cannot be given to {ref!r}")


def route(key: Hashable, partitions: int) -> int:
    """The partition of `key`, from 0 to ``partitions - 1``.

    Raises TypeError for a key that is not made of the types named at the top of this file.
    """
    if isinstance(key, (bool, float)) and key == key // 1:  # equal keys go the same way
        key = int(key)
    if type(key) is int:
        return abs(key) % partitions
    return int.from_bytes(blake2b(_encoded(key), digest_size=8).digest(), "big") % partitions


def _encoded(key: Hashable) -> bytes:
    """A type tag, the length, the content: no two different keys look alike."""
    if type(key) is tuple:
        tag, content = b"t", b"".join(map(_encoded, key))
    elif isinstance(key, enum.Enum):
        tag, content = b"e", f"{type(key).__qualname__}.{key.name}".encode()
    elif type(key) is str:
        tag, content = b"s", key.encode("utf-8", "surrogatepass")
    elif type(key) is bytes:
        tag, content = b"b", key
    elif key is None or type(key) in (int, float, bool):
        tag, content = b"n", _number(cast("float | None", key))
    else:
        raise TypeError(
            f"{key!r} cannot be routed: a {type(key).__name__} has no content that is the same in "
            "every run. Use a str, bytes, number, enum member, None or a tuple of these."
        )
    return b"%s%d:%s" % (tag, len(content), content)


def _number(key: float | None) -> bytes:
    # In a tuple, too, equal keys go the same way: 1, 1.0 and True.
    if isinstance(key, (bool, float)) and key == key // 1:
        key = int(key)
    return repr(key).encode()


protect(PartitionSupervisor, PartitionName, partition_of, route, _encoded, _number)
