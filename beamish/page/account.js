/**
 * The user's own account as all devices agree on it: profile, privacy, blocks (contract of the account's lane). Pure.
 *
 * An account is `{user, display, device, token, status, privacy: {last_seen, read_marks}, blocks: [user]}`; of one
 * that an earlier version stored the last three may be missing.
 */

const PRIVACY = Object.freeze({ last_seen: "everyone", read_marks: true });

export function statusOf(account) {
  return account?.status ?? "";
}

export function privacyOf(account) {
  return account?.privacy ?? PRIVACY;
}

export function blocksOf(account) {
  return account?.blocks ?? [];
}

/** Take in an inbox item that concerns the account; others change nothing. */
export function applyAccountItem(account, item) {
  switch (item.type) {
    case "profile":
      return { ...account, display: item.display, status: item.status };
    case "privacy":
      return { ...account, privacy: { last_seen: item.last_seen, read_marks: item.read_marks } };
    case "block": {
      const others = blocksOf(account).filter((user) => user !== item.user);
      return { ...account, blocks: item.on ? [...others, item.user] : others };
    }
    default:
      return account;
  }
}

/** Take in what a snapshot tells of the account. */
export function applyAccountSnapshot(account, told) {
  const next = { ...account };
  for (const field of ["display", "status", "privacy", "blocks"]) {
    next[field] = told[field] ?? account[field];
  }
  return next;
}

/** The fields of the account under the user's commands that have no answer yet. */
export function withPending(account, commands) {
  return commands.reduce((next, { command, fields }) => {
    switch (command) {
      case "set_profile":
        return { ...next, display: fields.display ?? next.display, status: fields.status ?? statusOf(next) };
      case "set_privacy":
        return { ...next, privacy: { ...privacyOf(next), ...fields } };
      case "block":
      case "unblock":
        return applyAccountItem(next, { type: "block", user: fields.user, on: command === "block" });
      default:
        return next;
    }
  }, account);
}
