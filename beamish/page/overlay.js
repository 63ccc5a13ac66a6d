/**
 * What the user has done and the node has not confirmed yet, laid over what the node has told. Pure.
 *
 * The store keeps both apart: records and rows as told, commands as composed. Views see a record or a row through
 * `recordWith` and `rowWith`, so an edit, a reaction, a deletion or a pin shows at once, without a connection too,
 * and goes away by itself when the node refuses it.
 */

import { applySettings } from "./conversation.js";

/** Commands that stay laid over until the inbox has told their effect, also when they are answered. */
const LASTING = new Set([
  "edit",
  "delete",
  "react",
  "create_link",
  "set_profile",
  "set_privacy",
  "block",
  "unblock",
  "set_conversation",
  "subscribe",
  "unsubscribe",
]);

export function isLasting(command) {
  return LASTING.has(command.command);
}

/** The record under `commands`, those of its conversation, in order. */
export function recordWith(record, commands, me) {
  let shown = record;
  for (const { command, fields, at } of commands) {
    if (fields.target !== record.n || shown.deleted !== undefined) {
      continue;
    }
    if (command === "edit") {
      shown = { ...shown, text: fields.text, mentions: fields.mentions ?? [], edited: shown.edited ?? Infinity, isPending: true };
    } else if (command === "delete") {
      const { n, type, by, at: said, ordinal, device, number, tag } = shown;
      shown = { n, type, by, at: said, ordinal, device, number, tag, deleted: Infinity, deleted_by: me, isPending: true };
    } else if (command === "react") {
      shown = { ...shown, reactions: reactionsWith(shown.reactions ?? [], me, fields.emoji, at) };
    }
  }
  return shown;
}

function reactionsWith(reactions, me, emoji, at) {
  const others = reactions.filter(([user]) => user !== me);
  return emoji === "" ? others : [...others, [me, emoji, at]];
}

/** The row under the commands of the account's lane. */
export function rowWith(row, lane) {
  let shown = row;
  for (const { command, fields } of lane) {
    if (command === "set_conversation" && fields.target === row.id) {
      shown = applySettings(shown, fields);
    } else if ((command === "subscribe" || command === "unsubscribe") && fields.target === row.id) {
      shown = { ...shown, subscribed: command === "subscribe" };
    } else if ((command === "block" || command === "unblock") && fields.user === row.peer) {
      shown = { ...shown, isBlocked: command === "block" };
    }
  }
  return shown;
}
