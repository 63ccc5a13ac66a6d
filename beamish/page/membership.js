/**
 * What the records of a group say about who is in it, what they may, and how it goes on. Pure.
 *
 * These fields of a row (see `conversation.js`) are as of record `version`; each record above it is applied once.
 */

const RANK = { member: 1, admin: 2, owner: 3 };

/** The rights that hold until somebody sets them. */
export function defaultPermissions(open, kind = "group") {
  if (kind === "channel") {
    return { post: "admin", invite: "admin", info: "admin" };
  }
  return { post: "member", invite: open ? "member" : "admin", info: "admin" };
}

/** Whether `role` (null: none) is at least `least`. */
export function reaches(role, least) {
  return role !== null && RANK[role] >= RANK[least];
}

/** Whether the user of the row has the right "post", "invite" or "info". */
export function may(row, right) {
  if (row.kind === "direct") {
    return right === "post";
  }
  return reaches(row.role, (row.permissions ?? defaultPermissions(row.open, row.kind))[right]);
}

/** Whether one with `role` may remove and ban one with role `other`. */
export function mayRemove(role, other) {
  return role === "owner" || (role === "admin" && other === "member");
}

export function applyMembership(row, record, me) {
  const apply = APPLY[record.type];
  return apply === undefined ? row : { ...apply(row, record, me), version: Math.max(row.version, record.n) };
}

const APPLY = {
  create: created,
  join: (row, record, me) => usedLink(joined(row, record.by, record.role ?? "member", record, me), record),
  invite: (row, record, me) => joined(row, record.user, "member", record, me),
  leave: (row, record, me) => left(row, record.by, record, me),
  remove: (row, record, me) => left(row, record.user, record, me),
  role: roleChanged,
  info: informed,
  permissions: (row, { post, invite, info }) => ({ ...row, permissions: { post, invite, info } }),
  slow_mode: (row, { seconds }) => ({ ...row, slowMode: seconds }),
  ban: (row, record, me) => banned(left(row, record.user, record, me), record.user),
  unban: (row, { user }) => ({ ...row, bans: row.bans?.filter((name) => name !== user) ?? null }),
  link: linked,
  link_gone: (row, { link }) => ({ ...row, links: row.links?.filter((one) => one.link !== link) ?? null }),
  block: (row, record, me) => (record.by === me ? { ...row, isBlocked: Boolean(record.on) } : row),
};

function created(row, record, me) {
  if (row.kind === "direct") {
    return row;
  }
  const members = {};
  for (const [user, , role] of record.members ?? []) {
    members[user] = { role, joined: record.n };
  }
  const role = members[me]?.role ?? row.role;
  const { title, description = "" } = record;
  return { ...row, title, description, open: Boolean(record.open ?? record.public), role, members };
}

function joined(row, user, role, record, me) {
  if (user === me) {
    // Who came and went while one was outside was not told: to be asked for.
    return { ...row, role, members: null };
  }
  const members = row.members && { ...row.members, [user]: { role, joined: record.n } };
  return { ...row, members };
}

function left(row, user, record, me) {
  const changed = { ...row };
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
  const before = record.role === "owner" ? withRole(row, record.by, "admin", me) : row;
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

function informed(row, record) {
  const changed = { ...row };
  for (const field of ["title", "description"]) {
    changed[field] = record[field] ?? row[field];
  }
  if (record.open !== undefined) {
    changed.open = record.open;
  }
  return changed;
}

function banned(row, user) {
  return { ...row, bans: row.bans && [...row.bans.filter((name) => name !== user), user] };
}

function linked(row, record) {
  const { link, by } = record;
  const made = { link, by, used: 0 };
  for (const field of ["expires_at", "uses"]) {
    if (record[field] !== undefined) {
      made[field] = record[field];
    }
  }
  return { ...row, links: row.links && [...row.links.filter((one) => one.link !== link), made] };
}

function usedLink(row, record) {
  const counted = (one) => (one.link === record.link ? { ...one, used: one.used + 1 } : one);
  return record.link === undefined ? row : { ...row, links: row.links?.map(counted) ?? null };
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
  const { kind, title, version } = answer;
  const open = Boolean(answer.open ?? answer.public);
  const isInside = kind === "direct" || members[me] !== undefined;
  const role = kind === "direct" ? "member" : (members[me]?.role ?? null);
  const known = {
    kind,
    title: title || null,
    open,
    version,
    role,
    description: answer.description ?? "",
    permissions: answer.permissions ?? null,
    slowMode: answer.slow_mode ?? 0,
    count: answer.count ?? null,
    bans: answer.bans ?? null,
    links: answer.links ?? null,
  };
  // A group shows itself to strangers, but not its members.
  return { ...row, ...known, members: isInside ? members : null };
}
