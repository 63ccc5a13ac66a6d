/** What the engine promises, against a node in memory (`fake_node.js`). */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Bench, DIRECT, textsOf } from "./bench.js";
import { ConnectionLost, RequestRefused, SILENCE_MS, SLOW_MS } from "./connection.js";
import { KEPT_RECORDS } from "./receiver.js";
import { MemoryStore } from "./store.js";

const numbersSent = (node, tag) => node.seen.filter((i) => i.tag === tag).map((i) => i.number);

test("registering makes a device that attaches and is kept", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  assert.equal(engine.state.phase, "signed_in");
  assert.equal(engine.link.state.phase, "online");
  assert.deepEqual((await engine.store.load()).account, {
    user: "alice",
    display: "ALICE",
    device: "dev1",
    token: "token1",
  });
});

test("a wrong password is told and leaves the browser signed out", async () => {
  const bench = new Bench();
  const engine = bench.engine();
  await engine.store.claim("tab");
  await engine.start();
  bench.node.mischief = (item) =>
    item.command === "login" ? { code: "bad_credentials", retryable: false } : undefined;
  const done = engine.signIn("login", { user: "bob", password: "wrong" });
  const failed = assert.rejects(done, (error) => error instanceof RequestRefused && error.code === "bad_credentials");
  await bench.clock.advance(50);
  await failed;
  assert.equal(engine.state.phase, "signed_out");
  assert.equal(engine.link.state.phase, "stopped");
});

test("a node that cannot be reached fails the sign-in instead of retrying for ever", async () => {
  const bench = new Bench();
  const engine = bench.engine();
  await engine.store.claim("tab");
  await engine.start();
  const done = engine.signIn("login", { user: "bob", password: "x" });
  const failed = assert.rejects(done, /cannot be reached/);
  bench.node.dropAll();
  await failed;
  await bench.clock.advance(60_000);
  assert.equal(bench.node.seen.length, 0);
});

test("what the inbox tells is stored together with the cursor, then acknowledged", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("one");
  bench.say("two");
  await bench.clock.advance(1000);
  assert.deepEqual(await textsOf(engine), ["one", "two"]);
  const stored = await engine.store.load();
  assert.equal(stored.cursor.number, bench.node.head("alice"));
  assert.equal(stored.conversations[0].unread, 2);
  assert.equal(bench.node.seen.filter((i) => i.command === "ack").at(-1).number, stored.cursor.number);
});

test("nothing is acknowledged that the store refused", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  await bench.clock.advance(1000);
  const commit = engine.store.commit.bind(engine.store);
  engine.store.commit = async () => {
    throw new Error("quota");
  };
  bench.node.seen.length = 0;
  bench.say("one");
  await bench.clock.advance(2000);
  assert.equal(bench.node.seen.filter((i) => i.command === "ack" && i.number > 0).length, 0);
  engine.store.commit = commit;
  await bench.clock.advance(60_000);
  assert.deepEqual(await textsOf(engine), ["one"]);
});

test("repeated updates change nothing and gaps are fetched", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("one");
  await bench.clock.advance(100);
  const [socket] = bench.node.sockets;
  const items = bench.node.users.get("alice").items;
  socket.push({ event: "updates", epoch: 7, from: 1, to: items.length, items });
  socket.attached = false;
  bench.say("two");
  bench.say("three");
  socket.attached = true;
  bench.say("four");
  await bench.clock.advance(1000);
  assert.deepEqual(await textsOf(engine), ["one", "two", "three", "four"]);
  assert.equal(engine.conversation(DIRECT).unread, 4);
  assert.equal(bench.node.seen.filter((i) => i.command === "fetch").length, 1);
});

test("a cursor that is too old is healed by a snapshot, and history fills in", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("one");
  await bench.clock.advance(1000);
  bench.node.dropAll();
  bench.say("two");
  bench.say("three");
  bench.node.trim("alice");
  await bench.clock.advance(5000);
  assert.equal(engine.conversation(DIRECT).unread, 3);
  assert.deepEqual(await textsOf(engine), []);
  engine.fillHistory(DIRECT);
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine), ["one", "two", "three"]);
  bench.say("four");
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine), ["one", "two", "three", "four"]);
});

