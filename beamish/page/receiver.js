/**
 * What the inbox sends, by the client's rules: next, apply; old, ignore; gap, fetch; other epoch, ask again.
 *
 * Arrivals wait in a queue of at most `MAX_ARRIVALS` events; what does not fit is left out, becomes a gap and is
 * fetched. All that waits is applied in one transaction together with the cursor after it, and acknowledged
 * after that, the newest number only, at most every `ACK_AFTER_MS`.
 */

import { applyAccountItem } from "./account.js";
import { ConnectionLost } from "./connection.js";
import { applyMarks, applyReceipt, applyRecords, applySettings, applySubscription, newConversation } from "./conversation.js";
import { isSound, judge, newsOf } from "./inbox.js";
import { LANE } from "./protocol.js";
import { namesIn } from "./records.js";

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
          this.outbox.sweep(draft);
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
    if (ACCOUNT_ITEMS.has(item.type)) {
      this.#applyAccountItem(draft, item, settled);
    } else if (typeof item.conversation === "string" && CONVERSATION_ITEMS.has(item.type)) {
      this.#applyConversationItem(draft, item, settled, unknown);
    }
  }

  #applyAccountItem(draft, item, settled) {
    this.#settle(draft, LANE, item, settled);
    if (item.type === "settings") {
      const row = draft.conversation(item.conversation);
      if (row !== null) {
        draft.putConversation(applySettings(row, item));
      }
      return;
    }
    if (item.type === "subscription") {
      const row = draft.conversation(item.channel) ?? newConversation(item.channel, draft.account.user);
      draft.putConversation(applySubscription(row, item));
      return;
    }
    draft.account = applyAccountItem(draft.account, item);
    if (item.type === "profile") {
      const { user, display } = draft.account;
      draft.putUser({ ...draft.user(user), user, display });
    }
  }

  /** A command of this device is done: the inbox tells what came of it. */
  #settle(draft, id, made, settled) {
    const tag = this.outbox.recognise(draft, id, made);
    if (tag !== null) {
      settled.set(id, [...(settled.get(id) ?? []), tag]);
    }
  }

  #applyConversationItem(draft, item, settled, unknown) {
    const me = draft.account.user;
    const before = draft.conversation(item.conversation);
    let row = before ?? newConversation(item.conversation, me);
    if (item.type === "records") {
      (item.records ?? []).forEach((record) => this.#settle(draft, row.id, record, settled));
      row = this.applyRecords(draft, draft.conversation(row.id) ?? row, item);
    } else {
      row = item.type === "marks" ? applyMarks(row, item) : applyReceipt(row, item);
    }
    if (before === null || (row.kind !== "direct" && row.members === null && row.role !== null)) {
      unknown.add(row.id);
    }
    draft.putConversation(row);
  }

  /** Put the records of `told` and what they amend into the draft; returns the row after them. */
  applyRecords(draft, before, told) {
    const { records = [], amended = [] } = told;
    for (const record of [...records, ...amended]) {
      draft.putRecord(before.id, record);
      noteNames(draft, record);
    }
    const row = applyRecords(before, told, draft.account.user);
    if (row.applied - row.floor < 2 * KEPT_RECORDS) {
      return row;
    }
    const floor = row.applied - KEPT_RECORDS + 1;
    draft.dropRecordsBelow(row.id, floor);
    return { ...row, floor };
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

const CONVERSATION_ITEMS = new Set(["records", "marks", "receipt"]);
const ACCOUNT_ITEMS = new Set(["profile", "privacy", "block", "settings", "subscription"]);

function noteNames(draft, record) {
  for (const { user, display } of namesIn(record)) {
    if (typeof display === "string" && draft.user(user)?.display !== display) {
      draft.putUser({ user, display });
    }
  }
}
