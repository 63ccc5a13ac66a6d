/** The cursor rules, case by case. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { isSound, judge, newsOf } from "./inbox.js";

const cursor = { epoch: 5, number: 10 };
const event = (from, to, epoch = 5) => ({ epoch, from, to, items: [] });

test("the next number is applied, also when the event begins before it", () => {
  assert.equal(judge(cursor, event(11, 11)), "apply");
  assert.equal(judge(cursor, event(11, 99)), "apply");
  assert.equal(judge(cursor, event(1, 11)), "apply");
});

test("what ends at or before the cursor is old", () => {
  assert.equal(judge(cursor, event(1, 10)), "old");
  assert.equal(judge(cursor, event(3, 4)), "old");
});

test("what begins beyond the next number is a gap", () => {
  assert.equal(judge(cursor, event(12, 12)), "gap");
});

test("another epoch is neither, whatever its numbers", () => {
  assert.equal(judge(cursor, event(11, 11, 6)), "other_epoch");
  assert.equal(judge(null, event(1, 1)), "other_epoch");
});

test("only items above the cursor are news, several may share a number", () => {
  const items = [{ n: 9 }, { n: 10 }, { n: 11, a: 1 }, { n: 11, a: 2 }, { n: 13 }, { n: 99 }];
  const news = newsOf(cursor, { epoch: 5, from: 9, to: 13, items });
  assert.deepEqual(news.items, [{ n: 11, a: 1 }, { n: 11, a: 2 }, { n: 13 }]);
  assert.deepEqual(news.cursor, { epoch: 5, number: 13 });
});

test("an event of another form is not even judged", () => {
  assert.ok(isSound(event(1, 2)));
  for (const wrong of [{}, { from: "1", to: 2, items: [] }, { from: 0, to: 2, items: [] }, { from: 1, to: 2 }]) {
    assert.ok(!isSound(wrong));
  }
});