test("history that was asked for before a snapshot does not pretend to join what comes after", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  Array.from({ length: 5 }, (_, index) => bench.say(`old ${index}`));
  bench.node.trim("alice");
  bench.node.dropAll();
  await bench.clock.advance(5000);
  assert.equal(engine.conversation(DIRECT).floor, 7);
  // The answer is on its way while the next snapshot is taken.
  const slow = engine.fillHistory(DIRECT);
  let answer;
  const request = bench.node.on_history;
  bench.node.on_history = (socket, item) => {
    answer = request.call(bench.node, socket, item);
    return answer;
  };
  await bench.clock.advance(0);
  await engine.ledger.transact((draft) => {
    const row = draft.conversation(DIRECT);
    draft.dropRecords(DIRECT);
    draft.putConversation({ ...row, applied: 20, floor: 21 });
  });
  await bench.clock.advance(100);
  assert.equal(await slow, false);
  assert.ok(answer.ok.records.length > 0);
  assert.equal(engine.conversation(DIRECT).floor, 21);
  assert.deepEqual(await textsOf(engine), []);
});

test("after a restore from a backup everything stored before is dropped", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("one");
  bench.say("lost by the restore");
  await bench.clock.advance(1000);
  bench.node.epoch = 8;
  bench.node.log(DIRECT).records.pop();
  bench.node.dropAll();
  await bench.clock.advance(5000);
  assert.equal((await engine.store.load()).cursor.epoch, 8);
  engine.fillHistory(DIRECT);
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine), ["one"]);
});

test("messages composed without a connection wait in the store and go out in order", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.node.latency = () => 1e9;
  bench.node.dropAll();
  for (const text of ["a", "b", "c"]) {
    await engine.send(DIRECT, text);
  }
  assert.deepEqual((await engine.store.load()).commands.map((c) => [c.number, c.fields.text]), [
    [1, "a"],
    [2, "b"],
    [3, "c"],
  ]);
  // Another page load on the same store takes over from there.
  engine.yield();
  bench.node.latency = () => 1;
  const again = bench.engine(engine.store);
  await again.start();
  await bench.clock.advance(1000);
  assert.deepEqual(bench.node.log(DIRECT).records.filter((r) => r.text).map((r) => r.text), ["a", "b", "c"]);
  assert.equal((await again.store.load()).commands.length, 0);
  assert.deepEqual(await textsOf(again), ["a", "b", "c"]);
});

test("a message whose answer was lost is resent with the same number and tag, and is one message", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const [socket] = bench.node.sockets;
  await engine.send(DIRECT, "once");
  socket.push = () => {};
  await bench.clock.advance(10);
  assert.equal(bench.node.log(DIRECT).records.length, 2);
  socket.drop(1006);
  await bench.clock.advance(5000);
  assert.deepEqual(await textsOf(engine), ["once"]);
  assert.equal(engine.pending(DIRECT).length, 0);
  assert.ok(new Set(numbersSent(bench.node, "tag1")).size === 1);
});

test("a silent connection is noticed by pings and replaced", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const [socket] = bench.node.sockets;
  socket.isSilent = true;
  await engine.send(DIRECT, "through the silence");
  await bench.clock.advance(SLOW_MS + SILENCE_MS + 2000);
  assert.equal(bench.node.log(DIRECT).records.at(-1).text, "through the silence");
  assert.equal(engine.link.state.phase, "online");
  assert.ok(!bench.node.sockets.has(socket));
});

test("a quiet connection is pinged and kept", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  await bench.clock.advance(120_000);
  assert.equal(engine.link.reconnects, 0);
  assert.ok(bench.node.seen.filter((i) => i.command === "ping").length >= 5);
});

test("a refused message uses no number: those behind it move up and keep their tags", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.node.mischief = (item) =>
    item.text === "bad" ? { code: "not_member", retryable: false } : undefined;
  await Promise.all(["one", "bad", "two", "three"].map((text) => engine.send(DIRECT, text)));
  await bench.clock.advance(20_000);
  assert.deepEqual(await textsOf(engine), ["one", "two", "three"]);
  const [failed] = engine.pending(DIRECT);
  assert.equal(failed.failed.code, "not_member");
  assert.equal(engine.pending(DIRECT).length, 1);
  bench.node.mischief = () => undefined;
  await engine.outbox.retry(failed.position);
  await bench.clock.advance(1000);
  assert.deepEqual(await textsOf(engine), ["one", "two", "three", "bad"]);
});

