"""The examples of the documentation, and how they are run.

Fenced blocks of a page, by their language:

``python``
    The blocks of a page run in order in one module, inside a trio run on virtual time, with a
    system of actors open under the name ``system``; they may await. A block that runs an event loop
    itself, or needs none (`PROGRAM`), is a program of its own. One with a ``title`` is a file in
    the page's directory, for the console.
``text``
    Directly after a block that runs: all that it prints. ``...`` stands for any text.
``console``
    A session in the page's directory: lines that begin with ``$`` are commands, what follows is
    what they print, on both streams.
``erlang``
    A module with a function ``main/0``, with its output in the same way.

The others, `SHOWN`, are only shown. What is printed and not shown is a failure, too.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import io
import pkgutil
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from actors import open_system
from tests.house import docstring_stage as stage

ROOT = Path(__file__).resolve().parents[2]
SHOWN = {"elixir", "json exchange", "msgpack", "scala", "sh", "text", "toml"}
RUN = {"python", "console", "erlang"}
PROGRAM = re.compile(r"^ *(trio\.run|asyncio\.run|run_virtual|main)\(|^import pykka$", re.MULTILINE)
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_INDENTED = re.compile(r"(?:\A|\n\n)((?:(?: {4}.*|(?=\n {4}))(?:\n|\Z))+)")
_TITLE = re.compile(r'\s*title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is the number of its first line, `shows` the output after it."""

    page: str
    line: int
    language: str
    title: str | None
    text: str
    shows: str | None

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_program(self) -> bool:
        return self.language == "python" and self.title is None and bool(PROGRAM.search(self.text))

    @property
    def is_snippet(self) -> bool:
        return self.language == "python" and self.title is None and not self.is_program


def blocks_of(text: str, page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = list(_FENCE.finditer(text))
    blocks = []
    for number, match in enumerate(found):
        title = _TITLE.search(match["info"])
        shows = None
        if number + 1 < len(found) and found[number + 1]["info"] == "text":
            between = text[match.end() : found[number + 1].start()]
            if "\n\n" not in between.strip():
                shows = _dedented(found[number + 1])
        blocks.append(
            Block(
                page,
                text.count("\n", 0, match.start("text")) + 1,
                _TITLE.sub("", match["info"]),
                title[1] if title else None,
                _dedented(match),
                shows,
            )
        )
    return blocks


def _dedented(match: re.Match[str]) -> str:
    indent = match["indent"]
    return re.sub(rf"^{indent}", "", match["text"], flags=re.MULTILINE)


def docstring_examples(package: types.ModuleType) -> list[Block]:
    """The indented blocks in the docstrings of a package's modules that are Python."""
    names = [package.__name__]
    names += [info.name for info in pkgutil.walk_packages(package.__path__, f"{names[0]}.")]
    found = []
    for name in names:
        text = ast.get_docstring(ast.parse(_source(name)), clean=True) or ""
        for match in _INDENTED.finditer(text):
            block = Block(name, 1, "python", None, textwrap.dedent(match[1]), None)
            if _is_python(block.text):
                found.append(block)
    return found


def _source(module: str) -> str:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def _is_python(text: str) -> bool:
    try:
        compile(text, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    return True


def compare(wanted: str | None, got: str, where: str) -> None:
    """Fail unless `got` is what the page shows."""
    checker = doctest.OutputChecker()
    if not checker.check_output(wanted or "", got, doctest.ELLIPSIS):
        raise AssertionError(f"{where}\nthe page shows:\n{wanted}\nit printed:\n{got}")


@contextmanager
def module_of(name: str) -> Iterator[dict[str, Any]]:
    """The names of a new module; dataclasses look their module up."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    try:
        yield module.__dict__
    finally:
        del sys.modules[name]


def run_snippets(blocks: list[Block], **names: Any) -> None:
    """Run these blocks one after the other in one module."""

    async def run() -> None:
        async with open_system("docs") as system:
            with module_of(re.sub(r"\W", "_", blocks[0].page)) as namespace:
                namespace |= {"system": system} | names
                for block in blocks:
                    await _run_snippet(block, namespace)

    trio.run(run, clock=MockClock(autojump_threshold=0))


def run_docstring(blocks: list[Block]) -> None:
    """Run the examples of one docstring on a stage of their own; what they print is not shown."""

    async def run() -> None:
        async with open_system("docs") as system:
            with module_of("docstring") as namespace:
                namespace |= {"system": system} | await stage.names(system)
                for block in blocks:
                    await _run_docstring(block, namespace)
                for name, found in list(namespace.items()):
                    if name.startswith("test_"):
                        await _run_test(found)

    trio.run(run, clock=MockClock(autojump_threshold=0))


async def _run_docstring(block: Block, names: dict[str, Any]) -> None:
    if block.page in stage.IN_AN_ACTOR:
        player = await names["system"].spawn(stage.Player, names)
        await player.call(stage.Play(partial(_run_snippet, block, names, shown=False)))
    else:
        await _run_snippet(block, names, shown=False)


async def _run_test(function: Any) -> None:
    if inspect.iscoroutinefunction(function):
        await function()
    else:
        await trio.to_thread.run_sync(function)


async def _run_snippet(block: Block, names: dict[str, Any], *, shown: bool = True) -> None:
    source = "\n" * (block.line - 1) + block.text
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    out = io.StringIO()
    try:
        code = compile(source, block.page, "exec", flags=flags, dont_inherit=True)
        with redirect_stdout(out):
            result = eval(code, names)
            if inspect.iscoroutine(result):
                await result
    except BaseException as error:
        error.add_note(f"in the example at {block.where}")
        raise
    if shown:
        compare(block.shows, out.getvalue(), block.where)


def run_command(command: list[str], block: Block, directory: Path, env: dict[str, str]) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise AssertionError(f"{block.where}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def run_session(block: Block, directory: Path, env: dict[str, str]) -> None:
    """Run the commands of a console session and compare what they print."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, wanted = part.partition("\n")
        done = subprocess.run(
            command,
            shell=True,
            cwd=directory,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        compare(wanted, done.stdout, f"{block.where}: $ {command}")
