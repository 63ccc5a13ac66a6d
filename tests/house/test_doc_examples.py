"""Every example of the documentation runs and prints what the page shows; see `doc_examples`."""

from __future__ import annotations

import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import actors
import storage
import supervision
from tests.house.doc_examples import (
    ROOT,
    RUN,
    SHOWN,
    Block,
    blocks_of,
    docstring_examples,
    run_command,
    run_docstring,
    run_session,
    run_snippets,
)

ELSEWHERE = {
    "docs/client.md",
    "docs/embedding.md",
    "docs/embedding-messenger.md",
    "docs/testing.md",
}
"""Their examples need more than a page: `test_docs` runs them."""
PAGES = {
    path.relative_to(ROOT).as_posix(): blocks_of(
        path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
    )
    for path in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
}
HERE = {page: blocks for page, blocks in PAGES.items() if page not in ELSEWHERE}
SNIPPETS = [page for page, blocks in HERE.items() if any(block.is_snippet for block in blocks)]
SESSIONS = [p for p, blocks in HERE.items() if any(b.language == "console" for b in blocks)]
PROGRAMS = [block for blocks in HERE.values() for block in blocks if block.is_program]
SCRIPTS = [block for blocks in HERE.values() for block in blocks if block.language == "erlang"]
OTHER_LOOPS = {"actors.guest", "actors.embedding.portal", "actors.embedding.thread_system"}
"""Their examples need asyncio or another thread; the page on embedding has the same, run."""
DOCSTRINGS = [
    block
    for package in (actors, supervision, storage)
    for block in docstring_examples(package)
    if block.page not in OTHER_LOOPS
]


def where(block: Block) -> str:
    return block.where


def environment() -> dict[str, str]:
    """Of programs: this Python first, the checkout importable, warnings as errors."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1"}
    return os.environ | {"PATH": path} | settings


def test_every_block_of_every_page_says_what_it_is():
    kinds = {block.language: block.where for blocks in PAGES.values() for block in blocks}
    unknown = {kind: place for kind, place in kinds.items() if kind not in SHOWN | RUN}
    assert not unknown


@pytest.mark.parametrize("page", SNIPPETS)
def test_the_examples_of_a_page_run_in_order(page):
    run_snippets([block for block in PAGES[page] if block.is_snippet])


@pytest.mark.parametrize("block", PROGRAMS, ids=where)
def test_a_program_prints_what_the_page_shows(block, tmp_path):
    for package in re.findall(r"^import (pykka)$", block.text, re.MULTILINE):
        if find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    program = tmp_path / "program.py"
    program.write_text(block.text, encoding="utf-8")
    out = run_command([sys.executable, str(program)], block, tmp_path, environment())
    if block.shows is not None or out:
        assert out == block.shows


@pytest.mark.parametrize("block", SCRIPTS, ids=where)
def test_an_erlang_program_prints_what_the_page_shows(block, tmp_path):
    if shutil.which("erlc") is None:
        pytest.skip("erlc is not installed (Debian: erlang-base)")
    name = re.search(r"^-module\((\w+)\)\.$", block.text, re.MULTILINE)[1]
    (tmp_path / f"{name}.erl").write_text(block.text, encoding="utf-8")
    run_command(["erlc", "-Werror", f"{name}.erl"], block, tmp_path, environment())
    command = ["erl", "-noshell", "-eval", f"{name}:main(), init:stop()."]
    assert run_command(command, block, tmp_path, environment()) == block.shows


@pytest.mark.parametrize("page", SESSIONS)
def test_the_sessions_of_a_page_go_as_shown(page, tmp_path):
    for block in PAGES[page]:
        if block.title is not None:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            run_session(block, tmp_path, environment())


@pytest.mark.parametrize("module", sorted({block.page for block in DOCSTRINGS}))
def test_the_examples_in_a_docstring_run(module):
    run_docstring([block for block in DOCSTRINGS if block.page == module])


PAGE = """# A page

```python
print("one")
```

It prints:

```text
{shown}
```

```python
{second}
```
"""


def run_page(shown, second):
    run_snippets(blocks_of(PAGE.format(shown=shown, second=second), "page.md")[::2])


def test_output_that_differs_from_the_page_is_named_by_its_place():
    run_page("one", "names = []")
    with pytest.raises(AssertionError, match=r"page\.md:4"):
        run_page("two", "names = []")


def test_output_that_the_page_does_not_show_is_a_failure():
    with pytest.raises(AssertionError, match=r"page\.md:14"):
        run_page("one", "print('two')")


def test_an_example_that_raises_names_page_and_line():
    with pytest.raises(ZeroDivisionError) as raised:
        run_page("one", "\n1 / 0")
    assert raised.traceback[-1].lineno == 14  # counted from 0
    assert raised.value.__notes__ == ["in the example at page.md:14"]
