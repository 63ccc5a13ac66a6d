/** Words for people, and what may become a link. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { framesOf, isUserName, parseFrame, peerOf, randomTag, wellFormed } from "./protocol.js";
import { dayName, initials, isEmojiOnly, partsOf, phraseOf, plain, shortWhen, unconfirmed } from "./text.js";

const links = (text) => partsOf(text).flatMap((part) => (part.href === undefined ? [] : [part.href]));

test("only http and https become links, and all text stays as it was", () => {
  const texts = [
    "javascript:alert(1) data:text/html,x file:///etc/passwd ftp://x",
    "<a href='http://a.example'>x</a> http://a.example/?q=<b>",
    "HTTPS://Example.org/Path, http://[::1]:8080/ http:// https://",
    "xhttp://not.a.link",
  ];
  for (const text of texts) {
    assert.equal(partsOf(text).map((part) => part.text).join(""), text);
    links(text).forEach((href) => assert.match(href, /^https?:\/\/[^<>"']+$/));
  }
  assert.deepEqual(links(texts[0]), []);
  assert.deepEqual(links(texts[3]), []);
});

test("what logging out may lose is neither called unsent nor counted wrongly", () => {
  assert.equal(unconfirmed(0), "");
  assert.match(unconfirmed(1), /^One message or change is not confirmed .*: if it has not arrived there, it is lost\.$/);
  assert.match(unconfirmed(3), /^3 messages or changes are not confirmed .*: what has not arrived there is lost\.$/);
  assert.ok([1, 2].every((number) => !unconfirmed(number).includes("unsent")));
});

test("a link ends where the sentence around it goes on", () => {
  assert.deepEqual(links("see http://a.example/x."), ["http://a.example/x"]);
  assert.deepEqual(links("(http://a.example/x)"), ["http://a.example/x"]);
  assert.deepEqual(links("http://a.example/x_(y)!"), ["http://a.example/x_(y)"]);
  assert.deepEqual(links("http://a.example/?a=1&b=2; http://b.example"), [
    "http://a.example/?a=1&b=2",
    "http://b.example/",
  ]);
});

test("a few emoji are large, words are not", () => {
  assert.ok(isEmojiOnly("👍"));
  assert.ok(isEmojiOnly("👩‍👧 ❤️"));
  assert.ok(!isEmojiOnly("ok 👍"));
  assert.ok(!isEmojiOnly("12"));
  assert.ok(!isEmojiOnly(""));
});

test("days are named as people name them", () => {
  const now = new Date(2026, 2, 11, 9).getTime();
  const day = 86_400_000;
  assert.equal(dayName(now, now), "Today");
  assert.equal(dayName(now - day, now), "Yesterday");
  assert.equal(dayName(new Date(2026, 2, 10, 23, 59).getTime(), now), "Yesterday");
  assert.match(dayName(now - 3 * day, now), /^\p{L}+$/u);
  assert.match(dayName(now - 30 * day, now), /2026/);
  assert.match(shortWhen(now, now), /9/);
});

test("what happened is said in words, to oneself as you", () => {
  const say = (record) => plain(phraseOf({ by: "ben", ...record }, "anna", (user) => user.toUpperCase()));
  assert.equal(say({ type: "invite", user: "anna" }), "BEN added you");
  assert.equal(say({ type: "leave", owner: "anna" }), "BEN left, you own the group now");
  assert.equal(say({ type: "role", user: "cora", role: "admin" }), "BEN made CORA an admin");
  assert.equal(say({ type: "join", by: "anna" }), "You joined");
  assert.equal(say({ type: "of a later version" }), "");
});

test("initials stand for any name", () => {
  assert.equal(initials("Anna Maria Lind"), "AL");
  assert.equal(initials("ben"), "B");
  assert.equal(initials("x_y"), "XY");
  assert.equal(initials("日本"), "日");
  assert.equal(initials("👍"), "👍");
});

test("frames keep to the limits and items stay whole", () => {
  const items = Array.from({ length: 700 }, (_, id) => ({ id, text: "ü".repeat(500) }));
  const frames = framesOf(items, { frame_bytes: 100_000, items: 256 });
  assert.ok(frames.every((frame) => Buffer.byteLength(frame) <= 100_000));
  assert.ok(frames.every((frame) => JSON.parse(frame).length <= 256));
  assert.deepEqual(frames.flatMap((frame) => JSON.parse(frame)), items);
});

test("a frame that is no array of maps is refused", () => {
  for (const text of ["{}", "[1]", "[null]", '"x"', "", "[", new ArrayBuffer(2)]) {
    assert.throws(() => parseFrame(text), SyntaxError);
  }
});

test("names, tags and text have their forms", () => {
  assert.ok(isUserName("a.b_c-9") && !isUserName("A") && !isUserName("") && !isUserName("a b"));
  assert.match(randomTag(), /^[A-Za-z0-9_-]{16}$/);
  assert.notEqual(randomTag(), randomTag());
  assert.equal(peerOf("d:anna:ben", "anna"), "ben");
  assert.equal(peerOf("d:anna:ben", "cora"), null);
  assert.equal(peerOf("g:abc", "anna"), null);
  assert.equal(wellFormed("a\ud800b\udc00 👍"), "a\ufffdb\ufffd 👍");
});
