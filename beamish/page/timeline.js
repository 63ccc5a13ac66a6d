/**
 * A window on the records of one conversation: what the chat view shows, moving over what the store holds.
 *
 * `records` is ascending and at most `MOST` long; `atEnd` tells whether the newest stored record is in it,
 * `atStart` whether nothing earlier exists. `earlier()` and `later()` move the window by a page, asking the
 * node's history where the store ends; `problem` is set when it cannot be asked. News that belong inside, or at the end while `atEnd`, join by themselves.
 * `onChange()` is called after every change.
 */

import { ConnectionLost } from "./connection.js";
import { isComplete } from "./conversation.js";
import { isNewer } from "./records.js";

const PAGE = 60;
export const MOST = 240;
/** How far back the unread are looked for, in pages of history of `CATCH_UP`. */
const CATCH_UP_PAGES = 5;
const CATCH_UP = 200;
/** The same for a message that is jumped to: 10,000 records. */
const MOST_PAGES = 50;

export class Timeline {
  constructor(engine, id, onChange) {
    this.engine = engine;
    this.id = id;
    this.onChange = onChange;
    this.records = [];
    this.atEnd = true;
    this.atStart = false;
    this.busy = null;
    this.arrived = [];
    this.problem = null;
    this.isOpen = true;
    this.stopListening = engine.listen((news) => this.#onNews(news));
  }

  close() {
    this.isOpen = false;
    this.stopListening();
  }

  get row() {
    return this.engine.conversation(this.id);
  }

  /** Show the newest records, or, with `unreadAfter`, the first unread ones with a little before them. */
  open(unreadAfter = null) {
    return this.#alone(async () => {
      if (unreadAfter !== null && unreadAfter > 0) {
        await this.#reachBack(unreadAfter);
        const before = await this.#stored({ before: unreadAfter + 1, limit: PAGE / 3 });
        const after = await this.#stored({ after: unreadAfter, limit: PAGE });
        this.atStart = before.length < PAGE / 3 && this.#isComplete;
        this.#show([...before, ...after], after.length < PAGE);
      } else {
        const newest = await this.#page({ limit: PAGE });
        this.atStart = newest.length < PAGE && this.#isComplete;
        this.#show(newest, true);
      }
    });
  }

  /** Show the records around `n`, as far back as it takes and history reaches. */
  openAt(n) {
    return this.#alone(async () => {
      await this.#reachBack(n - 1, MOST_PAGES);
      const before = await this.#stored({ before: n, limit: PAGE / 2 });
      const after = await this.#stored({ after: n - 1, before: n + PAGE, limit: PAGE });
      this.atStart = before.length < PAGE / 2 && this.#isComplete;
      this.#show([...before, ...after], (after.at(-1)?.n ?? 0) >= (this.row?.applied ?? 0));
    });
  }

  /** Move towards the beginning by a page. Does nothing while a move is under way. */
  earlier() {
    const first = this.records[0]?.n ?? Infinity;
    return this.#alone(async () => {
      const found = await this.#page({ before: first, limit: PAGE });
      const all = [...found, ...this.records];
      this.atStart = found.length < PAGE && this.#isComplete;
      if (!found.length && !this.atStart) {
        // There is more, but not here and not now: whoever asks again must wait for the connection.
        this.problem = "offline";
      }
      this.#show(all.slice(0, MOST), this.atEnd && all.length <= MOST);
    });
  }

  /** Move towards the end by a page. */
  later() {
    const last = this.records.at(-1)?.n ?? 0;
    return this.#alone(async () => {
      const found = await this.#stored({ after: last, limit: PAGE });
      const all = [...this.records, ...found];
      this.atStart = this.atStart && all.length <= MOST;
      this.#show(all.slice(-MOST), found.length < PAGE);
    });
  }

  async #alone(move) {
    if (this.busy !== null || !this.isOpen) {
      return;
    }
    this.arrived = [];
    this.busy = move();
    this.problem = null;
    try {
      await this.busy;
    } catch (error) {
      this.problem = error instanceof ConnectionLost ? "offline" : error.message;
    }
    this.busy = null;
    if (this.isOpen) {
      this.onChange();
    }
  }

  /** Records in one piece: single ones below the floor, fetched for quotes, do not count. */
  async #stored(range) {
    const found = await this.engine.store.records(this.id, range);
    const floor = this.row?.floor ?? 1;
    return found.filter(({ n }) => n >= floor);
  }

  /** A page from the store, filled from history when the store holds too little. */
  async #page(range) {
    let found = await this.#stored(range);
    while (found.length < range.limit && this.#canFill()) {
      const hasMore = await this.engine.fillHistory(this.id, CATCH_UP);
      found = await this.#stored(range);
      if (!hasMore) {
        break;
      }
    }
    return found;
  }

  #canFill() {
    const row = this.row;
    return row !== null && !row.isUnmade && !isComplete(row) && this.engine.isOnline;
  }

  async #reachBack(n, pages = CATCH_UP_PAGES) {
    for (let page = 0; page < pages && this.row.floor > n && this.#canFill(); page += 1) {
      await this.engine.fillHistory(this.id, CATCH_UP);
    }
  }

  get #isComplete() {
    return this.row === null || isComplete(this.row);
  }

  #show(records, atEnd) {
    this.records = records;
    this.atEnd = atEnd;
    this.#join(this.arrived.splice(0));
  }

  #onNews(news) {
    if (news.dropped?.has(this.id)) {
      this.records = [];
      this.open();
      return;
    }
    const fresh = news.records?.get(this.id);
    if (fresh !== undefined && this.busy !== null) {
      // The page that is being read may have been read before these were stored.
      this.arrived.push(...fresh);
    }
    if (fresh !== undefined && this.#join(fresh)) {
      this.onChange();
    } else if (news.rows?.has(this.id) || news.commands?.has(this.id) || news.users?.size || news.state) {
      this.onChange();
    }
  }

  /** Let records into the window where they belong; returns whether any did. */
  #join(fresh) {
    const first = this.records[0]?.n ?? 0;
    const last = this.records.at(-1)?.n ?? 0;
    const floor = this.row?.floor ?? 1;
    const fitting = fresh.filter(({ n }) => n >= first && n >= floor && (this.atEnd || n <= last));
    if (!fitting.length) {
      return false;
    }
    const byNumber = new Map(this.records.map((record) => [record.n, record]));
    for (const record of fitting.filter((one) => isNewer(one, byNumber.get(one.n)))) {
      byNumber.set(record.n, record);
    }
    const all = [...byNumber.values()].sort((a, b) => a.n - b.n);
    this.records = all.slice(-MOST);
    this.atStart = this.atStart && all.length <= MOST;
    return true;
  }
}
