"""A conversation of 10,000 messages: what it costs to go through, and how much stands at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.beamish.page.window import until

COUNT = 10_000
FRAME_MS = 1000 / 60

FILL = """async ([id, peer, count]) => {
    const { openStore } = await import("/store.js");
    const { newConversation } = await import("/conversation.js");
    const store = await openStore("the test");
    const { account } = await store.load();
    const words = ["lorem", "*ipsum*", "https://example.org/a_b", "_sit_", "amet", "🎉"];
    const said = (n) => {
        const word = (_, k) => words[(n + k) % words.length];
        const text = Array.from({ length: 3 + (n * 7) % 40 }, word).join(" ");
        const record = { n, type: "message", ordinal: n, at: 1.7e12 + n * 60_000, text };
        record.by = n % 3 ? peer : account.user;
        if (n % 11 === 0) { record.reactions = [[peer, "👍", n]]; record.rev = n; }
        if (n % 17 === 0) { record.reply = n - 5; }
        return [id, record];
    };
    const records = Array.from({ length: count }, (_, n) => said(n + 1));
    const marks = { applied: count, ordinal: count, read: count, confirmed: count };
    const row = { ...newConversation(id, account.user), ...marks, at: 1.8e12 };
    await store.commit({ conversations: [row], records });
}"""

TRAVEL = """async ([step, count]) => {
    const log = document.querySelector("[role=log]");
    const frame = () => new Promise(requestAnimationFrame);
    const frames = [];
    let most = 0;
    let before = await frame();
    while (frames.length < count) {
        log.scrollTop = Math.max(0, log.scrollTop + step);
        const now = await frame();
        frames.push(now - before);
        before = now;
        if (frames.length % 20 === 0) {
            most = Math.max(most, document.querySelectorAll(".messages *").length);
        }
    }
    frames.sort((a, b) => a - b);
    const first = Number(document.querySelector(".messages [data-n]").dataset.n);
    const at = (part) => frames[Math.floor(count * part)];
    return { most, first, median: at(0.5), p99: at(0.99) };
}"""
"""Scroll by `step` pixels in each of `count` frames: their times, and how much stood at once."""

FRAMES = 300


@pytest.fixture
def long_one(window, name) -> Page:
    """A window on a conversation of 10,000 messages that the browser holds."""
    ben = name("ben")
    window().register(ben, "Ben")
    anna = window().register(name("anna"), "Anna")
    conversation = f"d:{name('anna')}:{ben}"
    anna.page.evaluate(FILL, [conversation, ben, COUNT])
    anna.page.goto("about:blank")
    anna.page.goto(f"{anna.url}#/c/{conversation}")
    expect(anna.page.locator(f".message[data-n='{COUNT}']")).to_be_in_viewport()
    return anna.page


def test_flying_through_a_long_conversation_fits_the_time_of_its_frames(long_one) -> None:
    """36,000 pixels a second; by the time of the page's thread, which no busy machine lengthens."""
    devtools = long_one.context.new_cdp_session(long_one)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent_ms() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return next(1000 * one["value"] for one in metrics if one["name"] == "TaskDuration")

    before = spent_ms()
    travelled = long_one.evaluate(TRAVEL, [-600, FRAMES])
    per_frame = (spent_ms() - before) / FRAMES
    assert travelled["first"] < COUNT - 1_000, travelled
    assert per_frame < FRAME_MS, travelled
    # The window of 240 messages, with all that is in them, whatever the conversation holds.
    assert travelled["most"] < 5_000, travelled


def test_it_opens_at_the_end_and_returns_there_at_once(long_one) -> None:
    log = long_one.get_by_role("log")
    for _ in range(3):
        first = long_one.locator(".messages [data-n]").first.get_attribute("data-n")
        log.evaluate("log => { log.scrollTop = 0; }")
        shown = "document.querySelector('.messages [data-n]').dataset.n"
        until(long_one, f"{shown} !== '{first}'")
    long_one.get_by_role("button", name="To the newest message").click()
    expect(long_one.locator(f".message[data-n='{COUNT}']")).to_be_in_viewport()
