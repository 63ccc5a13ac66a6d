/** Changing what was said, settings of the account, presence and channels: the engine against a node in memory. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Bench, DIRECT, textsOf } from "./bench.js";
import { LANE } from "./protocol.js";
import { recordWith } from "./overlay.js";
import { reactionsOf } from "./records.js";
import { RENEW_MS, TELL_EVERY_MS, TYPING_MS } from "./screen.js";

const CHANNEL = "c:news";

/** Record `n` as a view shows it, what is not confirmed included. */
async function shown(engine, n, id = DIRECT) {
  const [record] = await engine.store.records(id, { after: n - 1, before: n + 1, limit: 1 });
  return recordWith(record, engine.pending(id), engine.me);
}

test("an edit, a reaction and a deletion of somebody else change the stored message", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const { n } = bench.say("helo");
  bench.say("second");
  await bench.clock.advance(100);
  bench.node.touch(DIRECT, "bob", "edit", n, { text: "hello" });
  bench.node.touch(DIRECT, "bob", "react", n, { emoji: "👍" });
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine), ["hello", "second"]);
  assert.deepEqual(reactionsOf(await shown(engine, n)), [{ emoji: "👍", users: ["bob"] }]);
  assert.equal(engine.conversation(DIRECT).unread, 2);
  bench.node.touch(DIRECT, "bob", "delete", n);
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine), [undefined, "second"]);
  assert.equal(engine.conversation(DIRECT).unread, 1);
});

test("history that was read before an edit does not undo it", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const { n } = bench.say("first");
  bench.node.trim("alice");
  bench.node.dropAll();
  await bench.clock.advance(5000);
  assert.equal(engine.conversation(DIRECT).floor, 3);
  const before = structuredClone(bench.node.log(DIRECT).records);
  bench.node.touch(DIRECT, "bob", "edit", n, { text: "changed" });
  await bench.clock.advance(100);
  bench.node.on_history = () => ({ ok: { records: before, more: false } });
  engine.fillHistory(DIRECT);
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine), ["changed"]);
});

test("what one does without a connection shows at once and is done later, in order", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  await engine.send(DIRECT, "mine");
  await bench.clock.advance(100);
  const { n } = bench.say("theirs");
  await bench.clock.advance(100);
  bench.node.latency = () => 1e9;
  bench.node.dropAll();
  await engine.submit(DIRECT, "edit", { target: 2, text: "mine, better" });
  await engine.submit(DIRECT, "react", { target: n, emoji: "❤️" });
  await engine.submit(DIRECT, "react", { target: n, emoji: "🎉" });
  await engine.submit(LANE, "set_conversation", { target: DIRECT, pinned: true });
  await engine.submit(LANE, "set_profile", { status: "away" });
  assert.equal((await shown(engine, 2)).text, "mine, better");
  assert.deepEqual(reactionsOf(await shown(engine, n)), [{ emoji: "🎉", users: ["alice"] }]);
  assert.deepEqual([engine.conversation(DIRECT).pinned, engine.account.status], [true, "away"]);
  // Another page load on the same store shows and sends the same.
  engine.yield();
  bench.node.latency = () => 1;
  const again = bench.engine(engine.store);
  await again.start();
  assert.equal((await shown(again, 2)).text, "mine, better");
  await bench.clock.advance(2000);
  const stored = await again.store.load();
  assert.deepEqual(stored.commands, []);
  assert.equal(stored.conversations.find(({ id }) => id === DIRECT).pinned, true);
  assert.equal(stored.account.status, "away");
  const log = bench.node.log(DIRECT).records;
  assert.deepEqual(log.filter(({ target }) => target).map(({ type }) => type), ["edit", "react", "react"]);
  assert.deepEqual(await textsOf(again), ["mine, better", "theirs"]);
  assert.deepEqual((await shown(again, n)).reactions.map(([user, emoji]) => [user, emoji]), [["alice", "🎉"]]);
});

test("an answered change stays laid over until the inbox has told it", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  await engine.send(DIRECT, "mine");
  await bench.clock.advance(100);
  const [socket] = bench.node.sockets;
  socket.attached = false;
  await engine.submit(DIRECT, "edit", { target: 2, text: "edited" });
  await bench.clock.advance(100);
  assert.equal(engine.outbox.unanswered, 0);
  assert.equal((await shown(engine, 2)).text, "edited");
  socket.drop(1006);
  await bench.clock.advance(5000);
  assert.deepEqual(await textsOf(engine), ["edited"]);
  assert.deepEqual(engine.pending(DIRECT), []);
});

test("an answered change that only a snapshot covers is let go", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  await engine.send(DIRECT, "mine");
  await bench.clock.advance(100);
  const [socket] = bench.node.sockets;
  socket.attached = false;
  await engine.submit(DIRECT, "react", { target: 2, emoji: "👍" });
  await bench.clock.advance(100);
  assert.equal(engine.pending(DIRECT).length, 1);
  bench.node.trim("alice");
  socket.drop(1006);
  await bench.clock.advance(5000);
  assert.deepEqual(engine.pending(DIRECT), []);
});

