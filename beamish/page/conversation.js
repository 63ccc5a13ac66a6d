/**
 * One conversation as this device knows it: a row, and what records, marks and receipts do to it.
 *
 * Pure: every function takes a row and returns a new one. A row holds
 *
 * - `id`, `kind` ("direct" | "group"), `title`, `open`, `peer` (of a direct one), `role` (null: no member);
 * - `applied`, the newest record told by the inbox; `at`, its time; `ordinal`, of the newest message;
 * - `floor`: every visible record n with `floor` <= n <= `applied` is in the store (1: all there are);
 * - `delivered`, `read`: own marks; `confirmed`: the read mark as the node knows it; `unread`;
 * - `receipts`: by user, or "" for all others together: `{delivered, read}`;
 * - `members` (null: unknown) by user: `{role, joined}`, as of record `version`;
 * - `preview`: the newest shown record, shortened; `next`: the number of the next command here.
 *
 * Marks, receipts and unread counts are levels: the greatest wins, repeating them changes nothing.
 */

import { peerOf } from "./protocol.js";

const PREVIEW_LETTERS = 160;

export function newConversation(id, me) {
  const peer = peerOf(id, me);
  return {
    id,
    kind: peer === null ? "group" : "direct",
    title: null,
    open: false,
    peer,
    role: peer === null ? null : "member",
    applied: 0,
    at: 0,
    ordinal: 0,
    floor: 1,
    delivered: 0,
    read: 0,
    confirmed: 0,
    unread: 0,
    receipts: {},
    members: null,
    version: 0,
    preview: null,
    next: 1,
  };
}

/** Whether people see the record as something said or done. Unknown types are kept but not shown. */
export function isShown(record, kind) {
  if (record.type === "create") {
    return kind === "group";
  }
  return ["message", "invite", "join", "leave", "remove", "role"].includes(record.type);
}

/** Take in a record that the inbox tells; of one told before nothing is counted twice. */
export function applyRecord(row, record, me) {
  const known = row.version < record.n ? applyMembership(row, record, me) : row;
  const next = withPreview(known, record);
  if (record.n <= row.applied) {
    return next;
  }
  const isNews = record.type === "message" && record.by !== me && record.n > row.read;
  return {
    ...next,
    floor: row.applied === 0 && !isEntry(record, me) ? record.n : row.floor,
    applied: record.n,
    at: Math.max(next.at, record.at),
    ordinal: Math.max(next.ordinal, record.ordinal ?? 0),
    unread: next.unread + (isNews ? 1 : 0),
  };
}

/** Whether nothing before the record can be visible: it brings `me` into the conversation. */
function isEntry(record, me) {
  return (record.type === "join" && record.by === me) || (record.type === "invite" && record.user === me);
}

/** Whether nothing is left to ask the node's history for. */
export function isComplete(row) {
  return row.floor <= 1;
}

/** Make the record the preview when it is newer than the present one and is shown at all. */
export function withPreview(row, record) {
  if (!isShown(record, row.kind) || (row.preview !== null && record.n <= row.preview.n)) {
    return row;
  }
  const { n, type, by, at } = record;
  const preview = { n, type, by, at };
  for (const field of ["user", "role", "title"]) {
    if (record[field] !== undefined) {
      preview[field] = record[field];
    }
  }
  if (typeof record.text === "string") {
    preview.text = Array.from(record.text.slice(0, 2 * PREVIEW_LETTERS))
      .slice(0, PREVIEW_LETTERS)
      .join("");
  }
  return { ...row, preview, at: Math.max(row.at, at) };
}

/** The names to show that a record tells, as `{user, display}`. */
export function namesIn(record) {
  switch (record.type) {
    case "create":
      return (record.members ?? []).map(([user, display]) => ({ user, display }));
    case "invite":
      return [{ user: record.user, display: record.display }];
    case "join":
      return [{ user: record.by, display: record.display }];
    default:
      return [];
  }
}

function applyMembership(row, record, me) {
  switch (record.type) {
    case "create":
      return created(row, record, me);
    case "join":
      return joined(row, record.by, record, me);
    case "invite":
      return joined(row, record.user, record, me);
    case "leave":
      return left(row, record.by, record, me);
    case "remove":
      return left(row, record.user, record, me);
    case "role":
      return roleChanged(row, record, me);
    default:
      return row;
  }
}

function created(row, record, me) {
  if (row.kind === "direct") {
    return row;
  }
  const members = {};
  for (const [user, , role] of record.members ?? []) {
    members[user] = { role, joined: record.n };
  }
  const role = members[me]?.role ?? row.role;
  return { ...row, title: record.title, open: Boolean(record.open), role, members, version: record.n };
}

