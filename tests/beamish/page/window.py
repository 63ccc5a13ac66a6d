"""A window of a browser with the page in it, in words of what people do there."""

from __future__ import annotations

import re
import time

from playwright.sync_api import BrowserContext, Page, expect

from tests.beamish.page.served import PASSWORD


def until(page: Page, condition: str, seconds: float = 40.0) -> None:
    """Wait for a condition in the page; its policy forbids Playwright's own way to do this."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"still not so: {condition}"
        page.wait_for_timeout(50)


def until_they_connect_again(node, *windows, sockets: int | None = None) -> int:
    """Put these pages' time forward until they have opened `sockets` more, one each unless told.

    Returns the seconds of their time that took; at most 30.
    """
    wanted = node.sockets() + (sockets or len(windows))
    for second in range(1, 31):
        for window in windows:
            window.later(1)
        windows[0].page.wait_for_timeout(50)  # the network's time is not the page's
        if node.sockets() >= wanted:
            return second
    raise AssertionError("not all pages connected again in 30 seconds of theirs")


class Window:
    """A browser window of its own profile, with the page open, and what people do there."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.problems: list[str] = []
        self.title = ""
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

    def make_group(self, title: str, *members: str) -> None:
        self.begin("New group")
        self.page.get_by_label("Name of the group").fill(title)
        self.page.get_by_label("Members, by user name").fill(", ".join(members))
        self.page.get_by_role("button", name="Create").click()
        expect(self.composer).to_be_visible()

    def row(self, title: str):
        """A conversation in the list."""
        return self.page.get_by_role("navigation").get_by_role("button", name=title)

    def open(self, title: str) -> None:
        self.row(title).click()

    def show_details(self) -> None:
        self.page.get_by_role("button", name="Details", exact=True).click()

    def choose(self, title: str, action: str) -> None:
        """Choose an action from the menu of a conversation in the list."""
        self.row(title).click(button="right")
        self.page.get_by_role("menuitem", name=action, exact=True).click()

    def begin(self, what: str) -> None:
        """Choose one of "New conversation", "New group", "New channel"."""
        self.page.get_by_role("button", name="New", exact=True).click()
        self.page.get_by_role("menuitem", name=what).click()

    @property
    def composer(self):
        return self.page.get_by_role("textbox", name="Message", exact=True)

    def say(self, text: str) -> None:
        self.composer.fill(text)
        self.composer.press("Enter")

    def message(self, text: str):
        return self.page.locator(".message").filter(has=self.page.get_by_text(text, exact=True))

    def message_starting(self, text: str):
        """The message that has these words, whatever else it has."""
        return self.page.locator(".message").filter(has_text=text).last

    def menu(self, text: str, action: str) -> None:
        """Choose an action from the menu of a message."""
        self.message_starting(text).locator(".meta").click(button="right")
        self.page.get_by_role("menuitem", name=action, exact=True).click()

    def react(self, text: str, emoji: str) -> None:
        self.menu(text, f"React with {emoji}")

    def reply(self, text: str, answer: str) -> None:
        self.menu(text, "Reply")
        self.say(answer)

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
