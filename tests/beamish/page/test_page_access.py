"""The page for those who do not see it, or not well: axe finds nothing serious on any screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.beamish.page.conftest import windows_of
from tests.beamish.page.served import Served
from tests.beamish.page.window import Window

PHONE = (360, 720)


@pytest.fixture(scope="module")
def anna(browser: Browser, node: Served) -> Iterator[Window]:
    """Anna, with a group that has a bit of everything in it."""
    with windows_of(browser, node) as open_window:
        anna = open_window().register("anna", "Anna")
        ben = open_window().register("ben", "Ben")
        open_window().register("cora", "Cora")
        anna.make_group("Everything", "ben", "cora")
        anna.say("*bold* `code` https://example.org > x")
        anna.say("> quote\n```\nblock\n```\nand @ben")
        ben.open("Everything")
        ben.message("bold").or_(ben.message_starting("bold")).wait_for()
        ben.reply("bold", "an answer, @anna")
        ben.say("🎉")
        ben.write_to("anna")
        ben.say("شكرا جزيلا")
        anna.expect_unread("Ben", 1)
        anna.message("🎉").wait_for()
        yield anna


def closed(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.locator("dialog, .menu, .picker")).to_have_count(0)


def grave(page: Page) -> list[str]:
    """What axe finds serious or critical, each as its rule and where, when all is drawn.

    In the middle of a transition, as after a change of the scheme, colours are no scheme's.
    """
    page.evaluate("Promise.allSettled(document.getAnimations().map((one) => one.finished))")
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def show_list(page: Page) -> None:
    page.evaluate("location.hash = '#/'")


def show_chat(page: Page) -> None:
    page.evaluate("location.hash = '#/'")
    page.get_by_role("navigation").get_by_role("button", name="Everything").click()
    expect(page.get_by_role("log")).to_contain_text("an answer")


def show_message_menu(page: Page) -> None:
    show_chat(page)
    page.locator(".message").last.click(button="right")
    expect(page.get_by_role("menu")).to_be_visible()


def show_picker(page: Page) -> None:
    show_message_menu(page)
    page.get_by_role("menuitem", name="Another reaction").click()
    expect(page.get_by_role("dialog", name="Emoji")).to_be_visible()


def show_answering(page: Page) -> None:
    show_message_menu(page)
    page.get_by_role("menuitem", name="Reply").click()
    page.get_by_role("textbox", name="Message").press_sequentially("@")
    expect(page.get_by_role("listbox")).to_be_visible()


def show_details(page: Page) -> None:
    show_chat(page)
    page.get_by_role("button", name=re.compile("Everything, details")).click()
    expect(page.get_by_role("region", name="Rules")).to_be_visible()


def show_link_dialog(page: Page) -> None:
    show_details(page)
    page.get_by_role("button", name="New invitation link").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def show_settings(page: Page) -> None:
    page.evaluate("location.hash = '#/settings'")
    expect(page.get_by_role("region", name="Devices").get_by_role("listitem")).not_to_have_count(0)


def show_shortcuts(page: Page) -> None:
    show_settings(page)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def show_new_group(page: Page) -> None:
    show_list(page)
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_role("menuitem", name="New group").click()


def show_new_channel(page: Page) -> None:
    show_list(page)
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_role("menuitem", name="New channel").click()


SCREENS: list[Callable[[Page], None]] = [
    show_list,
    show_chat,
    show_message_menu,
    show_picker,
    show_answering,
    show_details,
    show_link_dialog,
    show_settings,
    show_shortcuts,
    show_new_group,
    show_new_channel,
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_screen(anna: Window, scheme: str) -> None:
    page = anna.page
    page.emulate_media(color_scheme=scheme)
    found = {}
    for show in SCREENS:
        show(page)
        if problems := grave(page):
            found[show.__name__] = problems
        closed(page)
    assert found == {}


def test_axe_finds_nothing_serious_where_one_signs_in(window) -> None:
    page = window().page
    expect(page.get_by_label("User name")).to_be_visible()
    assert grave(page) == []
    page.get_by_role("button", name="Create an account").click()
    assert grave(page) == []


def test_every_screen_fits_360_pixels(anna: Window) -> None:
    page = anna.page
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    outside = {}
    for show in SCREENS:
        show(page)
        wide = page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((one) => one.checkVisibility() && !one.closest(".unseen, pre, svg"))
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
                .map((one) => one.outerHTML.slice(0, 120))"""
        )
        if wide or page.evaluate("document.documentElement.scrollWidth") > PHONE[0]:
            outside[show.__name__] = wide
        closed(page)
    page.set_viewport_size({"width": 1180, "height": 760})
    assert outside == {}


