/**
 * The blocks of a conversation, in order: days, what happened, messages, and where the unread begin.
 *
 * A block is what `reconcile` (`dom.js`) takes: its `look` says when its element must be made anew.
 */

import { tickOf } from "../conversation.js";
import { recordWith } from "../overlay.js";
import { isDeleted, isShown, mentionsUser } from "../records.js";
import { dayName, dayOf, fullTimeOf, phraseOf } from "../text.js";
import { bubble, setState } from "./bubble.js";
import { h, phrase } from "./dom.js";

/** Messages of one author within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

export class Blocks {
  /** `on`: `{onReact, onJump}` of the messages. */
  constructor(engine, id, originals, on) {
    Object.assign(this, { engine, id, originals, on });
  }

  /** `records` ascending; `divider`: the read mark above which "New messages" stands, or null. */
  of(row, records, { divider, atEnd }) {
    const blocks = [];
    const pending = this.engine.pending(this.id);
    const touches = pending.filter(({ fields }) => fields.target !== undefined);
    const context = { row, now: this.engine.now(), at: 0, day: null, before: null, divider, isDivided: false };
    for (const told of records) {
      if (isShown(told, row.kind)) {
        this.#put(blocks, context, touches.length ? recordWith(told, touches, this.engine.me) : told);
      }
    }
    for (const command of atEnd ? pending : []) {
      if (command.command === "send") {
        this.#put(blocks, context, this.#asRecord(command, context.at));
      }
    }
    return blocks;
  }

  /** A message that waits, in the form of a record, never before the one above it. */
  #asRecord({ fields, at: composed, tag, position, failed }, above) {
    const at = Math.max(composed, above);
    return { type: "message", by: this.engine.me, at, ...fields, n: 0, tag, position, failed: failed ?? null };
  }

  #put(blocks, context, record) {
    const day = dayOf(record.at);
    if (day !== context.day) {
      const name = dayName(record.at, context.now);
      const make = () => h("div.day", { role: "separator", "aria-label": name }, h("span", {}, name));
      blocks.push({ key: `day ${day}`, look: name, make });
      context.before = null;
      context.day = day;
    }
    const { divider } = context;
    if (divider !== null && !context.isDivided && record.n > divider && record.by !== this.engine.me) {
      const words = "New messages";
      const make = () => h("div.unread-divider", { role: "separator", "aria-label": words }, h("span", {}, words));
      blocks.push({ key: "divider", look: "", make });
      context.isDivided = true;
      context.before = null;
    }
    blocks.push(record.type === "message" ? this.#message(context, record) : this.#happening(record));
    context.before = record.type === "message" ? record : null;
    context.at = record.at;
  }

  #happening(record) {
    const parts = phraseOf(record, this.engine.me, (user) => this.engine.displayOf(user));
    const make = () => {
      const title = fullTimeOf(record.at);
      return h("div.happening", { "data-n": record.n, title }, h("span", {}, ...phrase(parts)));
    };
    return { key: `n ${record.n}`, look: JSON.stringify(parts), make };
  }

  #message(context, record) {
    const { before, row } = context;
    const { engine } = this;
    const isOwn = record.by === engine.me;
    const isAlone = Boolean(record.action) || Boolean(before?.action);
    const isFirst = before === null || isAlone || before.by !== record.by || record.at - before.at > TOGETHER_MS;
    const isNamed = row.kind !== "direct" && !isOwn && isFirst && !record.action;
    const author = isNamed ? engine.displayOf(record.by) : null;
    const state = isOwn && !isDeleted(record) ? this.#stateOf(row, record) : null;
    const isMentioned = !isOwn && mentionsUser(record, engine.me);
    const look = JSON.stringify([isFirst, author, ...this.#content(record), record.failed?.code]);
    // A message keeps its element when it is no longer waiting but sent.
    const isOwnDevice = isOwn && record.tag && record.device === engine.ledger.account?.device;
    const key = record.n === 0 || isOwnDevice ? `tag ${record.tag}` : `n ${record.n}`;
    const given = { isOwn, isFirst, author, isMentioned, isFailed: state === "failed", engine, originals: this.originals };
    const make = () => bubble(record, { ...given, ...this.on });
    return { key, look, make, touch: (element) => setState(element, record.n, state) };
  }

  /** What the element depends on, besides what stands before the message. */
  #content(record) {
    const { text, deleted, edited, withheld, action, reply, mentions = [], reactions = [] } = record;
    const original = reply === undefined ? undefined : this.originals.get(reply);
    const quoted = original && [original.text, original.by, isDeleted(original)];
    const names = [...mentions, ...reactions.map(([user]) => user)].map((user) => this.engine.displayOf(user));
    return [text, deleted !== undefined, edited !== undefined, withheld, action, quoted, names, reactions];
  }

  #stateOf(row, record) {
    if (record.n === 0) {
      return record.failed === null ? "waiting" : "failed";
    }
    return record.isPending ? "waiting" : tickOf(row, record.n, this.engine.me);
  }
}
