"""Running a group in the page: name, rights, pace, invitation links, bans."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_a_group_is_renamed_and_described_for_everybody(friends) -> None:
    anna, ben, _ = friends
    anna.show_details()
    anna.page.get_by_role("button", name="Edit name and description").click()
    anna.page.get_by_label("Name", exact=True).fill(f"New {anna.title}")
    anna.page.get_by_label("Description", exact=True).fill("for *old* friends")
    anna.page.get_by_role("button", name="Save").click()
    expect(ben.happening(f"Anna named this “New {anna.title}”")).to_be_visible()
    expect(ben.page.get_by_role("heading", name=f"New {anna.title}")).to_be_visible()
    ben.show_details()
    expect(ben.page.locator(".description strong")).to_have_text("old")
    expect(ben.page.get_by_role("button", name="Edit name and description")).to_have_count(0)


def test_only_those_may_write_whom_the_owner_lets(friends) -> None:
    anna, ben, _ = friends
    anna.show_details()
    anna.page.get_by_label("Who may write").select_option("admin")
    expect(ben.page.get_by_text("Only admins may write here.")).to_be_visible()
    expect(anna.composer).to_be_visible()
    anna.page.get_by_role("button", name="Actions for Ben").click()
    anna.page.get_by_role("menuitem", name="Make an admin").click()
    ben.say("now I may")
    expect(anna.message("now I may")).to_be_visible()


def test_slow_mode_counts_down_until_the_next_message(friends) -> None:
    anna, ben, _ = friends
    anna.show_details()
    anna.page.get_by_label("Slow mode for members").select_option("10")
    expect(ben.happening("Anna set slow mode to 10 seconds")).to_be_visible()
    ben.say("one")
    expect(ben.page.get_by_role("timer")).to_have_text(re.compile(r"you can write again in 0:\d\d"))
    ben.composer.fill("two")
    expect(ben.page.get_by_role("button", name="Send")).to_be_disabled()
    expect(ben.page.get_by_role("button", name="Send")).to_be_enabled()
    ben.composer.press("Enter")
    expect(anna.message("two")).to_be_visible()
    # The owner is not slowed down.
    anna.say("three")
    anna.say("four")
    expect(ben.message("four")).to_be_visible()


def test_a_closed_group_is_joined_by_an_invitation_link_until_it_is_revoked(
    friends, window, name
) -> None:
    anna, ben, _ = friends
    dan = window().register(name("dan"), "Dan")
    anna.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    anna.page.bring_to_front()
    anna.show_details()
    anna.page.get_by_role("button", name="New invitation link").click()
    anna.page.get_by_label("Expires").select_option("In 1 day")
    anna.page.get_by_label(re.compile("How often")).fill("2")
    anna.page.get_by_role("button", name="Make the link").click()
    expect(anna.page.get_by_text("The link was copied.")).to_be_visible()
    link = anna.page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"#join/g%3A[a-z2-7]+/[A-Za-z0-9_-]{32}$", link)
    dan.page.goto(link)
    expect(dan.page.get_by_role("heading", name=anna.title)).to_be_visible()
    dan.page.get_by_role("button", name="Join").click()
    dan.say("thanks for the link")
    expect(ben.message("thanks for the link")).to_be_visible()
    links = anna.page.get_by_role("region", name="Invitation links")
    expect(links.get_by_role("listitem")).to_have_text(re.compile(r"by You, 1 of 2 uses"))
    links.get_by_role("button", name=re.compile("Revoke link")).click()
    expect(links.get_by_role("listitem")).to_have_count(0)
    eve = window().register(name("eve"), "Eve")
    eve.page.goto(link)
    expect(eve.page.get_by_text("This invitation does not hold any more.")).to_be_visible()


def test_who_is_banned_is_out_and_stays_out(friends) -> None:
    anna, _, cora = friends
    anna.show_details()
    anna.page.get_by_role("button", name="Actions for Cora Silva").click()
    anna.page.get_by_role("menuitem", name="Ban").click()
    anna.page.get_by_role("button", name="Ban", exact=True).click()
    expect(cora.happening("Anna banned you")).to_be_visible()
    expect(cora.page.get_by_text("You are no longer a member of this group.")).to_be_visible()
    anna.page.get_by_label("User name to add").fill("cora")
    anna.page.keyboard.press("Enter")
    expect(anna.page.locator(".toast").last).to_contain_text(re.compile("not allowed|banned"))
    anna.page.get_by_label("User name to add").fill("")
    anna.page.get_by_role("button", name="Close details").focus()
    bans = anna.page.get_by_role("region", name="Banned")
    bans.get_by_role("button", name="Lift the ban on Cora Silva").click()
    expect(bans).to_have_count(0)
    anna.page.get_by_label("User name to add").fill("cora")
    anna.page.keyboard.press("Enter")
    expect(cora.happening("Anna added you")).to_be_visible()


def test_a_member_without_rights_sees_no_rules(friends) -> None:
    _, ben, _ = friends
    ben.show_details()
    expect(ben.page.get_by_role("region", name="Members")).to_be_visible()
    for region in ("Rules", "Invitation links", "Banned"):
        expect(ben.page.get_by_role("region", name=region)).to_have_count(0)
    expect(ben.page.get_by_label("User name to add")).to_have_count(0)
