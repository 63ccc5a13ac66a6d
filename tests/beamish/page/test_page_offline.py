"""The page without its node: it starts from what the browser kept."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.beamish.page.window import until

WHOLE = """caches.keys().then(async (names) => {
    for (const name of names) {
        if (await (await caches.open(name)).match("/whole")) { return true; }
    }
    return false;
})"""


def kept(page: Page) -> None:
    """Wait until the browser has a whole load of the page."""
    until(page, WHOLE)


def test_a_reload_without_the_node_shows_what_was_said_and_takes_what_is_written(
    window, name, node
) -> None:
    anna = window(service_workers="allow").register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("before")
    anna.expect_tick("before", "Delivered")
    kept(anna.page)
    node.vanish()
    anna.page.reload()
    expect(anna.message("before")).to_be_visible()
    expect(anna.page.get_by_text("No connection.")).to_be_visible()
    anna.say("while you were away")
    anna.expect_tick("while you were away", "Waiting to be sent")
    anna.page.reload()
    anna.expect_tick("while you were away", "Waiting to be sent")
    node.mend()
    anna.expect_tick("while you were away", "Delivered")
    ben.open("Anna")
    expect(ben.message("while you were away")).to_be_visible()


def test_a_node_that_is_there_is_asked_for_the_page_first(window, node) -> None:
    mine = window(service_workers="allow")
    expect(mine.page.get_by_label("User name")).to_be_visible()
    kept(mine.page)
    asked: list[str] = []
    mine.context.on("request", lambda request: request.service_worker and asked.append(request.url))
    mine.page.reload()
    expect(mine.page.get_by_label("User name")).to_be_visible()
    assert node.url in asked
    assert f"{node.url}app.js" in asked


def test_only_one_whole_load_is_kept(window) -> None:
    mine = window(service_workers="allow")
    for _ in range(3):
        expect(mine.page.get_by_label("User name")).to_be_visible()
        kept(mine.page)
        mine.page.reload()
    until(mine.page, "caches.keys().then((names) => names.length <= 2)")