function joined(row, user, record, me) {
  const changed = { ...row, version: Math.max(row.version, record.n) };
  if (user === me) {
    // Who came and went while one was outside was not told: to be asked for.
    return { ...changed, role: "member", members: null };
  }
  if (row.members !== null) {
    changed.members = { ...row.members, [user]: { role: "member", joined: record.n } };
  }
  return changed;
}

function left(row, user, record, me) {
  const changed = { ...row, version: Math.max(row.version, record.n) };
  if (row.members !== null) {
    changed.members = { ...row.members };
    delete changed.members[user];
  }
  if (user === me) {
    changed.role = null;
  }
  return record.owner === undefined || record.owner === null
    ? changed
    : withRole(changed, record.owner, "owner", me);
}

function roleChanged(row, record, me) {
  const changed = { ...row, version: Math.max(row.version, record.n) };
  const before = record.role === "owner" ? withRole(changed, record.by, "admin", me) : changed;
  return withRole(before, record.user, record.role, me);
}

function withRole(row, user, role, me) {
  const changed = { ...row };
  if (row.members?.[user] !== undefined) {
    changed.members = { ...row.members, [user]: { ...row.members[user], role } };
  }
  if (user === me && row.role !== null) {
    changed.role = role;
  }
  return changed;
}

/** Take in the answer of `conversation`: it holds up to record `version`. */
export function applyDescription(row, answer, me) {
  if (answer.version < row.version) {
    return row;
  }
  const members = {};
  for (const { user, role, joined: since } of answer.members ?? []) {
    members[user] = { role, joined: since };
  }
  const { kind, title, open, version } = answer;
  const isInside = kind === "direct" || members[me] !== undefined;
  const role = kind === "direct" ? "member" : (members[me]?.role ?? null);
  const known = { kind, title: title || null, open: Boolean(open), version, role };
  // An open group shows itself to strangers, but not its members.
  return { ...row, ...known, members: isInside ? members : null };
}

/** Own marks as the node tells them, with its count of what is unread above them. */
export function applyMarks(row, marks) {
  const read = Math.max(row.read, marks.read ?? 0);
  const confirmed = Math.max(row.confirmed, marks.read ?? 0);
  const delivered = Math.max(row.delivered, marks.delivered ?? 0);
  // A count that belongs to an older mark than the one set here is of no use.
  const isCurrent = typeof marks.unread === "number" && (marks.read ?? 0) >= row.read;
  return { ...row, read, confirmed, delivered, unread: isCurrent ? marks.unread : row.unread };
}

/** The user has seen everything up to `upto`; `passed` messages of others were among it. */
export function applyReading(row, upto, passed) {
  if (upto <= row.read) {
    return row;
  }
  const unread = upto >= row.applied ? 0 : Math.max(0, row.unread - passed);
  return { ...row, read: upto, unread };
}

export function applyReceipt(row, receipt) {
  const who = receipt.user ?? "";
  const before = row.receipts[who] ?? { delivered: 0, read: 0 };
  const read = Math.max(before.read, receipt.read ?? 0);
  const delivered = Math.max(before.delivered, receipt.delivered ?? 0, read);
  return { ...row, receipts: { ...row.receipts, [who]: { delivered, read } } };
}

/** Take in a row of a snapshot. `complete`: nothing between the stored records and it was missed. */
export function applySnapshot(row, told) {
  const isAhead = told.last >= row.applied;
  const complete = told.last <= row.applied;
  let next = {
    ...row,
    kind: told.kind ?? row.kind,
    title: told.title || row.title,
    open: Boolean(told.open),
    role: told.member === false ? null : (told.role ?? row.role ?? "member"),
    applied: Math.max(row.applied, told.last),
    at: Math.max(row.at, told.at ?? 0),
    ordinal: Math.max(row.ordinal, told.ordinal ?? 0),
    floor: complete ? row.floor : told.last + 1,
    // Who came and went in between is not known: ask again when it is wanted.
    members: complete ? row.members : null,
  };
  next = applyMarks(next, { ...told, unread: isAhead ? told.unread : undefined });
  return (told.receipts ?? []).reduce(applyReceipt, next);
}

/** What the author sees of message `n`: "sent", "delivered" or "read" (by all who may see it). */
export function tickOf(row, n, me) {
  const all = row.receipts[""] ?? { delivered: 0, read: 0 };
  const levels = [];
  if (row.kind === "direct") {
    levels.push(row.receipts[row.peer] ?? { delivered: 0, read: 0 });
  } else if (row.members !== null) {
    for (const [user, member] of Object.entries(row.members)) {
      if (user !== me && member.joined <= n) {
        levels.push(row.receipts[user] ?? { delivered: 0, read: 0 });
      }
    }
  }
  const reached = (mark) =>
    all[mark] >= n || (levels.length > 0 && levels.every((level) => level[mark] >= n));
  if (reached("read")) {
    return "read";
  }
  return reached("delivered") ? "delivered" : "sent";
}
