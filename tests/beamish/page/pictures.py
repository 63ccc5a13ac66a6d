"""The pictures of docs/page.md, taken of the page itself.

    .venv/bin/python -m tests.beamish.page.pictures [NAME ...]

A node runs behind the page as in the tests, people talk in it through real windows, and each
scene is photographed: `docs/images/NAME.png`. Without names all are taken. It needs Chromium and,
for all letters and emoji to be there, the fonts of Debian's fonts-noto-color-emoji and -cjk.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.beamish.page.conftest import CHROMIUM_ARGUMENTS, find_program
from tests.beamish.page.served import Served, served
from tests.beamish.page.window import Window

IMAGES = Path(__file__).parents[3] / "docs" / "images"
DESKTOP = (1280, 800)
PHONE = (390, 844)

PEOPLE = {
    "anna": "Anna Lind",
    "ben": "Ben Okafor",
    "cora": "Cora Silva",
    "dan": "Dan Weiss",
    "noor": "نور حداد",
    "yuki": "Yuki Tanaka",
}


class Story:
    """What is said before the pictures are taken, in Anna's window and in those of others."""

    def __init__(self, browser: Browser, node: Served) -> None:
        self.browser = browser
        self.node = node
        self.windows: dict[str, Window] = {}
        for user, display in PEOPLE.items():
            self.windows[user] = self.open(DESKTOP).register(user, display)
        self.anna = self.windows["anna"]

    def open(self, size: tuple[int, int], **options) -> Window:
        viewport = {"width": size[0], "height": size[1]}
        context = self.browser.new_context(
            viewport=viewport, service_workers="block", locale="en-GB", **options
        )
        return Window(context, self.node.url)

    def tell(self) -> None:
        self._directs()
        self._group()

    def _directs(self) -> None:
        said = {
            "noor": ["صباح الخير يا آنا", "هل ما زال موعدنا غدًا؟ 🌿"],
            "yuki": ["The train is at 9:40, platform 3", "お土産 を持っていくね 🍵"],
            "dan": ["Invoice sent, _finally_", "Ping me when you have seen it"],
        }
        for user, texts in said.items():
            window = self.windows[user]
            window.write_to("anna")
            for text in texts:
                window.say(text)
            window.expect_tick(texts[-1], "Delivered")

    def _group(self) -> None:
        anna = self.anna
        anna.begin("New group")
        anna.page.get_by_label("Name of the group").fill("Lighthouse 🗼")
        anna.page.get_by_label("Members, by user name").fill("ben, cora, dan, yuki")
        anna.page.get_by_role("button", name="Create").click()
        ben, cora = self.windows["ben"], self.windows["cora"]
        for window in (ben, cora):
            window.open("Lighthouse")
        anna.say("Morning! The lamp is back from repair.\nWho can be there on *Saturday*?")
        ben.message_starting("Morning!").wait_for()
        ben.say("Me. I bring the long ladder")
        cora.say("Same here 🎉")
        cora.react("Me. I bring", "👍")
        anna.react("Same here", "❤️")
        ben.react("Same here", "❤️")
        cora.reply(
            "Morning!", "Is it the 1,000 W one? The fuse says `B10`, see https://example.org/lamp"
        )
        anna.say(
            "> The fuse says B10\nThen we start it in two steps, @cora:\n"
            "```\nlamp --power 50 --wait 5m\nlamp --power 100\n```"
        )
        cora.message_starting("The fuse").first.wait_for()
        cora.say("Perfect, I wrote it down")
        anna.message("Perfect, I wrote it down").wait_for()
        ben.composer.press_sequentially("On my ")


Scene = Callable[[Story], Window]


def conversation(story: Story) -> Window:
    story.anna.page.bring_to_front()
    return story.anna


def dark(story: Story) -> Window:
    story.anna.page.emulate_media(color_scheme="dark")
    return story.anna


def phone(story: Story, scheme: str = "light") -> Window:
    window = story.open(PHONE, has_touch=True, is_mobile=True, color_scheme=scheme)
    window.log_in("anna")
    window.open("Lighthouse")
    window.message("Perfect, I wrote it down").wait_for()
    return window


def phone_list(story: Story) -> Window:
    window = phone(story, "dark")
    window.page.get_by_role("button", name="Back to the conversations").click()
    return window


def menu(story: Story) -> Window:
    story.anna.page.emulate_media(color_scheme="light")
    story.anna.message("Same here 🎉").click(button="right")
    return story.anna


def details(story: Story) -> Window:
    anna = story.anna
    anna.page.keyboard.press("Escape")
    anna.page.get_by_role("button", name="Details", exact=True).click()
    expect(anna.page.get_by_role("region", name="Members")).to_be_visible()
    anna.page.mouse.move(5, 5)
    return anna


def settings(story: Story) -> Window:
    anna = story.anna
    anna.page.get_by_role("button", name="Close details").click()
    anna.page.get_by_role("button", name="Anna Lind, settings").click()
    return anna


def sign_in(story: Story) -> Window:
    return story.open(DESKTOP)


SCENES: dict[str, Scene] = {
    "page": conversation,
    "page-dark": dark,
    "page-phone": phone,
    "page-phone-list": phone_list,
    "page-menu": menu,
    "page-details": details,
    "page-settings": settings,
    "page-sign-in": sign_in,
}
"""By the name of its picture, in the order in which they are taken."""


def take(names: list[str]) -> None:
    """Tell the story and photograph the scenes."""
    binary = find_program("chromium", "chromium-browser")
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as node,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=binary, args=CHROMIUM_ARGUMENTS)
        story = Story(browser, node)
        story.tell()
        for name, scene in SCENES.items():
            window = scene(story)
            if not names or name in names:
                # Toasts are gone, what moves has come to rest.
                expect(window.page.locator(".toast")).to_have_count(0)
                window.page.wait_for_timeout(400)
                window.page.screenshot(path=IMAGES / f"{name}.png")
                sys.stdout.write(f"docs/images/{name}.png\n")
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1:])