test("a node that is too busy is asked again after the time it names, in the same order", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  let refusals = 0;
  bench.node.mischief = (item) =>
    item.text === "a" && (refusals += 1) <= 2
      ? { code: "overloaded", retryable: true, retry_after_ms: 5000 }
      : undefined;
  await engine.send(DIRECT, "a");
  await engine.send(DIRECT, "b");
  await bench.clock.advance(4000);
  assert.deepEqual(await textsOf(engine), []);
  await bench.clock.advance(20_000);
  assert.deepEqual(await textsOf(engine), ["a", "b"]);
});

test("what a conversation keeps in the store is bounded, and history brings the rest", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("first");
  await bench.clock.advance(100);
  const log = bench.node.log(DIRECT);
  const from = log.records.length + 1;
  const total = 2 * KEPT_RECORDS + 10;
  const said = (n) => ({ n, type: "message", ordinal: n, by: "bob", at: 1000 + n, text: `text ${n}` });
  log.records.push(...Array.from({ length: total - from + 1 }, (_, index) => said(from + index)));
  bench.node.put("alice", { type: "records", conversation: DIRECT, records: log.records.slice(from - 1) });
  await bench.clock.advance(1000);
  const count = async () => (await engine.store.records(DIRECT, { limit: 100_000 })).length;
  assert.equal(await count(), KEPT_RECORDS);
  assert.equal(engine.conversation(DIRECT).floor, total - KEPT_RECORDS + 1);
  engine.fillHistory(DIRECT, 100);
  await bench.clock.advance(100);
  assert.equal(await count(), KEPT_RECORDS + 100);
});

test("a browser that lost its connection between login and snapshot is signed in all the same", async () => {
  const bench = new Bench();
  const engine = bench.engine();
  await engine.store.claim("tab");
  await engine.start();
  bench.node.on_snapshot = () => bench.node.dropAll();
  const done = engine.signIn("register", { user: "alice", password: "correct horse" });
  await bench.clock.advance(50);
  await done;
  assert.equal(engine.state.phase, "signed_in");
  delete bench.node.on_snapshot;
  await bench.clock.advance(5000);
  assert.equal(engine.link.state.phase, "online");
  assert.equal(bench.node.devices, 1);
});

test("a registration whose answer was lost is finished by trying again", async () => {
  const bench = new Bench();
  const engine = bench.engine();
  await engine.store.claim("tab");
  await engine.start();
  const register = bench.node.on_register;
  bench.node.on_register = (socket, item) => {
    register.call(bench.node, socket, item);
    bench.node.dropAll();
  };
  const fields = { user: "alice", password: "correct horse" };
  const lost = assert.rejects(engine.signIn("register", fields), ConnectionLost);
  await bench.clock.advance(50);
  await lost;
  delete bench.node.on_register;
  const done = engine.signIn("register", fields);
  await bench.clock.advance(50);
  await done;
  assert.equal(engine.me, "alice");
});

test("a revoked token signs out, and what was not sent is kept as failed after logging in again", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.node.tokens.clear();
  bench.node.dropAll();
  await engine.send(DIRECT, "unsent");
  await bench.clock.advance(2000);
  assert.deepEqual(engine.state, { phase: "signed_out", why: "revoked" });
  const done = engine.signIn("login", { user: "alice", password: "x" });
  await bench.clock.advance(100);
  await done;
  const [kept] = engine.pending(DIRECT);
  assert.equal(kept.fields.text, "unsent");
  assert.equal(kept.failed.code, "session_ended");
  await engine.outbox.retry(kept.position);
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine), ["unsent"]);
});

test("another user logging in finds nothing of the one before", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("private");
  await bench.clock.advance(1000);
  const out = engine.signOut();
  await bench.clock.advance(5000);
  await out;
  assert.equal(engine.state.phase, "signed_out");
  assert.deepEqual(await engine.store.load(), {
    account: null,
    cursor: null,
    conversations: [],
    commands: [],
    users: [],
  });
});

