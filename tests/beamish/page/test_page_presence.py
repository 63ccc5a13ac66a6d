"""Who is there, when they were last, who types: in real Chromium windows."""

from __future__ import annotations

from playwright.sync_api import expect


def subtitle(one):
    return one.page.locator(".chat-head .subtitle")


def types_until(writer, shown) -> None:
    """Go on typing, as people do, until `shown` (a locator) is there; typing is a hint."""
    for _ in range(60):
        writer.composer.press_sequentially("x")
        if shown.count():
            return
        writer.page.wait_for_timeout(250)
    raise AssertionError("nobody sees that somebody types")


def test_who_is_online_and_who_types_is_shown(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("hello")
    ben.open("Anna")
    expect(subtitle(anna)).to_have_text("online")
    expect(anna.row("Ben").locator(".here-dot")).to_be_visible()
    types_until(ben, subtitle(anna).filter(has_text="typing …"))
    expect(anna.row("Ben").locator(".words")).to_have_text("typing …")
    ben.composer.press("Enter")
    expect(subtitle(anna)).to_have_text("online")
    ben.context.close()
    expect(subtitle(anna)).to_contain_text("last seen")


def test_who_hides_when_they_were_here_is_not_seen(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.write_to(name("ben"))
    anna.say("hello")
    expect(subtitle(anna)).to_have_text("online")
    ben.page.goto(f"{ben.url}#/settings")
    ben.page.get_by_label("Who sees when I was here last").select_option("nobody")
    expect(subtitle(anna)).to_have_text(f"@{name('ben')}")


def test_a_group_shows_who_types_and_whose_status_is_what(window, name) -> None:
    anna = window().register(name("anna"), "Anna")
    ben = window().register(name("ben"), "Ben")
    anna.make_group("Typists", name("ben"))
    ben.open("Typists")
    types_until(ben, subtitle(anna).filter(has_text="Ben is typing …"))
    ben.page.goto(f"{ben.url}#/settings")
    ben.page.get_by_label("Status", exact=True).fill("on the train")
    ben.page.get_by_role("button", name="Save").click()
    anna.show_details()
    members = anna.page.get_by_role("region", name="Members")
    expect(members.get_by_role("listitem").filter(has_text="Ben")).to_contain_text("on the train")
