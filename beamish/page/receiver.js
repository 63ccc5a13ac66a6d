/**
 * What the inbox sends, by the client's rules: next, apply; old, ignore; gap, fetch; other epoch, ask again.
 *
 * Arrivals wait in a queue of at most `MAX_ARRIVALS` events; what does not fit is left out, becomes a gap and is
 * fetched. All that waits is applied in one transaction together with the cursor after it, and acknowledged
 * after that, the newest number only, at most every `ACK_AFTER_MS`.
 */

import { ConnectionLost } from "./connection.js";
import { applyMarks, applyReceipt, applyRecord, namesIn, newConversation } from "./conversation.js";
import { isSound, judge, newsOf } from "./inbox.js";

const MAX_ARRIVALS = 512;
const ACK_AFTER_MS = 250;

/** Records of one conversation that are kept here; twice as many are cut back to this. */
export const KEPT_RECORDS = 10_000;

export class Receiver {
  /** `onUnknown(ids)`: conversations met for the first time. `onTrouble(error)`: the store refused. */
  constructor({ ledger, link, session, outbox, setTimer, clearTimer, onUnknown, onTrouble }) {
    Object.assign(this, { ledger, link, session, outbox, setTimer, clearTimer });
    Object.assign(this, { onUnknown, onTrouble });
    this.arrivals = [];
    this.hasMissed = false;
    this.draining = null;
    this.ackTimer = null;
  }

  /** A new connection begins: what the old one left is told again. */
  reset() {
    this.arrivals = [];
    this.hasMissed = false;
    this.clearTimer(this.ackTimer);
    this.ackTimer = null;
  }

  /** An event of the node; unknown ones are ignored. */
  receive(event) {
    if (event.event !== "updates" && event.event !== "detached") {
      return;
    }
    if (event.event === "updates" && !isSound(event)) {
      return;
    }
    if (this.arrivals.length >= MAX_ARRIVALS) {
      this.hasMissed = true;
      return;
    }
    this.arrivals.push(event);
    this.draining ??= this.#drain().finally(() => {
      this.draining = null;
    });
  }

  /** Attached at the stored cursor: what is stored may never have been acknowledged. */
  attached() {
    this.#acknowledgeSoon();
  }

  async #drain() {
    try {
      while (this.arrivals.length || this.hasMissed) {
        const batch = this.arrivals.splice(0);
        const verdict = this.hasMissed && batch.length === 0 ? "gap" : await this.#apply(batch);
        this.hasMissed = this.hasMissed && verdict !== "gap";
        if (verdict === "gap") {
          await this.#fetch();
        } else if (verdict !== "applied") {
          await this.session.resync(this.link, verdict === "other_epoch" ? null : verdict);
        }
      }
    } catch (error) {
      // A lost connection heals by the next attach, which begins at the stored cursor.
      if (!(error instanceof ConnectionLost)) {
        this.onTrouble(error);
      }
    }
  }

  /** Apply events in one transaction; returns "applied", "gap", "other_epoch" or a detached status. */
  async #apply(batch) {
    const settled = new Map();
    const unknown = new Set();
    const verdict = await this.ledger.transact((draft) => {
      let result = "applied";
      for (const event of batch) {
        const judged = event.event === "detached" ? event.status : judge(draft.cursor, event);
        if (judged === "apply") {
          const news = newsOf(draft.cursor, event);
          news.items.forEach((item) => this.#applyItem(draft, item, settled, unknown));
          draft.cursor = news.cursor;
        } else if (judged !== "old") {
          result = judged;
        }
      }
      return result;
    });
    settled.forEach((tags, id) => this.outbox.recognised(id, tags));
    if (unknown.size) {
      this.onUnknown([...unknown]);
    }
    this.#acknowledgeSoon();
    return verdict;
  }

  #applyItem(draft, item, settled, unknown) {
    if (typeof item.conversation !== "string") {
      return;
    }
    const me = draft.account.user;
    const before = draft.conversation(item.conversation);
    let row = before ?? newConversation(item.conversation, me);
    switch (item.type) {
      case "records":
        for (const record of item.records ?? []) {
          const tag = this.outbox.recognise(draft, row.id, record);
          if (tag !== null) {
            settled.set(row.id, [...(settled.get(row.id) ?? []), tag]);
          }
          draft.putRecord(row.id, record);
          row = applyRecord(row, record, me);
          noteNames(draft, record);
        }
        break;
      case "marks":
        row = applyMarks(row, item);
        break;
      case "receipt":
        row = applyReceipt(row, item);
        break;
      default:
        return;
    }
    if (row.applied - row.floor >= 2 * KEPT_RECORDS) {
      row = { ...row, floor: row.applied - KEPT_RECORDS + 1 };
      draft.dropRecordsBelow(row.id, row.floor);
    }
    if (before === null || (row.kind === "group" && row.members === null)) {
      unknown.add(row.id);
    }
    draft.putConversation(row);
  }

  /** Close the gap above the cursor. */
  async #fetch() {
    for (;;) {
      const { epoch, number } = this.ledger.cursor;
      const answer = await this.link.request("fetch", { epoch, from: number + 1 });
      if (answer.status !== "resumed") {
        await this.session.resync(this.link, answer.status);
        return;
      }
      if (!isSound(answer) || answer.to <= number) {
        return;
      }
      await this.#apply([{ ...answer, event: "updates" }]);
      if (this.ledger.cursor.number >= answer.number) {
        return;
      }
    }
  }

  #acknowledgeSoon() {
    this.ackTimer ??= this.setTimer(() => {
      this.ackTimer = null;
      const { cursor } = this.ledger;
      if (this.link.state.phase === "online" && cursor !== null && cursor.number > 0) {
        this.link.tell("ack", { number: cursor.number });
      }
    }, ACK_AFTER_MS);
  }
}

function noteNames(draft, record) {
  for (const { user, display } of namesIn(record)) {
    if (typeof display === "string" && draft.user(user)?.display !== display) {
      draft.putUser({ user, display });
    }
  }
}