test("a refused change goes away and is told", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const { n } = bench.say("theirs");
  await bench.clock.advance(100);
  bench.node.mischief = ({ command }) =>
    command === "edit" ? { code: "forbidden", message: "not yours", retryable: false } : undefined;
  await engine.submit(DIRECT, "edit", { target: n, text: "hijacked" });
  assert.equal((await shown(engine, n)).text, "hijacked");
  await bench.clock.advance(100);
  assert.equal((await shown(engine, n)).text, "theirs");
  assert.deepEqual(engine.notices, ["not yours"]);
});

test("what other devices set for the account is followed, and the lane is no conversation", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.say("one");
  await bench.clock.advance(100);
  bench.node.put("alice", { type: "profile", display: "Alice A.", status: "busy" });
  bench.node.put("alice", { type: "privacy", last_seen: "nobody", read_marks: false });
  bench.node.put("alice", { type: "block", user: "eve", on: true });
  bench.node.put("alice", { type: "block", user: "mallory", on: true });
  bench.node.put("alice", { type: "block", user: "eve", on: false });
  bench.node.put("alice", { type: "settings", conversation: DIRECT, muted_until: 9, archived: true, pinned: false });
  await engine.submit(LANE, "block", { user: "trudy" });
  await bench.clock.advance(100);
  const { display, status, privacy, blocks } = engine.account;
  assert.deepEqual({ display, status }, { display: "Alice A.", status: "busy" });
  assert.deepEqual(privacy, { last_seen: "nobody", read_marks: false });
  assert.deepEqual(blocks, ["mallory", "trudy"]);
  assert.deepEqual([engine.conversation(DIRECT).archived, engine.conversation(DIRECT).mutedUntil], [true, 9]);
  assert.deepEqual(engine.conversations().map(({ id }) => id), [DIRECT]);
});

test("a snapshot tells the account, and rows their settings and mentions", async () => {
  const bench = new Bench();
  const account = { display: "Ally", status: "here", privacy: { last_seen: "shared", read_marks: true }, blocks: ["eve"] };
  const subscriptions = [{ channel: CHANNEL, since: 1, read: 3, ordinal: 2 }];
  bench.node.add(bench.node.log(CHANNEL), { type: "create", kind: "channel", title: "News", by: "bob", members: [] });
  [1, 2, 3, 4, 5].forEach((n) => bench.node.post(CHANNEL, post(n)));
  const addUser = bench.node.addUser.bind(bench.node);
  bench.node.addUser = (user) => Object.assign(addUser(user), { account: { ...account, subscriptions } });
  const engine = await bench.alice();
  assert.deepEqual([engine.account.display, engine.account.blocks], ["Ally", ["eve"]]);
  const row = engine.conversation(CHANNEL);
  assert.deepEqual([row.kind, row.subscribed, row.read], ["channel", true, 3]);
  await bench.clock.advance(500);
  const { applied, unread, title } = engine.conversation(CHANNEL);
  assert.deepEqual([applied, unread, title], [6, 3, "News"]);
  bench.node.post(CHANNEL, post(6));
  await bench.clock.advance(100);
  assert.equal(engine.conversation(CHANNEL).unread, 4);
  await engine.reading.mark(CHANNEL, 4, 1);
  assert.equal(engine.conversation(CHANNEL).unread, 3);
  bench.node.put("alice", { type: "subscription", channel: CHANNEL, on: true, since: 1, read: 7, ordinal: 6 });
  await bench.clock.advance(100);
  assert.equal(engine.conversation(CHANNEL).unread, 0);
});

test("the secret of a link stays where it was made", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const { done } = await engine.createGroup("Friends", false, ["bob"]);
  await bench.clock.advance(100);
  const { conversation } = await done;
  bench.node.on_create_link = (socket, { number, tag }) =>
    bench.node.numbered(socket, bench.node.log(conversation), { number, tag, conversation }, () => ({
      type: "link",
      by: socket.user,
      device: socket.device,
      number,
      tag,
      link: "the-id",
    }));
  await engine.submit(conversation, "create_link", { link: "the-secret" });
  await bench.clock.advance(100);
  assert.deepEqual(engine.conversation(conversation).secrets, { "the-id": "the-secret" });
  assert.deepEqual(engine.pending(conversation), []);
});

