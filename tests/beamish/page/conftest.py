"""What the page's tests need: node for the engine; Chromium and a served node for the page."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.beamish.page.served import Served, served
from tests.beamish.page.window import Window

# A busy machine takes its time; what never comes fails all the same.
expect.set_options(timeout=20_000)

CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = (1180, 760)


def find_program(*names: str) -> str | None:
    """The path of the first of these that is installed."""
    return next((found for name in names if (found := shutil.which(name)) is not None), None)


def _program(*names: str) -> str:
    found = find_program(*names)
    if found is None:
        pytest.skip(f"the system package that provides {names[0]} is not installed")
    return found


@pytest.fixture(scope="session")
def node_binary() -> str:
    """Path of Node.js, which runs the engine's tests."""
    return _program("node", "nodejs")


@pytest.fixture(scope="session")
def chromium_binary() -> str:
    """Path of the system's Chromium, which Playwright drives."""
    return _program("chromium", "chromium-browser")


@pytest.fixture(scope="module")
def browser(chromium_binary: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_binary, args=CHROMIUM_ARGUMENTS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("data")) as node:
        yield node


_numbers = itertools.count(1)


@pytest.fixture
def name() -> Callable[[str], str]:
    """User names that no other test of this node uses."""
    number = next(_numbers)
    return lambda base: f"{base}{number}"


@contextmanager
def windows_of(browser: Browser, node: Served) -> Iterator[Callable[..., Window]]:
    """Opens windows; at the end none of them may have met an error."""
    windows: list[Window] = []

    def open_window(size: tuple[int, int] = WIDE, *, clock: bool = False, **options) -> Window:
        viewport = {"width": size[0], "height": size[1]}
        # A worker would stand between the page and what tests put in its way.
        workers = options.pop("service_workers", "block")
        context = browser.new_context(viewport=viewport, service_workers=workers, **options)
        if clock:  # the page's time, which a test may put forward
            context.clock.install()
        windows.append(Window(context, node.url))
        return windows[-1]

    yield open_window
    node.mend()
    for opened in windows:
        opened.context.close()
    assert [problem for opened in windows for problem in opened.problems] == []


@pytest.fixture
def window(browser: Browser, node: Served) -> Iterator[Callable[..., Window]]:
    with windows_of(browser, node) as open_window:
        yield open_window


PEOPLE = {"anna": "Anna", "ben": "Ben", "cora": "Cora Silva"}


@pytest.fixture(scope="module")
def people(browser: Browser, node: Served) -> Iterator[tuple[Window, ...]]:
    """Windows of Anna, Ben and Cora (users anna, ben, cora), for all tests of a module."""
    with windows_of(browser, node) as open_window:
        yield tuple(open_window().register(user, display) for user, display in PEOPLE.items())


@pytest.fixture
def friends(people: tuple[Window, ...]) -> Iterator[tuple[Window, ...]]:
    """Anna, Ben and Cora in a new group of Anna's, all looking at it; `title` is the group's."""
    title = f"Friends {next(_numbers)}"
    anna, *others = people
    anna.make_group(title, *(user for user in PEOPLE if user != "anna"))
    for one in others:
        one.open(title)
        expect(one.composer).to_be_visible()
    for one in people:
        one.title = title
    yield people
    for one in people:
        # A test that failed half way may have left a question open.
        one.page.evaluate("document.querySelectorAll('dialog').forEach((one) => one.close())")
        one.page.goto(f"{one.url}#/")
