/** What can be done with a whole conversation: pin, archive, mute, block, leave. */

import { isMuted } from "../conversation.js";
import { FOR_EVER, LANE } from "../protocol.js";
import { complaint } from "../text.js";
import { choose, confirmed } from "./dialogs.js";
import { titleOf } from "./names.js";

const HOUR_MS = 3_600_000;
const MUTES = [
  ["For 1 hour", HOUR_MS],
  ["For 8 hours", 8 * HOUR_MS],
  ["For 1 week", 7 * 24 * HOUR_MS],
  ["Until I unmute it", Infinity],
];

export class ConversationActions {
  constructor(engine, say) {
    Object.assign(this, { engine, say });
  }

  /** The entries of a menu, for a row. */
  of(row) {
    if (row.isUnmade) {
      return [];
    }
    // Readers of a channel have it in no inbox, so nothing can be set about it.
    const isMember = row.applied > 0 && !(row.kind === "channel" && row.role === null);
    const muted = isMuted(row, this.engine.now());
    return [
      isMember && { label: row.pinned ? "Unpin" : "Pin", run: () => this.set(row, { pinned: !row.pinned }) },
      isMember && { label: row.archived ? "Unarchive" : "Archive", run: () => this.set(row, { archived: !row.archived }) },
      isMember && { label: muted ? "Unmute" : "Mute", run: () => (muted ? this.set(row, { muted_until: 0 }) : this.askMute(row)) },
      row.kind === "direct" && this.#block(row),
      row.kind === "channel" && row.subscribed && { label: "Unsubscribe", isGrave: true, run: () => this.unsubscribe(row) },
      row.kind !== "direct" && row.role !== null && { label: "Leave", isGrave: true, run: () => this.leave(row) },
    ].filter(Boolean);
  }

  #block(row) {
    return row.isBlocked
      ? { label: "Unblock", run: () => this.#submit("unblock", { user: row.peer }) }
      : { label: "Block", isGrave: true, run: () => this.block(row) };
  }

  set(row, fields) {
    this.#submit("set_conversation", { target: row.id, ...fields });
  }

  async askMute(row) {
    const length = await choose("Mute this conversation", MUTES.map(([label, value]) => ({ label, value })));
    if (length !== null) {
      this.set(row, { muted_until: length === Infinity ? FOR_EVER : Math.round(this.engine.now() + length) });
    }
  }

  async block(row) {
    const name = this.engine.displayOf(row.peer);
    const question = `Block ${name}? They can no longer write to you, nor see when you are here. They are not told.`;
    if (await confirmed(question, "Block")) {
      this.#submit("block", { user: row.peer });
    }
  }

  unblock(user) {
    this.#submit("unblock", { user });
  }

  subscribe(row, link = null) {
    this.#submit("subscribe", { target: row.id, ...(link === null ? {} : { link }) });
  }

  async unsubscribe(row) {
    if (await confirmed(`Unsubscribe from “${titleOf(this.engine, row)}”?`, "Unsubscribe")) {
      this.#submit("unsubscribe", { target: row.id });
    }
  }

  async leave(row) {
    if (await confirmed(`Leave “${titleOf(this.engine, row)}”? You will get no more of its messages.`, "Leave")) {
      try {
        await this.engine.change(row.id, "leave");
      } catch (error) {
        this.say(complaint(error));
      }
    }
  }

  #submit(command, fields) {
    this.engine.submit(LANE, command, fields).catch((error) => this.say(complaint(error)));
  }
}
