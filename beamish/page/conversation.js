/**
 * One conversation as this device knows it: a row, and what records, marks and receipts do to it.
 *
 * Pure: every function takes a row and returns a new one. A row holds
 *
 * - `id`, `kind` ("direct" | "group" | "channel"), `title`, `open`, `peer` (of a direct one), `role` (null: no
 *   member); `description`, `permissions`, `slowMode`, `count`, and for those who may know `bans` and `links`;
 * - `applied`, the newest record told by the inbox; `at`, the time of what was shown last; `ordinal`, of the newest
 *   message;
 * - `floor`: every visible record n with `floor` <= n <= `applied` is in the store (1: all there are);
 * - `delivered`, `read`: own marks; `confirmed`: the read mark as the node knows it; `unread`, and `mentions`, how
 *   many of these mention oneself; `foreseen`: deletions whose message came deleted already;
 * - `receipts`: by user, or "" for all others together: `{delivered, read}`;
 * - `members` (null: unknown) by user: `{role, joined}`, as of record `version`;
 * - `mutedUntil`, `archived`, `pinned`: how the user's devices show it; `isBlocked`: the peer is blocked;
 * - of a channel: `subscribed`, `since`, `readOrdinal`, the ordinal of the newest post read, and its `epoch`;
 * - `preview`: the newest shown record, shortened; `next`: the number of the next command here.
 *
 * Marks, receipts and unread counts are levels: the greatest wins, repeating them changes nothing.
 */

import { applyMembership } from "./membership.js";
import { isChannelId, peerOf } from "./protocol.js";
import { isDeleted, isNewer, isNews, isShown, mentionsUser, revOf } from "./records.js";

const PREVIEW_LETTERS = 160;
/** Bound of `foreseen`; the oldest are forgotten, and the next marks item tells the true count. */
const MOST_FORESEEN = 256;

export function newConversation(id, me) {
  const peer = peerOf(id, me);
  const kind = peer === null ? "group" : "direct";
  return {
    id,
    kind: isChannelId(id) ? "channel" : kind,
    title: null,
    description: "",
    open: false,
    peer,
    role: peer === null ? null : "member",
    permissions: null,
    slowMode: 0,
    count: null,
    bans: null,
    links: null,
    applied: 0,
    at: 0,
    ordinal: 0,
    floor: 1,
    delivered: 0,
    read: 0,
    confirmed: 0,
    unread: 0,
    mentions: 0,
    foreseen: [],
    receipts: {},
    members: null,
    version: 0,
    mutedUntil: 0,
    archived: false,
    pinned: false,
    isBlocked: false,
    subscribed: false,
    since: 0,
    readOrdinal: 0,
    epoch: null,
    preview: null,
    next: 1,
  };
}

/** A row as an earlier version of the page stored it. */
export function upgraded(row, me) {
  return { ...newConversation(row.id, me), ...row };
}

/** Take in what a `records` item, or a channel, tells: new records, and the present content of earlier ones. */
export function applyRecords(row, { records = [], amended = [] }, me) {
  const told = records.reduce((next, record) => applyRecord(next, record, me), row);
  const settled = records
    .filter(({ type, n }) => type === "delete" && n > row.applied)
    .reduce((next, touch) => applyDeletion(next, touch, amended, me), told);
  return withUnreadPosts(amended.reduce(withPreview, settled));
}

/** Take in a record that is told; of one told before nothing is counted twice. */
export function applyRecord(row, record, me) {
  const known = row.version < record.n ? applyMembership(row, record, me) : row;
  const next = withPreview(known, record);
  if (record.n <= row.applied) {
    return next;
  }
  const counts = isNews(record, me, row.read);
  const isForeseen = isDeleted(record) && record.by !== me && record.n > row.read;
  return {
    ...next,
    floor: row.applied === 0 && !isEntry(record, me) ? record.n : row.floor,
    applied: record.n,
    ordinal: Math.max(next.ordinal, record.ordinal ?? 0),
    unread: next.unread + (counts ? 1 : 0),
    mentions: next.mentions + (counts && mentionsUser(record, me) ? 1 : 0),
    foreseen: isForeseen ? [...next.foreseen, record.deleted].slice(-MOST_FORESEEN) : next.foreseen,
  };
}

/** A message counted as unread is deleted; how many mentions were, the node tells by a marks item. */
function applyDeletion(row, touch, amended, me) {
  if (row.foreseen.includes(touch.n)) {
    return { ...row, foreseen: row.foreseen.filter((n) => n !== touch.n) };
  }
  const gone = amended.find(({ n }) => n === touch.target);
  const counted = gone !== undefined && gone.by !== me && gone.n > row.read && row.unread > 0;
  return counted ? { ...row, unread: row.unread - 1, mentions: Math.min(row.mentions, row.unread - 1) } : row;
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
  const { preview } = row;
  const isOlder = preview !== null && (record.n < preview.n || (record.n === preview.n && !isNewer(record, preview)));
  if (!isShown(record, row.kind) || isOlder) {
    return row;
  }
  const fresh = { n: record.n, type: record.type, by: record.by, at: record.at, rev: revOf(record) };
  for (const field of PREVIEW_FIELDS) {
    if (record[field] !== undefined) {
      fresh[field] = record[field];
    }
  }
  if (typeof record.text === "string") {
    fresh.text = Array.from(record.text.slice(0, 2 * PREVIEW_LETTERS))
      .slice(0, PREVIEW_LETTERS)
      .join("");
  }
  return { ...row, preview: fresh, at: Math.max(row.at, record.at) };
}

