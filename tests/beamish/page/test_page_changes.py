"""Changing what was said, in real Chromium windows: edits, reactions, deletions."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_a_message_is_edited_for_everybody(friends) -> None:
    anna, ben, _ = friends
    anna.say("helo")
    ben.message("helo").wait_for()
    anna.composer.press("ArrowUp")
    expect(anna.composer).to_have_value("helo")
    anna.composer.fill("hello *all*")
    anna.composer.press("Enter")
    expect(ben.page.locator(".text strong")).to_have_text("all")
    expect(ben.message_starting("hello all")).to_contain_text("edited")
    expect(ben.row(ben.title).locator(".words")).to_have_text("Anna: hello all")
    assert len(ben.texts()) == 1
    # Escape leaves it as it is.
    anna.menu("hello all", "Edit")
    anna.composer.fill("never mind")
    anna.composer.press("Escape")
    expect(anna.composer).to_have_value("")
    expect(anna.message_starting("hello all")).to_be_visible()


def test_only_the_author_edits_and_only_author_and_staff_delete(friends) -> None:
    anna, ben, cora = friends
    ben.say("from Ben")
    for one, actions in ((anna, {"Delete for everyone"}), (cora, set())):
        one.message("from Ben").locator(".meta").click(button="right")
        expect(one.page.get_by_role("menu")).to_be_visible()
        offered = set(one.page.get_by_role("menuitem").all_inner_texts())
        assert offered & {"Edit", "Delete for everyone"} == actions
        one.page.keyboard.press("Escape")


def test_reactions_are_counted_named_and_taken_back(friends) -> None:
    anna, ben, cora = friends
    anna.say("tea?")
    ben.message("tea?").wait_for()
    ben.react("tea?", "👍")
    cora.message("tea?").wait_for()
    cora.menu("tea?", "Another reaction …")
    cora.page.get_by_role("dialog", name="Emoji").get_by_role("textbox").fill("🫖")
    cora.page.keyboard.press("Enter")
    chips = anna.message("tea?").locator(".reaction")
    expect(chips).to_have_count(2)
    anna.message("tea?").get_by_role("button", name=re.compile("👍 1: Ben")).click()
    both = ben.message("tea?").get_by_role("button", name=re.compile("👍 2: You, Anna"))
    expect(both).to_have_attribute("aria-pressed", "true")
    # A second reaction takes the place of the first, and a click on one's own takes it back.
    ben.react("tea?", "❤️")
    expect(anna.message("tea?").locator(".reaction")).to_have_count(3)
    ben.message("tea?").get_by_role("button", name=re.compile("❤️ 1: You")).click()
    expect(anna.message("tea?").locator(".reaction")).to_have_count(2)


def test_a_deleted_message_is_gone_everywhere_and_from_the_store(friends) -> None:
    anna, ben, cora = friends
    anna.say("first")
    anna.expect_tick("first", "Read")
    cora.page.goto(f"{cora.url}#/")
    anna.say("a secret for @cora")
    expect(cora.row(cora.title).locator(".badge.at")).to_be_visible()
    ben.react("a secret", "👍")
    expect(anna.message_starting("a secret").locator(".reaction")).to_be_visible()
    anna.menu("a secret", "Delete for everyone")
    anna.page.get_by_role("button", name="Delete", exact=True).click()
    expect(ben.page.locator(".gone .text")).to_have_text("This message was deleted")
    expect(ben.page.locator(".reaction")).to_have_count(0)
    expect(cora.row(cora.title).locator(".badge")).to_have_count(0)
    expect(cora.row(cora.title).locator(".words")).to_have_text("This message was deleted")
    for one in (anna, ben, cora):
        stored = one.page.evaluate(
            """() => new Promise((resolve) => {
                const opened = indexedDB.open("beamish");
                opened.onsuccess = () => {
                    const table = opened.result.transaction("records").objectStore("records");
                    const all = table.getAll();
                    all.onsuccess = () => resolve(JSON.stringify(all.result));
                };
            })"""
        )
        assert "first" in stored
        assert "a secret" not in stored


def test_what_is_changed_without_a_connection_shows_at_once_and_is_done_later(
    friends, node
) -> None:
    anna, ben, _ = friends
    anna.say("draft")
    ben.say("theirs")
    anna.message("theirs").wait_for()
    anna.expect_tick("draft", "Read")
    node.cut(refuse=True)
    anna.menu("draft", "Edit")
    anna.composer.fill("final")
    anna.composer.press("Enter")
    anna.react("theirs", "🙏")
    anna.expect_tick("final", "Waiting to be sent")
    anna.page.reload()
    anna.expect_tick("final", "Waiting to be sent")
    expect(anna.message("theirs").locator(".reaction")).to_be_visible()
    node.mend()
    expect(ben.message("final")).to_be_visible()
    expect(ben.message("theirs").locator(".reaction")).to_be_visible()


def test_an_answer_to_a_deleted_message_says_so(friends) -> None:
    anna, ben, _ = friends
    anna.say("to be answered")
    ben.reply("to be answered", "an answer")
    quote = anna.message_starting("an answer").locator(".quote")
    expect(quote).to_contain_text("to be answered")
    anna.page.locator(".message").first.locator(".meta").click(button="right")
    anna.page.get_by_role("menuitem", name="Delete for everyone").click()
    anna.page.get_by_role("button", name="Delete", exact=True).click()
    expect(quote).to_contain_text("A deleted message")
    expect(ben.message_starting("an answer").locator(".quote")).to_contain_text("A deleted")
