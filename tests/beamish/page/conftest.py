"""What the page's tests need: node for the engine; Chromium and a served node for the page."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.beamish.page.served import PASSWORD, Served, served

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


def _program(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(f"the system package that provides {names[0]} is not installed")


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


class Window:
    """A browser window of its own profile, with the page open, and what people do there."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.problems: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        page.on("console", self._on_console)
        page.goto(self.url)
        return page

    def _on_console(self, message) -> None:
        # A refused connection is logged by the browser itself; it is what some tests are about.
        if message.type == "error" and "WebSocket connection to" not in message.text:
            self.problems.append(message.text)

    def later(self, seconds: float) -> None:
        """Put the page's time forward; the window was opened with a `clock`."""
        self.page.clock.run_for(1_000 * seconds)

    def register(self, user: str, display: str) -> Window:
        page = self.page
        page.get_by_role("button", name="Create an account").click()
        page.get_by_label("User name").fill(user)
        page.get_by_label("Your name").fill(display)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_role("heading", name=display)).to_be_visible()
        return self

    def log_in(self, user: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("User name").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in", exact=True).click()

    def write_to(self, user: str) -> None:
        self.page.get_by_role("searchbox").fill(user)
        self.page.get_by_role("button", name=f"Write to @{user}").click()
        expect(self.composer).to_be_visible()

    def open(self, title: str) -> None:
        self.page.get_by_role("navigation").get_by_role("button", name=title).click()

    @property
    def composer(self):
        return self.page.get_by_role("textbox", name="Message", exact=True)

    def say(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    def message(self, text: str):
        return self.page.locator(".message").filter(has=self.page.get_by_text(text, exact=True))

    def happening(self, text: str):
        return self.page.locator(".happening").filter(has_text=text)

    def texts(self) -> list[str]:
        return self.page.locator(".message .text").all_inner_texts()

    def expect_tick(self, text: str, state: str) -> None:
        expect(self.message(text).get_by_role("img", name=state, exact=True)).to_be_visible(
            timeout=10_000
        )

    def expect_unread(self, title: str, count: int) -> None:
        row = self.page.get_by_role("navigation").get_by_role("button", name=title)
        expect(row.locator(".badge")).to_have_text(re.compile(rf"^{count}\b"))


@pytest.fixture
def window(browser: Browser, node: Served) -> Iterator[Callable[..., Window]]:
    """Opens windows; at the end none of them may have met an error."""
    windows: list[Window] = []

    def open_window(size: tuple[int, int] = WIDE, *, clock: bool = False, **options) -> Window:
        viewport = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=viewport, **options)
        if clock:  # the page's time, which a test may put forward
            context.clock.install()
        windows.append(Window(context, node.url))
        return windows[-1]

    yield open_window
    node.mend()
    for opened in windows:
        opened.context.close()
    assert [problem for opened in windows for problem in opened.problems] == []
