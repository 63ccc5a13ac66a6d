"""The page in real Chromium windows, against a real node."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.beamish.page.served import PASSWORD
from tests.beamish.page.window import until, until_they_connect_again


def direct(one: str, other: str) -> str:
    return f"d:{min(one, other)}:{max(one, other)}"


def test_two_windows_chat_and_ticks_go_from_sent_to_read(window, name) -> None:
    anna = window().register(name("anna"), "Anna Lind")
    ben = window().register(name("ben"), "Ben Okafor")
    anna.write_to(name("ben"))
    anna.say("Hello Ben")
    anna.expect_tick("Hello Ben", "Delivered")
    ben.expect_unread("Anna Lind", 1)
    expect(ben.page).to_have_title("(1) Beamish")
    ben.open("Anna Lind")
    expect(ben.message("Hello Ben")).to_be_visible()
    anna.expect_tick("Hello Ben", "Read")
    expect(ben.page).to_have_title("Beamish")
    ben.say("Hello Anna")
    expect(anna.message("Hello Anna")).to_be_visible()
    ben.expect_tick("Hello Anna", "Read")
    assert anna.texts() == ben.texts() == ["Hello Ben", "Hello Anna"]
    expect(anna.page.get_by_role("heading", name="Ben Okafor")).to_be_visible()


def test_markup_in_a_message_is_text_and_only_web_links_are_links(window, name) -> None:
    anna = window().register(name("anna"), "<b>Anna</b>")
    ben = window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    evil = "<img src=x onerror=alert(1)> javascript:alert(2) <script>alert(3)</script>"
    anna.say(evil)
    anna.say("see https://example.org/a_(b)?c=d&e, and (http://example.com).")
    ben.open("<b>Anna</b>")
    expect(ben.message(evil)).to_be_visible()
    for page in (anna.page, ben.page):
        assert page.locator(".messages img, .messages script, .shell b").count() == 0
    links = ben.page.locator(".messages a")
    expect(links).to_have_count(2)
    assert links.evaluate_all("all => all.map((a) => [a.href, a.rel, a.target])") == [
        ["https://example.org/a_(b)?c=d&e", "noopener noreferrer", "_blank"],
        ["http://example.com/", "noopener noreferrer", "_blank"],
    ]


def test_a_group_is_created_used_and_left(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    cora = window().register(name("cora"), "Cora")
    anna.begin("New group")
    anna.page.get_by_label("Name of the group").fill("Lighthouse")
    anna.page.get_by_label("Members, by user name").fill(f"@{name('ben')}")
    anna.page.get_by_role("button", name="Create").click()
    anna.say("Who brings tea?")
    ben.open("Lighthouse")
    expect(ben.message("Who brings tea?")).to_be_visible()
    expect(ben.happening("Anna created the group")).to_be_visible()
    anna.expect_tick("Who brings tea?", "Read")
    anna.page.get_by_role("button", name="Details", exact=True).click()
    anna.page.get_by_label("User name to add").fill(name("cora"))
    anna.page.keyboard.press("Enter")
    cora.open("Lighthouse")
    expect(cora.happening("Anna added you")).to_be_visible()
    assert cora.texts() == []
    cora.say("I am new here")
    expect(ben.message("I am new here")).to_be_visible()
    members = anna.page.get_by_role("region", name="Members")
    expect(members.get_by_role("listitem")).to_have_count(3)
    anna.page.get_by_role("button", name="Actions for Cora").click()
    anna.page.get_by_role("menuitem", name="Remove from the group").click()
    expect(cora.page.get_by_text("You are no longer a member of this group.")).to_be_visible()
    expect(members.get_by_role("listitem")).to_have_count(2)
    anna.page.get_by_role("button", name="Leave the group").click()
    anna.page.get_by_role("button", name="Leave", exact=True).click()
    expect(ben.happening("Anna left, you own the group now")).to_be_visible()


def test_an_open_group_is_joined_by_its_link(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.begin("New group")
    anna.page.get_by_label("Name of the group").fill("Everybody")
    anna.page.get_by_label("Open: anybody").check()
    anna.page.get_by_role("button", name="Create").click()
    expect(anna.composer).to_be_visible()
    ben.page.goto(anna.page.url)
    ben.page.get_by_role("button", name="Join").click()
    ben.say("thank you for the link")
    expect(anna.message("thank you for the link")).to_be_visible()
    ben.page.get_by_role("button", name="Details", exact=True).click()
    members = ben.page.get_by_role("region", name="Members").get_by_role("listitem")
    expect(members).to_have_text([re.compile("Anna.*owner"), re.compile("You")])


def test_what_is_written_without_a_connection_is_kept_and_sent_later(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("before")
    anna.expect_tick("before", "Delivered")
    node.cut(refuse=True)
    for text in ("one", "two", "three"):
        anna.say(text)
    expect(anna.page.get_by_text("No connection.")).to_be_visible(timeout=10_000)
    anna.expect_tick("three", "Waiting to be sent")
    # The queue is in the browser's database: it survives a reload without a connection.
    anna.page.reload()
    anna.expect_tick("three", "Waiting to be sent")
    assert anna.texts() == ["before", "one", "two", "three"]
    node.mend()
    anna.expect_tick("three", "Delivered")
    ben.open("Anna")
    expect(ben.message("three")).to_be_visible()
    assert ben.texts() == ["before", "one", "two", "three"]
    anna.expect_tick("one", "Read")


def test_a_silent_connection_is_noticed_and_healed(window, name, node) -> None:
    anna = window(clock=True).register(name("anna"), "Anna")
    ben = window(clock=True).register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("before")
    ben.open("Anna")
    anna.expect_tick("before", "Read")
    node.silence()
    assert node.silent_links() == 2
    anna.say("into the silence")
    ben.say("me too")
    anna.expect_tick("into the silence", "Waiting to be sent")
    assert until_they_connect_again(node, anna, ben) < 20
    expect(ben.message("into the silence")).to_be_visible(timeout=25_000)
    expect(anna.message("me too")).to_be_visible(timeout=25_000)
    anna.expect_tick("into the silence", "Read")
    assert sorted(anna.texts()) == sorted(ben.texts()) == ["before", "into the silence", "me too"]
    assert anna.texts() == ben.texts()


def test_a_page_that_only_listens_notices_silence_too(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window(clock=True).register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("before")
    ben.open("Anna")
    anna.expect_tick("before", "Read")
    node.silence()
    # Only Ben's silence is left to be noticed.
    anna.page.reload()
    anna.say("are you there?")
    anna.expect_tick("are you there?", "Sent")
    until_they_connect_again(node, ben)
    expect(ben.message("are you there?")).to_be_visible(timeout=40_000)


def test_a_reload_keeps_the_session_and_what_was_said(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("still here")
    anna.expect_tick("still here", "Delivered")
    node.cut(refuse=True)
    anna.page.reload()
    expect(anna.message("still here")).to_be_visible()
    anna.expect_tick("still here", "Delivered")
    expect(anna.composer).to_be_focused()


def test_a_new_device_finds_everything_and_counts_unread(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("first")
    anna.say("second")
    anna.expect_tick("second", "Delivered")
    ben.expect_unread("Anna", 2)
    phone = window((390, 720))
    phone.log_in(name("ben"))
    phone.expect_unread("Anna", 2)
    phone.open("Anna")
    expect(phone.message("second")).to_be_visible()
    assert phone.texts() == ["first", "second"]
    anna.expect_tick("first", "Read")
    # Read on one device is read on all.
    row = ben.page.get_by_role("navigation").get_by_role("button", name="Anna")
    expect(row.locator(".badge")).to_have_count(0)


def test_a_narrow_window_shows_one_pane_at_a_time(window, name) -> None:
    anna = window((390, 720)).register(name("anna"), "Anna")
    window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("on the phone")
    expect(anna.page.get_by_role("searchbox")).to_be_hidden()
    anna.page.get_by_role("button", name="Back to the conversations").click()
    expect(anna.page.get_by_role("searchbox")).to_be_visible()
    expect(anna.composer).to_be_hidden()
    anna.page.go_back()
    expect(anna.composer).to_be_visible()
    assert anna.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_old_messages_come_as_one_scrolls_up_and_stay_in_order(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    texts = [f"message {number}" for number in range(1, 701)]
    node.say(name("ben"), direct(name("anna"), name("ben")), texts)
    phone = window()
    phone.log_in(name("anna"))
    phone.expect_unread("Ben", 700)
    ben.context.close()
    anna.context.close()
    phone.open("Ben")
    expect(phone.message("message 700")).to_be_visible()
    scroller = phone.page.get_by_role("log")
    seen: set[str] = set()
    for _ in range(60):
        shown = phone.texts()
        numbers = [int(text.split()[1]) for text in shown]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert len(shown) <= 240
        seen.update(shown)
        if "message 1" in seen:
            break
        scroller.evaluate("element => { element.scrollTop = 0; }")
        expect(phone.page.locator(".message .text").first).not_to_have_text(shown[0])
        # What was on screen has stayed there: the page above it came in above.
        expect(phone.message(shown[0])).to_be_in_viewport()
    assert seen == set(texts)
    phone.page.get_by_role("button", name=re.compile("To the newest")).click()
    expect(phone.message("message 700")).to_be_visible()
    expect(phone.message("message 700")).to_be_in_viewport()


def test_a_conversation_opens_where_the_unread_begin(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    ben.write_to(name("anna"))
    ben.say("read already")
    anna.open("Ben")
    ben.expect_tick("read already", "Read")
    anna.page.goto(f"{node.url}#/")
    conversation = direct(name("anna"), name("ben"))
    node.say(name("ben"), conversation, [f"news {number}" for number in range(1, 101)])
    anna.expect_unread("Ben", 100)
    anna.open("Ben")
    expect(anna.page.get_by_text("New messages")).to_be_in_viewport()
    expect(anna.message("news 1")).to_be_in_viewport()
    expect(anna.message("news 100")).not_to_be_in_viewport()
    # Only what was on screen counts as read.
    unread = anna.page.get_by_role("button", name=re.compile(r"newest message, \d+ unread"))
    unread.click()
    expect(anna.message("news 100")).to_be_in_viewport()
    row = anna.page.get_by_role("navigation").get_by_role("button", name="Ben")
    expect(row.locator(".badge")).to_have_count(0)


def test_one_tab_of_a_profile_is_the_device_and_another_can_take_over(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("from the first tab")
    anna.expect_tick("from the first tab", "Delivered")
    second = anna.tab()
    expect(second.get_by_text("Beamish is open in another tab")).to_be_visible()
    second.get_by_role("button", name="Use Beamish here").click()
    expect(anna.page.get_by_text("Beamish is open in another tab")).to_be_visible()
    second.get_by_role("button", name="Ben").click()
    anna.page = second
    expect(anna.message("from the first tab")).to_be_visible()
    anna.say("from the second tab")
    anna.expect_tick("from the second tab", "Delivered")
    assert anna.texts() == ["from the first tab", "from the second tab"]


def test_logging_out_forgets_everything_and_the_token_is_void(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("secret")
    anna.expect_tick("secret", "Delivered")
    anna.page.get_by_role("button", name="More", exact=True).click()
    anna.page.get_by_role("menuitem", name="Log out").click()
    anna.page.get_by_role("button", name="Log out", exact=True).click()
    expect(anna.page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    stored = anna.page.evaluate(
        """async () => {
            const { openStore } = await import("/store.js");
            return (await openStore("test")).load();
        }"""
    )
    assert stored == {
        "account": None,
        "cursor": None,
        "conversations": [],
        "commands": [],
        "users": [],
    }


def test_logging_out_says_what_may_be_lost(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("before")
    anna.expect_tick("before", "Delivered")
    node.cut(refuse=True)
    anna.say("one")
    anna.expect_tick("one", "Waiting to be sent")
    anna.page.get_by_role("button", name="More", exact=True).click()
    anna.page.get_by_role("menuitem", name="Log out").click()
    expect(anna.page.get_by_role("dialog")).to_contain_text(
        "One message or change is not confirmed by the node yet: if it has not arrived there, it"
    )


def expect_focus(page: Page, label: str) -> None:
    """What has the focus in this window, whichever window is in front."""
    focused = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName"
    deadline = time.monotonic() + 10
    while (found := page.evaluate(focused)) != label:
        assert time.monotonic() < deadline, f"the focus is on {found}, not on {label}"
        page.wait_for_timeout(50)


def test_the_keyboard_goes_on_after_signing_in_opening_and_closing(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    window().register(name("ben"), "Ben")
    expect_focus(anna.page, "Search conversations")
    anna.page.keyboard.type(name("ben"))
    anna.page.keyboard.press("Enter")
    expect_focus(anna.page, "Message")
    assert anna.composer.get_attribute("title") == "Enter sends, Shift+Enter breaks the line"
    anna.page.keyboard.type("no mouse")
    anna.page.keyboard.press("Enter")
    anna.expect_tick("no mouse", "Delivered")
    anna.page.go_back()
    expect_focus(anna.page, "Search conversations")
    again = window()
    again.log_in(name("anna"))
    expect_focus(again.page, "Search conversations")


def test_on_a_touch_screen_the_field_says_that_the_button_sends(window, name) -> None:
    anna = window((420, 800), has_touch=True, is_mobile=True).register(name("anna"), "Anna")
    window().register(name("ben"), "Ben")
    expect_focus(anna.page, "Conversations")
    anna.write_to(name("ben"))
    expect_focus(anna.page, "Messages: Ben")
    assert anna.composer.get_attribute("enterkeyhint") == "enter"
    assert anna.composer.get_attribute("title") == "The button sends, Enter breaks the line"
    anna.composer.fill("one")
    anna.composer.press("Enter")
    anna.composer.press_sequentially("two")
    anna.page.get_by_role("button", name="Send").click()
    expect(anna.page.locator(".message .text")).to_have_text("one\ntwo")


def test_a_wrong_password_is_told(window, name) -> None:
    window().register(name("anna"), "Anna")
    other = window()
    other.log_in(name("anna"), "wrong horse")
    expect(other.page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")


def test_a_page_of_a_foreign_origin_gets_no_connection(window, node) -> None:
    mine = window()
    script = """(url) => new Promise((resolve) => {
        const socket = new WebSocket(url, "beamish.json");
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
    })"""
    url = node.url.replace("http", "ws") + "ws"
    assert mine.page.evaluate(script, url) == "open"
    foreign = mine.context.new_page()
    foreign.goto(node.foreign)
    before = node.gateway.statistics().refused[403]
    assert foreign.evaluate(script, url) == "refused"
    assert node.gateway.statistics().refused[403] == before + 1


def test_the_browsers_database_keeps_the_stores_contract(window) -> None:
    page = window().page
    contract = (Path(__file__).parent / "store_contract.js").read_text()
    page.route(
        "**/store_contract.js",
        lambda route: route.fulfill(body=contract, content_type="text/javascript"),
    )
    outcome = page.evaluate(
        """async () => {
            const { CLAIMS } = await import("/store_contract.js");
            const { IndexedStore } = await import("/store.js");
            const outcome = {};
            for (const [claim, check] of Object.entries(CLAIMS)) {
                outcome[claim] = await check(() => IndexedStore.open(indexedDB)).then(
                    () => "holds",
                    (error) => error.message,
                );
            }
            return outcome;
        }"""
    )
    assert outcome == dict.fromkeys(
        re.findall(r'^  "(.+)": async', contract, re.MULTILINE), "holds"
    )


def test_engines_converge_whatever_happens_to_their_real_sockets(window, name, node) -> None:
    """Two engines talk as fast as they can while their connections are cut and silenced."""
    opened = window(clock=True)
    page = opened.page
    users = [name("anna"), name("ben")]
    page.evaluate(
        """async ([users, password]) => {
            const { Engine } = await import("/engine.js");
            const { MemoryStore } = await import("/store.js");
            const url = location.origin.replace("http", "ws") + "/ws";
            const id = `d:${users[0]}:${users[1]}`;
            window.engines = [];
            for (const user of users) {
                const store = new MemoryStore();
                await store.claim("tab");
                const engine = new Engine(store, url, { random: () => 0 });
                await engine.start();
                await engine.signIn("register", { user, password });
                window.engines.push(engine);
            }
            window.talk = async (count) => {
                for (const [at, engine] of window.engines.entries()) {
                    for (let n = 0; n < count; n += 1) {
                        window.said ??= [0, 0];
                        await engine.send(id, `${users[at]} ${(window.said[at] += 1)}`);
                    }
                }
            };
            window.heard = () => Promise.all(window.engines.map(async (engine) => {
                const records = await engine.store.records(id, { limit: 10000 });
                return records.filter((r) => r.type === "message").map((r) => [r.n, r.by, r.text]);
            }));
            window.pending = () => window.engines.reduce((sum, e) => sum + e.outbox.unanswered, 0);
        }""",
        [users, PASSWORD],
    )
    healed = "window.engines.every((e) => e.isOnline && e.link.reconnects >= {})"
    for turn in range(12):
        until(page, healed.format(turn))
        page.evaluate("count => window.talk(count)", 10)
        if turn == 5:
            node.silence()
            until_they_connect_again(node, opened, sockets=2)
        else:
            node.cut()
    until(page, healed.format(12))
    until(page, "window.heard().then((both) => both.every((one) => one.length === 240))")
    until(page, "window.pending() === 0")
    anna, ben = page.evaluate("window.heard()")
    assert anna == ben
    for user in users:
        own = [text for _, by, text in anna if by == user]
        assert own == [f"{user} {number}" for number in range(1, 121)]


def test_the_page_needs_nothing_from_elsewhere_and_breaks_no_policy(window, name, node) -> None:
    anna = window()
    requested: list[str] = []
    anna.page.on("request", lambda request: requested.append(request.url))
    anna.page.reload()
    anna.register(name("anna"), "Anna")
    assert requested
    assert all(url.startswith((node.url, "data:")) for url in requested)