test("presence is asked for what is on screen, renewed, and forgotten with the connection", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const looks = () => bench.node.seen.filter(({ command }) => command === "look").map(({ users }) => users);
  engine.screen.show({ users: ["bob", "bob"], conversations: [DIRECT] });
  await bench.clock.advance(1000);
  assert.deepEqual(looks().at(-1), ["bob"]);
  assert.equal(engine.screen.presenceOf("bob").online, true);
  const before = looks().length;
  await bench.clock.advance(RENEW_MS * 2);
  assert.equal(looks().length, before + 2);
  const [socket] = bench.node.sockets;
  socket.push({ event: "presence", users: [{ user: "bob", online: false, last_seen: 5, display: "Bobby", status: "" }] });
  await bench.clock.advance(10);
  assert.deepEqual([engine.screen.presenceOf("bob").online, engine.displayOf("bob")], [false, "Bobby"]);
  bench.node.latency = () => 1e9;
  bench.node.dropAll();
  assert.equal(engine.screen.presenceOf("bob"), null);
});

test("typing is told seldom, and shown until it is old or the message is there", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const told = () => bench.node.seen.filter(({ command }) => command === "typing").length;
  for (let time = 0; time < TELL_EVERY_MS * 2; time += 500) {
    engine.screen.typing(DIRECT);
    await bench.clock.advance(500);
  }
  assert.equal(told(), 2);
  const [socket] = bench.node.sockets;
  const type = () => socket.push({ event: "typing", conversation: DIRECT, user: "bob" });
  type();
  await bench.clock.advance(TYPING_MS - 100);
  assert.deepEqual(engine.screen.typistsIn(DIRECT), ["bob"]);
  await bench.clock.advance(200);
  assert.deepEqual(engine.screen.typistsIn(DIRECT), []);
  type();
  await bench.clock.advance(10);
  bench.say("done");
  await bench.clock.advance(10);
  assert.deepEqual(engine.screen.typistsIn(DIRECT), []);
});

const post = (n) => ({ type: "message", by: "bob", text: `post ${n}` });

test("a channel is subscribed to, followed, and its history read", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  const log = bench.node.log(CHANNEL);
  bench.node.add(log, { type: "create", kind: "channel", title: "News", by: "bob", members: [["bob", "Bob", "owner"]] });
  [1, 2, 3].forEach((n) => bench.node.post(CHANNEL, post(n)));
  await engine.submit(LANE, "subscribe", { target: CHANNEL });
  assert.equal(engine.conversation(CHANNEL)?.subscribed ?? false, false);
  await bench.clock.advance(500);
  assert.equal(engine.conversation(CHANNEL).subscribed, true);
  assert.equal(engine.conversation(CHANNEL).unread, 0);
  bench.node.post(CHANNEL, post(4));
  await bench.clock.advance(100);
  assert.equal(engine.conversation(CHANNEL).unread, 1);
  engine.fillHistory(CHANNEL);
  await bench.clock.advance(100);
  assert.deepEqual(await textsOf(engine, CHANNEL), ["post 1", "post 2", "post 3", "post 4"]);
  await engine.submit(LANE, "unsubscribe", { target: CHANNEL });
  await bench.clock.advance(500);
  assert.deepEqual(engine.conversations().map(({ id }) => id), []);
});

test("a gap in a channel is closed by its history, a wide one is jumped", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.node.add(bench.node.log(CHANNEL), { type: "create", kind: "channel", title: "News", by: "bob", members: [] });
  await engine.submit(LANE, "subscribe", { target: CHANNEL });
  await bench.clock.advance(500);
  const [socket] = bench.node.sockets;
  const miss = (count) => {
    const { followed } = socket;
    socket.followed = new Map();
    Array.from({ length: count }, (_, n) => bench.node.post(CHANNEL, post(n)));
    socket.followed = new Map([[CHANNEL, bench.node.log(CHANNEL).records.length]]);
    return followed;
  };
  miss(300);
  bench.node.post(CHANNEL, post("after the gap"));
  await bench.clock.advance(500);
  assert.equal((await engine.store.records(CHANNEL, { limit: 1000 })).length, 301);
  assert.equal(engine.conversation(CHANNEL).unread, 301);
  miss(1500);
  bench.node.post(CHANNEL, post("after the wide gap"));
  await bench.clock.advance(500);
  const row = engine.conversation(CHANNEL);
  assert.equal(row.applied, bench.node.log(CHANNEL).records.length);
  assert.deepEqual(await textsOf(engine, CHANNEL), ["post after the wide gap"]);
  assert.equal(row.floor, row.applied);
});

test("a channel that was restored is read anew", async () => {
  const bench = new Bench();
  const engine = await bench.alice();
  bench.node.add(bench.node.log(CHANNEL), { type: "create", kind: "channel", title: "News", by: "bob", members: [] });
  await engine.submit(LANE, "subscribe", { target: CHANNEL });
  await bench.clock.advance(500);
  bench.node.post(CHANNEL, post("lost by the restore"));
  await bench.clock.advance(500);
  bench.node.log(CHANNEL).records.pop();
  bench.node.post(CHANNEL, post("after the restore"));
  bench.node.log(CHANNEL).epoch = 9;
  bench.node.dropAll();
  await bench.clock.advance(5000);
  assert.deepEqual(await textsOf(engine, CHANNEL), ["post after the restore"]);
});