const PREVIEW_FIELDS = [
  "user",
  "role",
  "title",
  "description",
  "open",
  "owner",
  "seconds",
  "on",
  "action",
  "mentions",
  "deleted",
  "deleted_by",
  "withheld",
];

/** Own marks as the node tells them, with its count of what is unread above them. */
export function applyMarks(row, marks) {
  const read = Math.max(row.read, marks.read ?? 0);
  const confirmed = Math.max(row.confirmed, marks.read ?? 0);
  const delivered = Math.max(row.delivered, marks.delivered ?? 0);
  // A count that belongs to an older mark than the one set here is of no use.
  const isCurrent = typeof marks.unread === "number" && (marks.read ?? 0) >= row.read;
  const unread = isCurrent ? marks.unread : row.unread;
  const mentions = isCurrent && typeof marks.mentions === "number" ? marks.mentions : row.mentions;
  const readOrdinal = isCurrent ? Math.max(row.readOrdinal, row.ordinal - unread) : row.readOrdinal;
  return { ...row, read, confirmed, delivered, unread, mentions: Math.min(mentions, unread), readOrdinal };
}

/** The user has seen everything up to `upto`; `passed` unread ones were among it, `mentioned` of them mentions. */
export function applyReading(row, upto, passed, mentioned = 0) {
  if (upto <= row.read) {
    return row;
  }
  const isAll = upto >= row.applied;
  const unread = isAll ? 0 : Math.max(0, row.unread - passed);
  const mentions = isAll ? 0 : Math.min(unread, Math.max(0, row.mentions - mentioned));
  return { ...row, read: upto, unread, mentions, readOrdinal: Math.max(row.readOrdinal, row.ordinal - unread) };
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
    foreseen: isAhead ? row.foreseen.filter((n) => n > told.last) : row.foreseen,
  };
  next = applyMarks(applySettings(next, told), { ...told, unread: isAhead ? told.unread : undefined });
  return (told.receipts ?? []).reduce(applyReceipt, next);
}

/** How the user's devices show the conversation; what is not told stays. */
export function applySettings(row, told) {
  return {
    ...row,
    mutedUntil: told.muted_until ?? row.mutedUntil,
    archived: told.archived ?? row.archived,
    pinned: told.pinned ?? row.pinned,
  };
}

/**
 * A channel is, or is no longer, subscribed to (an item `subscription`, or a row of a snapshot). Reading begins at
 * `since`, its newest record then: what is stored from an earlier time does not join, and stands below the floor.
 */
export function applySubscription(row, { on, since = 0, read = 0, ordinal = 0 }) {
  if (!on) {
    return { ...row, subscribed: false, since: 0, unread: 0, mentions: 0 };
  }
  const next = {
    ...row,
    subscribed: true,
    since,
    read: Math.max(row.read, read),
    confirmed: Math.max(row.confirmed, read),
    ordinal: Math.max(row.ordinal, ordinal),
    readOrdinal: Math.max(row.readOrdinal, ordinal),
  };
  const isBegun = row.subscribed || since <= row.applied;
  return withUnreadPosts(isBegun ? next : { ...next, applied: since, floor: since + 1 });
}

/** A reader's unread posts: those above the one read. The staff's come by the inbox like any messages. */
export function withUnreadPosts(row) {
  const isReader = row.kind === "channel" && row.subscribed && row.role === null;
  return isReader ? { ...row, unread: Math.max(0, row.ordinal - row.readOrdinal), mentions: 0 } : row;
}

/** What `follow` answers of a channel, and the newest posts of one that was not stored here yet. */
export function applyFollowed(row, { epoch, ordinal = 0, title }) {
  const newest = Math.max(row.ordinal, ordinal);
  return withUnreadPosts({ ...row, epoch, ordinal: newest, title: title || row.title });
}

export function applyFirstPosts(row, { records, more }) {
  if (!records.length) {
    return row;
  }
  const floor = more ? records[0].n : 1;
  return records.reduce(withPreview, { ...row, applied: records.at(-1).n, floor });
}

export function isMuted(row, now) {
  return row.mutedUntil > now;
}

/** Whether it is put away: something unread brings it back, unless it is muted. */
export function isPutAway(row, now) {
  return row.archived && (row.unread === 0 || isMuted(row, now));
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
