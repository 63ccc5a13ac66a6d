"""The runtime's peer on Erlang/OTP: compiles `otp_peer.erl` and runs one figure of it.

Each sample is a node of its own with one scheduler of each kind and no shell; compiling and
starting it are no part of what is measured.
"""

from __future__ import annotations

import atexit
import functools
import subprocess
import tempfile
from pathlib import Path

from bench.harness import SAMPLE_TIMEOUT_S
from bench.sizes import MESSAGE, SIZES, TRAFFIC

SOURCE = Path(__file__).with_name("otp_peer.erl")
ERL = ("erl", "+S", "1:1", "+SDcpu", "1:1", "+SDio", "1", "-noshell", "+P", "2000000")
"""More processes than OTP's default limit allows, since the memory figure needs them."""


def measure(figure: str, *numbers: int) -> float:
    """The value of `figure` for these numbers.

    Raises RuntimeError with what the node wrote when it fails.
    """
    command = (*ERL, "-run", "otp_peer", "main", figure, *map(str, numbers))
    return float(_output(*command, folder=_compiled()).splitlines()[-1])


@functools.cache
def _compiled() -> str:
    """A folder with the compiled program, made once in a process and removed at its end."""
    made = tempfile.TemporaryDirectory(prefix="beamish-otp-")
    atexit.register(made.cleanup)
    _output("erlc", "-o", made.name, str(SOURCE), folder=made.name)
    return made.name


def _output(*command: str, folder: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SAMPLE_TIMEOUT_S - 10,
        check=False,
    )
    if done.returncode != 0:
        wrote = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}:\n{wrote}")
    return done.stdout


def calls(count: int) -> dict[str, float]:
    """`gen_server:call` to an idle gen_server; there is but one kind of callback."""
    rate = measure("calls", count)
    return {"calls_per_s": rate, "async_calls_per_s": rate}


def shared_calls(count: int) -> dict[str, float]:
    """100 gen_servers calling one."""
    return {"shared_calls_per_s": measure("shared_calls", count)}


def casts(count: int) -> dict[str, float]:
    """`gen_server:cast`, confirmed by a call each 1,000."""
    return {"casts_per_s": measure("casts", count)}


def starts(count: int) -> dict[str, float]:
    """`supervisor:start_child` under a simple_one_for_one supervisor."""
    return {"template_starts_per_s": measure("starts", count)}


def memory(actors: int) -> dict[str, float]:
    """RSS growth of the node by idle gen_servers that have each handled a message."""
    return {"bytes_per_actor": measure("memory", actors)}


def restart(times: int) -> dict[str, float]:
    """From raising to the first message served by the next incarnation."""
    return {"restart_us": measure("restart", times)}


def by_actors(shrunk: int, count: int) -> dict[str, float]:
    """A cast and a call to a random gen_server of so many, microseconds."""
    return {
        TRAFFIC.format(size): measure("traffic", max(1, size // shrunk), count) for size in SIZES
    }


def by_backlog(shrunk: int, count: int) -> dict[str, float]:
    """A message, handled and replaced, behind so many others, microseconds."""
    return {MESSAGE.format(size): measure("rotate", size // shrunk, count) for size in SIZES}


def crash_storm(children: int) -> dict[str, float]:
    """All children crash at once, until all are back."""
    return {"crash_storm_s": measure("crash_storm", children)}


def stop(children: int) -> dict[str, float]:
    """`supervisor:terminate_child` of a one_for_one supervisor with that many children."""
    return {"stop_s": measure("stop", children)}
