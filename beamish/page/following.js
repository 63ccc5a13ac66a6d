/**
 * Channels: followed with a cursor of one's own for each, the newest record stored (protocol, channels).
 *
 * `follow` names all subscribed channels and their cursors after every attach and whenever they change; `posts`
 * events then continue each cursor. A gap is closed by the channel's history; one above `FAR` records is jumped,
 * and history fills it when it is looked at. Records and cursor go into one transaction, as for the inbox.
 */

import { ConnectionLost, RequestRefused } from "./connection.js";
import { applyFirstPosts, applyFollowed } from "./conversation.js";

const MOST_FOLLOWED = 256;
const PAGE = 200;
const FAR = 1000;
const FOLLOW_AFTER_MS = 50;
const AGAIN_AFTER_MS = 2_000;

export class Following {
  /** `receiver` applies records; `onTrouble(error)`: the store refused. */
  constructor({ ledger, link, receiver, setTimer, clearTimer, onTrouble }) {
    Object.assign(this, { ledger, link, receiver, setTimer, clearTimer, onTrouble });
    this.followed = "";
    this.watched = null;
    this.timer = null;
    this.closing = new Map();
  }

  /** The channel that is on screen (null: none), which is followed while it is, subscribed to or not. */
  watch(id) {
    this.watched = id;
    this.refresh();
  }

  /** A new connection is attached, or none is left: nothing is followed on it yet. */
  setOnline(isOnline) {
    this.followed = "";
    this.clearTimer(this.timer);
    this.timer = null;
    if (isOnline) {
      this.refresh();
    }
  }

  /** Follow what is subscribed to now, unless that is what is followed. */
  refresh() {
    if (this.#wanted() !== this.followed && this.timer === null && this.link.state.phase === "online") {
      this.timer = this.setTimer(() => this.#follow(), FOLLOW_AFTER_MS);
    }
  }

  /** The channels read; the staff of one get its posts by the inbox. */
  #rows() {
    const rows = this.ledger.ids().map((id) => this.ledger.conversation(id));
    const isRead = (row) => row.subscribed || (row.id === this.watched && row.kind === "channel" && row.version > 0);
    return rows.filter((row) => isRead(row) && row.role === null).slice(0, MOST_FOLLOWED);
  }

  #wanted() {
    return this.#rows()
      .map(({ id }) => id)
      .join(" ");
  }

  async #follow() {
    this.timer = null;
    this.followed = this.#wanted();
    try {
      await Promise.all(this.#rows().filter(({ applied }) => applied === 0).map((row) => this.#begin(row.id)));
      const asked = this.#rows().map((row) => ({ channel: row.id, after: row.applied }));
      const { channels } = await this.link.request("follow", { channels: asked });
      if (await this.#adopt(channels ?? [])) {
        this.#again(0);
      }
    } catch (error) {
      if (!(error instanceof RequestRefused)) {
        this.#failed(error);
      } else if (error.retryable) {
        this.#again(error.retryAfterMs ?? AGAIN_AFTER_MS);
      }
    }
  }

  #again(ms) {
    this.followed = "";
    this.timer ??= this.setTimer(() => this.#follow(), ms);
  }

  /** Take in what `follow` answers; returns whether a channel was restored, and is to be begun anew. */
  #adopt(channels) {
    return this.ledger.transact((draft) => {
      let isRestored = false;
      for (const told of channels.filter(({ error }) => error === undefined)) {
        const row = draft.conversation(told.channel);
        if (row === null) {
          continue;
        }
        if ((row.epoch !== null && row.epoch !== told.epoch) || row.applied > told.n) {
          draft.dropRecords(row.id);
          draft.putConversation({ ...row, epoch: told.epoch, applied: 0, floor: 1, ordinal: 0, preview: null });
          isRestored = true;
        } else {
          draft.putConversation(applyFollowed(row, told));
        }
      }
      return isRestored;
    });
  }

  #failed(error) {
    // A lost connection heals by the next attach.
    if (!(error instanceof ConnectionLost)) {
      this.onTrouble(error);
    }
  }

  /** A channel that another device subscribed to: its newest posts are where the cursor begins. */
  async #begin(channel) {
    const answer = await this.link.request("history", { conversation: channel });
    await this.ledger.transact((draft) => {
      const row = draft.conversation(channel);
      if (row === null || row.applied > 0) {
        return;
      }
      [...answer.records, ...(answer.amended ?? [])].forEach((record) => draft.putRecord(channel, record));
      draft.putConversation(applyFirstPosts(row, answer));
    });
  }

  /** An event of the node; returns whether it was one of these. */
  receive(event) {
    if (event.event !== "posts") {
      return false;
    }
    const isSound = typeof event.channel === "string" && Number.isSafeInteger(event.from) && Number.isSafeInteger(event.to);
    if (isSound) {
      this.#take(event).catch((error) => this.#failed(error));
    }
    return true;
  }

  async #take(event) {
    await this.closing.get(event.channel);
    const row = this.ledger.conversation(event.channel);
    if (row !== null && event.from > row.applied + 1) {
      await this.#close(event);
    }
    await this.#apply(event);
  }

  /** Records of a channel, with its cursor, in one transaction; nothing when they do not join what is stored. */
  #apply({ channel, from, to, records, amended, epoch }) {
    return this.ledger.transact((draft) => {
      const row = draft.conversation(channel);
      if (row === null || from > row.applied + 1 || (epoch !== undefined && row.epoch !== null && row.epoch !== epoch)) {
        return;
      }
      const next = this.receiver.applyRecords(draft, row, { records, amended });
      draft.putConversation({ ...next, applied: Math.max(next.applied, to) });
    });
  }

  /** Close the gap below an event, once at a time for each channel. */
  #close(event) {
    const { channel, from } = event;
    if (!this.closing.has(channel)) {
      const closed = this.#fill(channel, from).finally(() => this.closing.delete(channel));
      this.closing.set(channel, closed);
    }
    return this.closing.get(channel);
  }

  async #fill(channel, from) {
    const { applied } = this.ledger.conversation(channel);
    if (from - applied > FAR) {
      await this.ledger.transact((draft) => {
        draft.dropRecords(channel);
        const row = draft.conversation(channel);
        draft.putConversation({ ...row, applied: from - 1, floor: from });
      });
      return;
    }
    for (let after = applied; after < from - 1; ) {
      const answer = await this.link.request("history", { conversation: channel, after, limit: PAGE });
      const records = (answer.records ?? []).filter(({ n }) => n < from);
      const to = answer.more && records.length ? records.at(-1).n : from - 1;
      await this.#apply({ channel, from: after + 1, to, records, amended: answer.amended });
      after = to;
    }
  }
}
