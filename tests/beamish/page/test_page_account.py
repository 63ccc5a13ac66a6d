"""The user's own things in the page: profile, privacy, how conversations are shown."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def settings(one) -> None:
    one.page.goto(f"{one.url}#/settings")
    expect(one.page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()


def test_a_name_and_a_status_are_set_for_all_devices(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    phone = window((390, 800))
    phone.log_in(name("anna"))
    settings(anna)
    anna.page.get_by_label("Your name, as others see it").fill("Anna Lind")
    anna.page.get_by_label("Status", exact=True).fill("at sea 🌊")
    anna.page.get_by_role("button", name="Save").click()
    expect(anna.page.get_by_text("Saved.")).to_be_visible()
    expect(phone.page.get_by_role("button", name="Anna Lind, settings")).to_contain_text("at sea")
    settings(phone)
    expect(phone.page.get_by_label("Status", exact=True)).to_have_value("at sea 🌊")


def test_privacy_is_set_for_all_devices_and_without_a_connection_later(window, name, node) -> None:
    anna = window().register(name("anna"), "Anna")
    settings(anna)
    node.cut(refuse=True)
    anna.page.get_by_label("Who sees when I was here last").select_option("nobody")
    anna.page.get_by_label("Tell others what I have read").uncheck()
    anna.page.reload()
    seen = anna.page.get_by_label("Who sees when I was here last")
    expect(seen).to_have_value("nobody")
    node.mend()
    other = window()
    other.log_in(name("anna"))
    settings(other)
    expect(other.page.get_by_label("Who sees when I was here last")).to_have_value("nobody")
    expect(other.page.get_by_label("Tell others what I have read")).not_to_be_checked()


def test_conversations_are_pinned_muted_and_archived(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    writers = {}
    for user in ("ben", "cora"):
        writers[user] = window().register(name(user), user.title())
        writers[user].write_to(name("anna"))
        writers[user].say(f"hello from {user}")
        writers[user].expect_tick(f"hello from {user}", "Delivered")
    rows = anna.page.locator(".conversations .title")
    expect(rows).to_have_text(["Cora", "Ben"])
    anna.choose("Ben", "Pin")
    expect(rows).to_have_text(["Ben", "Cora"])
    expect(anna.row("Ben").get_by_role("img", name="Pinned")).to_be_visible()
    anna.choose("Cora", "Mute")
    anna.page.get_by_role("button", name="For 1 hour").click()
    expect(anna.row("Cora").get_by_role("img", name="Muted")).to_be_visible()
    # What is muted does not count in the title.
    expect(anna.page).to_have_title("(1) Beamish")
    anna.choose("Cora", "Archive")
    expect(rows).to_have_text(["Ben"])
    anna.choose("Ben", "Archive")
    expect(rows).to_have_text(["Ben"])
    anna.open("Ben")
    anna.message("hello from ben").wait_for()
    expect(anna.page.get_by_role("button", name="Archived: 2")).to_be_visible()
    writers["ben"].say("again")
    anna.page.goto(f"{anna.url}#/")
    writers["ben"].say("and again")
    expect(rows).to_have_text(["Ben"])
    anna.page.get_by_role("button", name=re.compile("Archived: 1")).click()
    expect(rows).to_have_text(["Cora"])
    again = window()
    again.log_in(name("anna"))
    expect(again.page.get_by_role("button", name="Archived: 1")).to_be_visible()
