/**
 * Records of a conversation's log, as values (protocol, section 8). Pure.
 *
 * A message's record changes while its number stays: an edit, a reaction or a deletion (a *touch*, a record of its
 * own that shows nothing) puts the present content into it and raises its `rev`. Of two contents of one number the
 * one with the higher `rev` holds.
 */

/** The newest of the changes that a record has seen: 0 for none. */
export function revOf(record) {
  return record.rev ?? 0;
}

/** Whether `fresh` takes the place of `old` (undefined: there is none). */
export function isNewer(fresh, old) {
  if (old === undefined || old === null || revOf(fresh) !== revOf(old)) {
    return !old || revOf(fresh) > revOf(old);
  }
  // Whoever was outside in between reads a message without its text; who had read it keeps it.
  return !fresh.withheld || Boolean(old.withheld);
}

/** Each record once, the newest content of it, in the order first met. */
export function newestOf(records) {
  const found = new Map();
  for (const record of records) {
    if (isNewer(record, found.get(record.n))) {
      found.set(record.n, record);
    }
  }
  return [...found.values()];
}

const TOUCHES = new Set(["edit", "delete", "react"]);

export function isTouch(record) {
  return TOUCHES.has(record.type);
}

export function isDeleted(record) {
  return record.deleted !== undefined;
}

const SHOWN = new Set([
  "message",
  "invite",
  "join",
  "leave",
  "remove",
  "role",
  "info",
  "permissions",
  "slow_mode",
  "link",
  "link_gone",
  "ban",
  "unban",
  "block",
]);

/** Whether people see the record as something said or done. Unknown types are kept but not shown. */
export function isShown(record, kind) {
  return record.type === "create" ? kind !== "direct" : SHOWN.has(record.type);
}

/** Whether the record counts as unread for `me`, above the read mark `read`. */
export function isNews(record, me, read) {
  return record.type === "message" && record.by !== me && record.n > read && !isDeleted(record);
}

export function mentionsUser(record, user) {
  return record.mentions?.includes(user) ?? false;
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

/** A record's reactions, by emoji in order of first use: `[{emoji, users}]`. */
export function reactionsOf(record) {
  const groups = new Map();
  for (const [user, emoji] of record.reactions ?? []) {
    const users = groups.get(emoji) ?? [];
    groups.set(emoji, [...users, user]);
  }
  return [...groups].map(([emoji, users]) => ({ emoji, users }));
}
