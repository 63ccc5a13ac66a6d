"""An Erlang node that runs programs: one term per line in, one line of JSON out."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

needs_otp = pytest.mark.skipif(
    shutil.which("erl") is None or shutil.which("erlc") is None,
    reason="needs erl and erlc: apt-get install erlang-base",
)


def erlang(value: Any) -> str:
    """A program as an Erlang term: strings are atoms."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, str)):
        return str(value)
    inner = ",".join(erlang(item) for item in value)
    return f"[{inner}]" if isinstance(value, list) else f"{{{inner}}}"


@contextmanager
def open_node(module: str, folder: Path) -> Iterator[Callable[[Any], Any]]:
    """A function that runs a program with ``module``.erl, on one node for as many as there are."""
    subprocess.run(["erlc", "-o", folder, HERE / f"{module}.erl"], check=True, timeout=60)
    command = ["erl", "+S", "1:1", "-noshell", "-pa", folder, "-s", module, "main"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as node:
        into, out = node.stdin, node.stdout
        assert into is not None
        assert out is not None

        def run(program: Any) -> Any:
            into.write(f"{erlang(program)}.\n")
            into.flush()
            return json.loads(out.readline())

        yield run
        into.close()
        node.wait(10)
