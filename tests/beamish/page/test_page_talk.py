"""What can be said in the page, and how it is shown, in real Chromium windows."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_an_answer_quotes_the_original_and_leads_to_it(friends) -> None:
    anna, ben, _ = friends
    anna.say("Who *brings* tea?")
    for number in range(30):
        anna.say(f"line {number}")
    ben.message("line 29").wait_for()
    ben.page.get_by_role("log").evaluate("log => { log.scrollTop = 0; }")
    ben.reply("tea?", "I do")
    answer = anna.message_starting("I do")
    quote = answer.locator(".quote")
    expect(quote).to_contain_text("Who brings tea?")
    expect(quote).to_contain_text("You")
    first = anna.page.locator(".message").first
    expect(first).not_to_be_in_viewport()
    quote.click()
    expect(anna.page.locator(".emphasised")).to_contain_text("Who brings tea?")
    expect(anna.page.locator(".emphasised")).to_be_in_viewport()


def test_a_mention_is_completed_highlighted_and_counted(friends) -> None:
    anna, _, cora = friends
    anna.say("hello")
    anna.expect_tick("hello", "Read")
    cora.page.goto(f"{cora.url}#/")
    anna.composer.press_sequentially("look, @si")
    option = anna.page.get_by_role("option", name="Cora Silva")
    expect(option).to_have_attribute("aria-selected", "true")
    anna.composer.press("Enter")
    expect(anna.composer).to_have_value("look, @cora ")
    anna.composer.press_sequentially("and @nobody")
    anna.composer.press("Enter")
    row = cora.row(cora.title)
    expect(row.locator(".badge.at")).to_have_text(re.compile("@ 1 mention"))
    expect(row.locator(".words")).to_have_text("Anna: look, @cora and @nobody")
    cora.open(cora.title)
    shown = cora.message_starting("look,")
    expect(shown.locator(".mention-me")).to_have_text("@Cora Silva")
    expect(shown.locator(".mention")).to_have_count(1)
    expect(row.locator(".badge")).to_have_count(0)


def test_an_action_says_what_one_does(friends) -> None:
    anna, ben, _ = friends
    anna.say("/me waves")
    expect(ben.page.locator(".bubble.action .text")).to_have_text("Anna waves")
    expect(ben.row(ben.title).locator(".words")).to_have_text("Anna waves")


def test_markup_becomes_elements_and_its_signs_go(friends) -> None:
    anna, ben, _ = friends
    said = "*bold* _italic_ ~gone~ `code` 2*3*4\n> quoted\n```\n*block*\n```"
    anna.composer.fill(said)
    anna.composer.press("Enter")
    text = ben.message_starting("bold").locator(".text")
    for tag, words in {
        "strong": "bold",
        "em": "italic",
        "s": "gone",
        "code >> nth=0": "code",
        "blockquote": "quoted",
        "pre": "*block*",
    }.items():
        expect(text.locator(tag)).to_have_text(words)
    expect(text).to_contain_text("2*3*4")


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror=window.hacked=1>",
    "*<svg onload=window.hacked=1>*",
    "`<b>`_<i onclick=window.hacked=1>_",
    "javascript:window.hacked=1",
    "[x](javascript:window.hacked=1)",
    'https://example.org/"onmouseover="window.hacked=1',
    "http://a.example/*<b>*_~`",
    "data:text/html,<script>window.hacked=1</script>",
    "mailto:a@b.example?subject=<script>",
    "mailto:javascript:window.hacked=1",
    "> > > <iframe src=//evil.example>",
    "```<style>*{display:none}</style>```",
    "\u202egnp.exe\u2066 *\u202e*",
    "@<b>x</b> &lt;b&gt; &#60;script&#62;",
    "{{constructor.constructor('window.hacked=1')()}} ${window.hacked=1}",
    "http://user:pass@exa\u043cple.org\\@evil.example/",
]


def test_no_text_becomes_markup_or_a_link_to_anything_but_web_and_mail(people) -> None:
    """Hostile pieces in random order through the page's own renderer, in its own policy."""
    page = people[0].page
    outcome = page.evaluate(
        """async (pieces) => {
            const { rich } = await import("/views/rich.js");
            let state = 11;
            const random = (below) => {
                state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
                return Math.floor((state / 2 ** 32) * below);
            };
            const glue = [" ", "*", "_", "`", "```", "\\n", "\\n> ", ""];
            const allowed = "STRONG EM S BLOCKQUOTE CODE PRE A BDI".split(" ");
            const wrong = [];
            for (let run = 0; run < 400; run += 1) {
                let text = "";
                for (let n = 0; n < 1 + random(6); n += 1) {
                    text += pieces[random(pieces.length)] + glue[random(glue.length)];
                }
                const box = document.createElement("div");
                box.append(...rich(text, { mentions: ["b"], me: "b" }));
                document.body.append(box);
                for (const element of box.querySelectorAll("*")) {
                    const isFine = allowed.includes(element.tagName)
                        && [...element.attributes].every(
                            ({ name }) => !name.startsWith("on") && name !== "style")
                        && (element.tagName !== "A"
                            || (["http:", "https:", "mailto:"].includes(element.protocol)
                                && element.rel === "noopener noreferrer"));
                    if (!isFine) {
                        wrong.push([text, element.outerHTML]);
                    }
                }
                box.remove();
            }
            return { wrong, hacked: window.hacked ?? null };
        }""",
        HOSTILE,
    )
    assert outcome == {"wrong": [], "hacked": None}


def test_hostile_texts_arrive_as_they_were_written(friends) -> None:
    anna, ben, _ = friends
    for text in HOSTILE[:6]:
        anna.composer.fill(text)
        anna.composer.press("Enter")
    expect(ben.page.locator(".message")).to_have_count(6)
    assert (
        ben.page.locator(".messages script, .messages img, .messages svg:not(.icon)").count() == 0
    )
    assert ben.texts()[:2] == HOSTILE[:2]


def test_the_picker_puts_an_emoji_where_one_writes(friends) -> None:
    anna, _, _ = friends
    anna.page.get_by_role("button", name="Emoji").click()
    picker = anna.page.get_by_role("dialog", name="Emoji")
    picker.get_by_role("textbox").fill("rocket")
    anna.page.keyboard.press("Enter")
    expect(picker).to_have_count(0)
    expect(anna.composer).to_have_value("🚀")
    expect(anna.composer).to_be_focused()
    anna.page.keyboard.press("Enter")
    expect(anna.page.locator(".jumbo")).to_have_text("🚀")


def test_messages_are_reached_and_answered_by_keyboard_alone(friends) -> None:
    anna, ben, _ = friends
    ben.say("first")
    ben.say("see https://example.org/x")
    anna.message_starting("see").wait_for()
    keys = anna.page.keyboard
    anna.composer.focus()
    keys.press("Shift+Tab")
    expect(anna.page.get_by_role("log")).to_be_focused()
    keys.press("ArrowUp")
    expect(anna.message_starting("see")).to_be_focused()
    keys.press("Tab")
    expect(anna.page.get_by_role("link")).to_be_focused()
    keys.press("Escape")
    keys.press("ArrowUp")
    expect(anna.message("first")).to_be_focused()
    keys.press("Enter")
    expect(anna.page.get_by_role("menu")).to_be_visible()
    keys.press("Escape")
    expect(anna.message("first")).to_be_focused()
    keys.press("r")
    expect(anna.composer).to_be_focused()
    keys.type("answered")
    keys.press("Enter")
    expect(ben.message_starting("answered").locator(".quote")).to_contain_text("first")
    keys.press("?")
    expect(anna.composer).to_have_value("?")
