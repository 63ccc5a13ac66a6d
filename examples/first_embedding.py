"""A supervised actor in an ordinary trio program, surviving a crash.

Run it with `python examples/first_embedding.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from actors import Actor, CallError, Request, on, open_system
from supervision import ChildSpec, Supervisor


@dataclass(frozen=True, slots=True)
class Divide(Request[float]):
    """A message says what its answer is: a float."""

    by: float


class Calculator(Actor):
    """An object with a mailbox. It handles one message at a time, so it needs no locks."""

    def __init__(self, number: float) -> None:
        self.number = number

    @on(Divide)
    def divide(self, request: Divide) -> float:
        """A handler: what it returns is the answer."""
        return self.number / request.by


async def main() -> None:
    """Start a supervisor with one child, crash the child, and go on."""
    async with open_system("example") as system:
        child = ChildSpec(id="calculator", actor=Calculator, args=(84.0,), name="calculator")
        await system.spawn(Supervisor, [child], strategy="one_for_one")

        calculator = await system.wait_for("calculator")
        print("84 / 2 =", await calculator.call(Divide(2.0)))

        try:
            await calculator.call(Divide(0.0))
        except CallError as error:
            print("84 / 0:", error)

        # The supervisor starts a new incarnation under the same name.
        calculator = await system.wait_for("calculator")
        print("84 / 4 =", await calculator.call(Divide(4.0)))


if __name__ == "__main__":
    trio.run(main)
