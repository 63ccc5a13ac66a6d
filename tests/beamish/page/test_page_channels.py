"""Channels in the page: made, subscribed to, posted in, read."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

_titles = iter(f"News {number}" for number in range(1, 1000))


@pytest.fixture
def channel(people) -> str:
    """The title of a new public channel of Anna's, with one post; Ben and Cora know its address."""
    anna, ben, cora = people
    title = next(_titles)
    anna.begin("New channel")
    anna.page.get_by_label("Name of the channel").fill(title)
    anna.page.get_by_label("What it is about").fill("What is new")
    anna.page.get_by_role("button", name="Create", exact=True).click()
    anna.say("first post")
    stored = re.compile("Sent|Delivered|Read")
    anna.message("first post").get_by_role("img", name=stored).wait_for()
    ben.address = cora.address = anna.page.url
    return title


def test_a_channel_is_read_before_and_after_subscribing(people, channel) -> None:
    anna, ben, _ = people
    ben.page.goto(ben.address)
    expect(ben.page.get_by_role("heading", name=channel)).to_be_visible()
    expect(ben.message("first post")).to_be_visible()
    ben.page.get_by_role("button", name="Subscribe").click()
    expect(ben.page.get_by_text("Only the channel's staff write here.")).to_be_visible()
    anna.say("second post")
    expect(ben.message("second post")).to_be_visible()
    assert ben.texts() == ["first post", "second post"]
    ben.page.goto(f"{ben.url}#/")
    anna.say("third post")
    ben.expect_unread(channel, 1)
    ben.open(channel)
    expect(ben.message("third post")).to_be_visible()
    expect(ben.row(channel).locator(".badge")).to_have_count(0)
    ben.choose(channel, "Unsubscribe")
    ben.page.get_by_role("button", name="Unsubscribe", exact=True).click()
    expect(ben.row(channel)).to_have_count(0)


def test_a_reader_without_a_connection_catches_up_with_the_posts(people, channel, node) -> None:
    anna, _, cora = people
    cora.page.goto(cora.address)
    cora.page.get_by_role("button", name="Subscribe").click()
    expect(cora.page.get_by_text("Only the channel's staff write here.")).to_be_visible()
    cora.page.goto(f"{cora.url}#/")
    node.cut(refuse=True)
    for number in range(3):
        anna.say(f"post {number}")
    node.mend()
    cora.expect_unread(channel, 3)
    cora.open(channel)
    expect(cora.message("post 2")).to_be_visible()
    assert cora.texts()[-3:] == ["post 0", "post 1", "post 2"]


def test_more_staff_may_post_and_readers_see_no_members(people, channel) -> None:
    anna, ben, cora = people
    anna.show_details()
    anna.page.get_by_label("User name to add").fill("ben")
    anna.page.keyboard.press("Enter")
    anna.page.get_by_role("button", name="Actions for Ben").click()
    anna.page.get_by_role("menuitem", name="Make an admin").click()
    ben.open(channel)
    ben.say("Ben writes too")
    expect(anna.message("Ben writes too")).to_be_visible()
    cora.page.goto(cora.address)
    expect(cora.message("Ben writes too")).to_be_visible()
    cora.show_details()
    expect(cora.page.locator(".details").get_by_text("What is new")).to_be_visible()
    expect(cora.page.get_by_role("region", name="Members")).to_have_count(0)
