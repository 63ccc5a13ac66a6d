/** Names as they are shown. */

/** The title of a conversation: the other's name, or the group's. */
export function titleOf(engine, row) {
  if (row.kind === "direct" && row.peer !== null) {
    return engine.displayOf(row.peer) || "Deleted account";
  }
  return row.title || (row.kind === "channel" ? "Channel" : "Group");
}

/** "You" for oneself, else the display name. */
export function nameFor(engine, user) {
  return user === engine.me ? "You" : engine.displayOf(user) || "Deleted account";
}
