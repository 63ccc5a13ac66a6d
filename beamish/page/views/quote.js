/** What a message answers: a few words of the original, which a click goes to. */

import { withoutMarkup } from "../format.js";
import { isDeleted } from "../records.js";
import { hueOf } from "../text.js";
import { h } from "./dom.js";
import { nameFor } from "./names.js";

const MOST_LETTERS = 240;

/** A record's words on one line, or why there are none. */
export function wordsOf(record) {
  if (record === undefined) {
    return "…";
  }
  if (record === null) {
    return "A message that is not here any more";
  }
  if (isDeleted(record)) {
    return "A deleted message";
  }
  return record.withheld ? "A message" : withoutMarkup(record.text.slice(0, 4 * MOST_LETTERS), record.mentions).slice(0, MOST_LETTERS);
}

/** The element; `originals.get(n)` gives the record, null where none is to see, undefined while it is looked up. */
export function quote(record, { engine, originals, onJump }) {
  const original = originals.get(record.reply);
  const by = original?.by;
  const given = { type: "button", tabindex: "-1", onclick: () => onJump(record.reply) };
  return h(
    `button.quote${by === undefined ? "" : `.hue-${hueOf(by)}`}`,
    given,
    h("span.unseen", {}, "In answer to "),
    by === undefined ? null : h("span.author", {}, h("bdi", {}, nameFor(engine, by))),
    h("span.words", { dir: "auto" }, wordsOf(original)),
  );
}

/**
 * The records that messages on screen answer, looked up once each, in the store and else at the node; at most
 * `MOST_KNOWN` are kept.
 */
const MOST_KNOWN = 500;

export class Originals {
  /** `onFound()`: something that was looked up is there. */
  constructor(engine, id, onFound) {
    Object.assign(this, { engine, id, onFound });
    this.known = new Map();
  }

  get(n) {
    if (!this.known.has(n)) {
      this.#keep(n, undefined);
      this.#find(n).catch(() => {});
    }
    return this.known.get(n);
  }

  /** A record came or changed. */
  note(record) {
    if (this.known.has(record.n)) {
      this.known.set(record.n, record);
    }
  }

  async #find(n) {
    const stored = await this.engine.storedAt(this.id, n);
    if (stored !== null) {
      this.#found(n, stored);
      return;
    }
    const ask = async () => this.#found(n, await this.engine.recordAt(this.id, n));
    this.engine.errands.add(`record ${this.id} ${n}`, ask);
  }

  #found(n, record) {
    this.known.set(n, record);
    this.onFound();
  }

  #keep(n, record) {
    this.known.set(n, record);
    if (this.known.size > MOST_KNOWN) {
      this.known.delete(this.known.keys().next().value);
    }
  }
}