test("a tab that lost the store to another stops and sends nothing more", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const other = new MemoryStore(engine.store.shared);
  await other.claim("other tab");
  bench.node.seen.length = 0;
  await assert.rejects(engine.send(DIRECT, "from the old tab"));
  await bench.clock.advance(1000);
  assert.equal(engine.state.phase, "elsewhere");
  assert.equal(bench.node.seen.filter((i) => i.command === "send").length, 0);
});

test("read marks are levels, told once and repeated after a lost connection", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("one");
  bench.say("two");
  await bench.clock.advance(100);
  bench.node.dropAll();
  await engine.reading.mark(DIRECT, 3, 2);
  assert.equal(engine.conversation(DIRECT).unread, 0);
  await bench.clock.advance(5000);
  assert.equal(bench.node.users.get("alice").marks.get(DIRECT).read, 3);
  const { read, confirmed, unread } = engine.conversation(DIRECT);
  assert.deepEqual({ read, confirmed, unread }, { read: 3, confirmed: 3, unread: 0 });
});

test("a group that is created without a connection is created when it is back", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.node.dropAll();
  const { conversation, done } = await engine.createGroup("Friends", false, ["bob"]);
  assert.equal(engine.conversation(conversation).title, "Friends");
  await bench.clock.advance(5000);
  const made = await done;
  const row = engine.conversation(made.conversation);
  assert.deepEqual([row.title, row.role, Object.keys(row.members)], ["Friends", "owner", ["alice", "bob"]]);
  assert.equal(engine.conversation(conversation), null);
  await engine.send(made.conversation, "welcome");
  await bench.clock.advance(1000);
  assert.deepEqual(await textsOf(engine, made.conversation), ["welcome"]);
});

test("whatever the network does, every message arrives once, in the order it was composed", async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    await wildRun(seed);
  }
});

/** Random losses, silences, refusals and latencies, while both sides talk. */
async function wildRun(seed) {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const bench = new Bench();
  const engine = await bench.alice();
  bench.node.latency = () => 1 + Math.floor(random() * 40);
  let last = 0;
  const latency = bench.node.latency;
  // In order, as on one TCP connection.
  bench.node.latency = () => {
    last = Math.max(last, bench.clock.time + latency());
    return last - bench.clock.time;
  };
  bench.node.mischief = (item) => {
    if (item.command === "send" && random() < 0.15) {
      return { code: "overloaded", retryable: true, retry_after_ms: 50 };
    }
    return item.text?.startsWith("bad") ? { code: "forbidden", retryable: false } : undefined;
  };
  const mine = [];
  const theirs = [];
  for (let step = 0; step < 40; step += 1) {
    const dice = random();
    if (dice < 0.45) {
      const text = random() < 0.15 ? `bad ${step}` : `mine ${step}`;
      await engine.send(DIRECT, text);
      if (text.startsWith("mine")) {
        mine.push(text);
      }
    } else if (dice < 0.8) {
      bench.say(`theirs ${step}`);
      theirs.push(`theirs ${step}`);
    } else if (dice < 0.9) {
      bench.node.dropAll();
    } else if (dice < 0.95) {
      bench.node.sockets.forEach((socket) => (socket.isSilent = true));
    } else if (dice < 0.97) {
      bench.node.trim("alice");
    }
    await bench.clock.advance(Math.floor(random() * 200));
  }
  await bench.clock.advance(300_000);
  const log = bench.node.log(DIRECT).records.filter((r) => r.type === "message");
  const by = (user) => log.filter((r) => r.by === user).map((r) => r.text);
  assert.deepEqual(by("alice"), mine, `seed ${seed}: own messages`);
  while (await filled(engine, bench)) {
    // Until the store holds everything.
  }
  assert.deepEqual(await textsOf(engine), log.map((r) => r.text), `seed ${seed}: the store`);
  assert.deepEqual(by("bob"), theirs);
  assert.equal(engine.conversation(DIRECT)?.unread ?? 0, theirs.length, `seed ${seed}: unread`);
}

async function filled(engine, bench) {
  if (engine.conversation(DIRECT) === null) {
    return false;
  }
  const filling = engine.fillHistory(DIRECT);
  await bench.clock.advance(200);
  return filling;
}
