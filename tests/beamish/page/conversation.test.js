/** What records, marks, receipts and snapshots do to a conversation. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  applyMarks,
  applyReading,
  applyReceipt,
  applyRecord,
  applyRecords,
  applySnapshot,
  isComplete,
  isPutAway,
  newConversation,
  tickOf,
} from "./conversation.js";
import { applyDescription, may } from "./membership.js";

const ME = "anna";
const said = (n, by, text = `text ${n}`) => ({ n, type: "message", ordinal: n, by, at: n * 1000, text });
const created = (...members) => ({
  n: 1,
  type: "create",
  kind: "group",
  title: "Friends",
  open: false,
  by: members[0],
  at: 1000,
  members: members.map((user, index) => [user, user, index ? "member" : "owner"]),
});
const after = (row, ...records) => records.reduce((one, record) => applyRecord(one, record, ME), row);
const group = (...records) => after(newConversation("g:abc", ME), created("ben", ME, "cora"), ...records);
const direct = (...records) => after(newConversation("d:anna:ben", ME), ...records);

test("messages of others count as unread, own ones do not", () => {
  assert.equal(direct(said(2, "ben"), said(3, ME), said(4, "ben")).unread, 2);
});

test("a record told twice is counted once", () => {
  const row = direct(said(2, "ben"), said(3, "ben"));
  assert.deepEqual(after(row, said(2, "ben"), said(3, "ben")), row);
});

test("the node's own count replaces the one kept here, unless it belongs to an older mark", () => {
  const row = direct(said(2, "ben"), said(3, "ben"), said(4, "ben"));
  assert.equal(applyMarks(row, { read: 3, delivered: 4, unread: 1 }).unread, 1);
  const read = applyReading(row, 4, 3);
  assert.equal(read.unread, 0);
  assert.equal(applyMarks(read, { read: 2, delivered: 4, unread: 2 }).unread, 0);
});

test("marks and receipts never fall", () => {
  const row = applyMarks(applyReading(direct(said(5, "ben")), 5, 1), { read: 5, delivered: 5, unread: 0 });
  const lower = applyMarks(row, { read: 1, delivered: 1, unread: 3 });
  assert.deepEqual([lower.read, lower.delivered, lower.unread], [5, 5, 0]);
  const told = applyReceipt(row, { user: "ben", delivered: 5, read: 4 });
  const later = applyReceipt(told, { user: "ben", delivered: 3, read: 2 });
  assert.deepEqual(later.receipts.ben, { delivered: 5, read: 4 });
});

test("a direct message's tick follows the other one's levels", () => {
  const row = direct(said(2, ME), said(3, ME));
  assert.equal(tickOf(row, 3, ME), "sent");
  const delivered = applyReceipt(row, { user: "ben", delivered: 3, read: 2 });
  assert.equal(tickOf(delivered, 3, ME), "delivered");
  assert.equal(tickOf(delivered, 2, ME), "read");
});

test("a group message is read when all who may see it have read it", () => {
  let row = group(said(2, ME));
  row = applyReceipt(row, { user: "ben", delivered: 2, read: 2 });
  assert.equal(tickOf(row, 2, ME), "sent");
  row = applyReceipt(row, { user: "cora", delivered: 2, read: 0 });
  assert.equal(tickOf(row, 2, ME), "delivered");
  const late = after(row, { n: 3, type: "invite", by: "ben", user: "dora", display: "Dora", at: 3000 });
  assert.equal(tickOf(applyReceipt(late, { user: "cora", delivered: 2, read: 2 }), 2, ME), "read");
  const without = after(row, { n: 3, type: "leave", by: "cora", at: 3000 });
  assert.equal(tickOf(without, 2, ME), "read");
});

test("in a large group the level of all together decides", () => {
  const row = applyReceipt(group(said(2, ME)), { user: null, delivered: 2, read: 1 });
  assert.equal(tickOf(row, 2, ME), "delivered");
  assert.equal(tickOf(applyReceipt(row, { user: null, delivered: 2, read: 2 }), 2, ME), "read");
});

test("records keep members, roles and ownership", () => {
  const row = group(
    { n: 2, type: "role", by: "ben", user: ME, role: "admin", at: 2000 },
    { n: 3, type: "invite", by: "ben", user: "dora", display: "Dora", at: 3000 },
    { n: 4, type: "remove", by: ME, user: "cora", at: 4000 },
    { n: 5, type: "leave", by: "ben", owner: ME, at: 5000 },
  );
  assert.deepEqual(row.members, {
    [ME]: { role: "owner", joined: 1 },
    dora: { role: "member", joined: 3 },
  });
  assert.equal(row.role, "owner");
  const handed = after(row, { n: 6, type: "role", by: ME, user: "dora", role: "owner", at: 6000 });
  assert.deepEqual([handed.role, handed.members.dora.role], ["admin", "owner"]);
});

test("being removed ends membership, being added again begins it and asks who is there now", () => {
  const gone = group({ n: 2, type: "remove", by: "ben", user: ME, at: 2000 });
  assert.equal(gone.role, null);
  const back = after(gone, { n: 9, type: "invite", by: "ben", user: ME, display: "Anna", at: 9000 });
  assert.deepEqual([back.role, back.members], ["member", null]);
  const members = [{ user: ME, role: "owner", joined: 9 }];
  const told = applyDescription(back, { kind: "group", title: "x", open: false, members, version: 9 }, ME);
  assert.deepEqual([told.role, told.members], ["owner", { [ME]: { role: "owner", joined: 9 } }]);
});

test("an open group that one is not in shows itself but not its members", () => {
  const answer = { kind: "group", title: "Everybody", open: true, members: [], version: 4 };
  const seen = applyDescription(newConversation("g:abc", ME), answer, ME);
  assert.deepEqual([seen.role, seen.open, seen.title, seen.members], [null, true, "Everybody", null]);
  const row = applyRecord(seen, { n: 5, type: "join", by: ME, display: "Anna", at: 5000 }, ME);
  assert.deepEqual([row.role, row.members], ["member", null]);
  assert.ok(isComplete(row));
});

test("a description older than the records is ignored", () => {
  const row = group({ n: 2, type: "remove", by: "ben", user: "cora", at: 2000 });
  const old = { kind: "group", title: "x", open: false, version: 1, members: [{ user: "cora", role: "member", joined: 1 }] };
  assert.deepEqual(applyDescription(row, old, ME), row);
});

test("a snapshot ahead of what is stored leaves the gap to history", () => {
  const told = { conversation: "d:anna:ben", kind: "direct", title: "", member: true, last: 9, delivered: 9, read: 4, unread: 3 };
  const row = applySnapshot(direct(said(2, "ben")), { ...told, receipts: [{ user: "ben", delivered: 5, read: 5 }] });
  assert.deepEqual([row.applied, row.floor, row.unread, row.read], [9, 10, 3, 4]);
  assert.equal(tickOf(row, 5, ME), "read");
});

test("a snapshot that brings nothing new leaves the stored records their floor", () => {
  const row = direct(said(2, "ben"), said(3, "ben"));
  const told = { conversation: row.id, kind: "direct", member: true, last: 3, delivered: 3, read: 2, unread: 1 };
  const next = applySnapshot(row, told);
  assert.deepEqual([next.applied, next.floor, next.unread], [3, row.floor, 1]);
});

test("the preview is the newest thing shown, whatever order records come in", () => {
  const row = direct(said(3, "ben", "newest"));
  assert.equal(after(row, said(2, "ben", "older")).preview.text, "newest");
  const strange = after(row, { n: 4, type: "of a later version", by: "ben", at: 4000 });
  assert.equal(strange.preview.text, "newest");
  assert.equal(strange.applied, 4);
});

const deletion = (n, target, by = "ben") => ({ n, type: "delete", by, at: n * 1000, target });
const tombstone = (n, deleted, by = "ben") => ({ n, type: "message", ordinal: n, by, at: n * 1000, deleted, deleted_by: by, rev: deleted });
const mention = (n, by = "ben") => ({ ...said(n, by), mentions: [ME] });

test("a deletion takes its message from the unread, once, and only when it was counted", () => {
  const row = direct(said(2, "ben"), said(3, "ben"), said(4, ME));
  const told = { records: [deletion(5, 2)], amended: [tombstone(2, 5)] };
  const once = applyRecords(row, told, ME);
  assert.equal(once.unread, 1);
  assert.equal(applyRecords(once, told, ME).unread, 1);
  const own = applyRecords(once, { records: [deletion(6, 4, ME)], amended: [tombstone(4, 6, ME)] }, ME);
  assert.equal(own.unread, 1);
  const read = applyReading(row, 3, 2);
  assert.equal(applyRecords(read, told, ME).unread, 0);
});

test("a message that came deleted was never counted, whenever its deletion is told", () => {
  const early = applyRecords(direct(said(2, "ben")), { records: [tombstone(3, 4)] }, ME);
  assert.equal(early.unread, 1);
  const later = applyRecords(early, { records: [deletion(4, 3)], amended: [tombstone(3, 4)] }, ME);
  assert.equal(later.unread, 1);
  const together = applyRecords(direct(said(2, "ben")), { records: [tombstone(3, 4), deletion(4, 3)] }, ME);
  assert.equal(together.unread, 1);
});

test("mentions are counted among the unread, and the node's count holds", () => {
  const row = direct(said(2, "ben"), mention(3), mention(4), mention(5, ME));
  assert.deepEqual([row.unread, row.mentions], [3, 2]);
  assert.equal(applyReading(row, 3, 2, 1).mentions, 1);
  assert.equal(applyReading(row, 5, 3, 2).mentions, 0);
  assert.equal(applyMarks(row, { read: 3, delivered: 3, unread: 1, mentions: 0 }).mentions, 0);
  assert.equal(applySnapshot(row, { last: 9, unread: 7, mentions: 3, read: 1 }).mentions, 3);
});

test("the last words follow an edit and a deletion, and no touch is shown", () => {
  const row = direct(said(2, "ben", "helo"));
  const edited = { ...said(2, "ben", "hello"), edited: 3, rev: 3 };
  const after3 = applyRecords(row, { records: [{ n: 3, type: "edit", by: "ben", at: 9000, target: 2 }], amended: [edited] }, ME);
  assert.deepEqual([after3.preview.text, after3.preview.n, after3.at], ["hello", 2, 2000]);
  const stale = applyRecords(after3, { amended: [said(2, "ben", "helo")] }, ME);
  assert.equal(stale.preview.text, "hello");
  const gone = applyRecords(after3, { records: [deletion(4, 2)], amended: [tombstone(2, 4)] }, ME);
  assert.deepEqual([gone.preview.text, gone.preview.deleted], [undefined, 4]);
});

test("what a group agrees on is followed, and rights come from it", () => {
  const at = { by: "ben", at: 1 };
  let row = { ...group(), links: [], bans: [] };
  assert.deepEqual([may(row, "post"), may(row, "invite"), may(row, "info")], [true, false, false]);
  row = after(
    row,
    { n: 2, type: "info", title: "Old friends", description: "since school", ...at },
    { n: 3, type: "permissions", post: "admin", invite: "member", info: "member", ...at },
    { n: 4, type: "slow_mode", seconds: 30, ...at },
    { n: 5, type: "link", link: "abc", uses: 2, ...at },
    { n: 6, type: "join", by: "dan", display: "Dan", link: "abc", at: 1 },
    { n: 7, type: "ban", user: "cora", ends: true, ...at },
  );
  assert.deepEqual([row.title, row.description, row.slowMode], ["Old friends", "since school", 30]);
  assert.deepEqual([may(row, "post"), may(row, "invite"), may(row, "info")], [false, true, true]);
  assert.deepEqual(row.links, [{ link: "abc", by: "ben", used: 1, uses: 2 }]);
  assert.deepEqual([row.bans, Object.keys(row.members).sort()], [["cora"], ["anna", "ben", "dan"]]);
  row = after(row, { n: 8, type: "unban", user: "cora", ...at }, { n: 9, type: "link_gone", link: "abc", ...at });
  assert.deepEqual([row.bans, row.links], [[], []]);
  assert.equal(after(row, { n: 10, type: "ban", user: ME, ...at }).role, null);
});

test("an archived conversation comes back with something unread, unless it is muted", () => {
  const row = { ...direct(said(2, "ben")), archived: true };
  assert.equal(isPutAway(row, 1000), false);
  assert.equal(isPutAway({ ...row, mutedUntil: 2000 }, 1000), true);
  assert.equal(isPutAway({ ...row, mutedUntil: 2000 }, 3000), false);
  assert.equal(isPutAway(applyReading(row, 2, 1), 1000), true);
});