def test_what_is_touched_is_large_enough(anna: Window) -> None:
    page = anna.page
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    small = {}
    for show in (show_list, show_chat, show_details, show_settings):
        show(page)
        sizes = page.evaluate(
            """() => [...document.querySelectorAll(
                    "button, select, input:not([type=checkbox]), label.check")]
                .filter((one) => one.checkVisibility() && !one.closest(".tools, .messages"))
                .map((one) => [one, one.getBoundingClientRect()])
                .filter(([, { width, height }]) => width < 24 || height < 18)
                .map(([one]) => one.getAttribute("aria-label") ?? one.textContent)"""
        )
        if sizes:
            small[show.__name__] = sizes
    page.set_viewport_size({"width": 1180, "height": 760})
    assert small == {}


def test_the_tab_key_goes_through_the_page_and_out_of_it(anna: Window) -> None:
    """From the search field through all stops, each once, and no stop holds the focus."""
    page = anna.page
    show_chat(page)
    page.get_by_role("searchbox").focus()
    stops = []
    for _ in range(40):
        name = page.evaluate(
            """() => {
                const one = document.activeElement;
                return one === document.body
                    ? null : one.getAttribute("aria-label") ?? one.textContent.trim();
            }"""
        )
        if name is None or name in stops[:1]:
            break
        stops.append(name)
        page.keyboard.press("Tab")
    assert stops[0] == "Search conversations"
    for stop in ("Everything, details", "Details", "Messages: Everything", "Message", "Emoji"):
        assert stop in stops, stops
    # Messages are one stop, whatever they hold, and so are the conversations.
    assert not any("example.org" in stop for stop in stops)
    rows = page.get_by_role("navigation").get_by_role("listitem").get_by_role("button")
    expect(rows).to_have_count(2)
    assert rows.evaluate_all("all => all.filter((one) => one.tabIndex === 0).length") == 1


def test_arrow_keys_move_in_the_list_and_back_to_the_search(anna: Window) -> None:
    page = anna.page
    show_list(page)
    keys = page.keyboard
    page.get_by_role("searchbox").focus()
    rows = page.get_by_role("navigation").get_by_role("listitem").get_by_role("button")
    keys.press("ArrowDown")
    expect(rows.first).to_be_focused()
    keys.press("End")
    expect(rows.last).to_be_focused()
    keys.press("Shift+F10")
    expect(page.get_by_role("menuitem", name="Pin")).to_be_visible()
    keys.press("Escape")
    expect(rows.last).to_be_focused()
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_who_wants_no_motion_gets_none(anna: Window) -> None:
    page = anna.page
    page.emulate_media(reduced_motion="reduce")
    show_chat(page)
    moving = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((one) => {
            const { animationName, transitionDuration } = getComputedStyle(one);
            return animationName !== "none" || parseFloat(transitionDuration) > 0;
        }).map((one) => one.className)"""
    )
    page.emulate_media(reduced_motion="no-preference")
    assert moving == []


def test_text_that_runs_from_right_to_left_does(anna: Window) -> None:
    page = anna.page
    page.get_by_role("navigation").get_by_role("button", name=re.compile("^Ben")).click()
    text = page.locator(".message .text").filter(has_text="شكرا")
    assert text.evaluate("element => element.dir") == "auto"
    assert text.evaluate("element => getComputedStyle(element).direction") == "rtl"
    row = (
        page.get_by_role("navigation")
        .get_by_role("button", name=re.compile("^Ben"))
        .locator(".words")
    )
    assert row.evaluate("element => getComputedStyle(element).direction") == "rtl"
