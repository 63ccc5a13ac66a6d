/** The window on a conversation: contiguous, bounded, filled from history, joined by news. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Ledger } from "./ledger.js";
import { newConversation } from "./conversation.js";
import { MemoryStore } from "./store.js";
import { MOST, Timeline } from "./timeline.js";

const ID = "d:anna:ben";
const said = (n) => ({ n, type: "message", by: "ben", at: n, text: `text ${n}` });

/** As much of an engine as a timeline needs: `held` newest of `total` records stored, the rest in history. */
async function bench(total, held) {
  const store = new MemoryStore();
  await store.claim("tab");
  const ledger = new Ledger(store);
  const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => said(from + i));
  const engine = {
    store,
    isOnline: true,
    asked: 0,
    conversation: (id) => ledger.conversation(id),
    listen: (listener) => ledger.listen(listener),
    fillHistory: async (id, limit) => {
      engine.asked += 1;
      const { floor } = ledger.conversation(id);
      const from = Math.max(1, floor - limit);
      await put(range(from, floor - 1), from);
      return true;
    },
    say: (n) => put([said(n)], ledger.conversation(ID).floor, n),
  };
  const put = (records, floor, applied = total) =>
    ledger.transact((draft) => {
      const row = draft.conversation(ID) ?? newConversation(ID, "anna");
      records.forEach((record) => draft.putRecord(ID, record));
      draft.putConversation({ ...row, floor, applied: Math.max(row.applied, applied) });
    });
  await put(range(total - held + 1, total), total - held + 1);
  const timeline = new Timeline(engine, ID, () => {});
  return { engine, timeline, numbers: () => timeline.records.map(({ n }) => n) };
}

function isContiguous(numbers) {
  return numbers.every((n, index) => index === 0 || n === numbers[index - 1] + 1);
}

test("it opens at the newest, from the store, and from history where the store ends", async () => {
  const full = await bench(200, 200);
  await full.timeline.open();
  assert.deepEqual([full.numbers().at(-1), full.engine.asked, full.timeline.atEnd], [200, 0, true]);
  const empty = await bench(200, 0);
  await empty.timeline.open();
  assert.deepEqual([empty.numbers().at(-1), empty.engine.asked], [200, 1]);
  assert.ok(isContiguous(empty.numbers()));
});

test("going back and forth shows everything, never more than the bound at once", async () => {
  const { timeline, numbers } = await bench(2000, 100);
  await timeline.open();
  while (!timeline.atStart) {
    const [first] = numbers();
    await timeline.earlier();
    assert.ok(isContiguous(numbers()) && numbers()[0] < first && numbers().length <= MOST);
  }
  assert.equal(numbers()[0], 1);
  assert.equal(timeline.atEnd, false);
  while (!timeline.atEnd) {
    const last = numbers().at(-1);
    await timeline.later();
    assert.ok(isContiguous(numbers()) && numbers().at(-1) >= last && numbers().length <= MOST);
  }
  assert.equal(numbers().at(-1), 2000);
});

test("news join at the end, but not into a window that is elsewhere", async () => {
  const { engine, timeline, numbers } = await bench(1000, 1000);
  await timeline.open();
  await engine.say(1001);
  assert.equal(numbers().at(-1), 1001);
  while (timeline.atEnd) {
    await timeline.earlier();
  }
  const last = numbers().at(-1);
  await engine.say(1002);
  assert.equal(numbers().at(-1), last);
  await timeline.open();
  assert.equal(numbers().at(-1), 1002);
});

test("news that arrive while a page is being read are not lost", async () => {
  const { engine, timeline, numbers } = await bench(100, 100);
  const records = engine.store.records.bind(engine.store);
  engine.store.records = async (id, range) => {
    const found = await records(id, range);
    await engine.say(101);
    return found;
  };
  await timeline.open();
  assert.equal(numbers().at(-1), 101);
  assert.ok(isContiguous(numbers()));
});

test("it opens where the unread begin", async () => {
  const { timeline, numbers } = await bench(500, 50);
  await timeline.open(300);
  assert.ok(numbers().includes(300) && numbers().includes(301));
  assert.ok(isContiguous(numbers()));
  assert.equal(timeline.atEnd, false);
});

test("without a connection it shows what is stored and says so", async () => {
  const { engine, timeline, numbers } = await bench(500, 20);
  engine.isOnline = false;
  await timeline.open();
  assert.deepEqual([numbers().length, timeline.atStart, engine.asked], [20, false, 0]);
  await timeline.earlier();
  assert.deepEqual([numbers().length, timeline.problem], [20, "offline"]);
});
