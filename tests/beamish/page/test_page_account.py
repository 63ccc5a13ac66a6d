"""The user's own things in the page: profile, privacy, blocks, devices, the end of the account."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.beamish.page.served import PASSWORD


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


def test_who_is_blocked_cannot_write_until_the_block_is_lifted(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    ben.write_to(name("anna"))
    ben.say("hello")
    anna.open("Ben")
    anna.message("hello").wait_for()
    anna.show_details()
    anna.page.get_by_role("button", name="Block", exact=True).click()
    anna.page.get_by_role("dialog").get_by_role("button", name="Block").click()
    expect(anna.page.get_by_text("You blocked this person.")).to_be_visible()
    ben.say("are you there?")
    ben.expect_tick("are you there?", "Not sent")
    expect(ben.page.get_by_role("alert")).to_contain_text("Not sent.")
    settings(anna)
    blocked = anna.page.get_by_role("region", name="Blocked people")
    blocked.get_by_role("button", name="Unblock Ben").click()
    expect(blocked.get_by_text("Nobody.")).to_be_visible()
    ben.page.get_by_role("button", name="Send again").click()
    ben.expect_tick("are you there?", "Delivered")
    anna.open("Ben")
    expect(anna.message("are you there?")).to_be_visible()
    expect(anna.happening("You unblocked this person")).to_be_visible()
    expect(ben.happening("blocked this person")).to_have_count(0)
    anna.say("now I am")
    expect(ben.message("now I am")).to_be_visible()


def test_devices_are_listed_named_and_logged_out(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    phone = window((390, 800))
    phone.log_in(name("anna"))
    expect(phone.page.get_by_role("button", name="Anna, settings")).to_be_visible()
    settings(anna)
    devices = anna.page.get_by_role("region", name="Devices").get_by_role("listitem")
    expect(devices).to_have_count(2)
    other = devices.filter(has_not_text="This device")
    expect(other).to_contain_text("Connected now")
    other.get_by_role("button", name=re.compile("^Name ")).click()
    anna.page.get_by_label("Name", exact=True).fill("My phone")
    anna.page.get_by_role("button", name="Save").last.click()
    expect(devices.filter(has_text="My phone")).to_be_visible()
    anna.page.get_by_role("button", name="Log out My phone").click()
    anna.page.get_by_role("dialog").get_by_role("button", name="Log out").click()
    expect(phone.page.get_by_text("This browser was signed out.")).to_be_visible()
    expect(devices).to_have_count(1)


def test_a_new_password_holds_and_logs_the_others_out(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    other = window()
    other.log_in(name("anna"))
    settings(anna)
    change = anna.page.get_by_role("button", name="Change the password")
    change.click()
    anna.page.get_by_label("Present password").fill("not my password")
    anna.page.get_by_label(re.compile("New password")).fill("much longer horse")
    anna.page.get_by_role("button", name="Change", exact=True).click()
    expect(anna.page.get_by_role("dialog").get_by_role("alert")).to_have_text(
        "The present password is wrong."
    )
    anna.page.get_by_label("Present password").fill(PASSWORD)
    anna.page.get_by_role("button", name="Change", exact=True).click()
    expect(anna.page.get_by_text("The password was changed.")).to_be_visible()
    expect(other.page.get_by_text("This browser was signed out.")).to_be_visible()
    other.log_in(name("anna"), "much longer horse")
    settings(other)
    other.page.get_by_role("button", name="Log out everywhere else").click()
    other.page.get_by_role("button", name="Log out the others").click()
    expect(anna.page.get_by_text("This browser was signed out.")).to_be_visible()


def test_a_deleted_account_is_gone_and_its_words_stay(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.make_group("Ended", name("ben"))
    ben.open("Ended")
    anna.say("my last words")
    ben.message("my last words").wait_for()
    settings(anna)
    anna.page.get_by_role("button", name="Delete the account").click()
    anna.page.get_by_label("Password", exact=True).fill(PASSWORD)
    anna.page.get_by_role("button", name="Delete for ever").click()
    expect(anna.page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    anna.log_in(name("anna"))
    expect(anna.page.get_by_role("alert")).to_contain_text("wrong")
    expect(ben.happening("left")).to_be_visible()
    expect(ben.message("my last words")).to_be_visible()
