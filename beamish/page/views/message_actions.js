/** What can be done with a message: react, answer, copy, edit, delete, ask who has read it. */

import { QUICK } from "../emoji.js";
import { reaches } from "../membership.js";
import { isDeleted } from "../records.js";
import { complaint } from "../text.js";
import { confirmed, messageInfo } from "./dialogs.js";
import { openPicker } from "./emoji_picker.js";
import { openMenu } from "./menu.js";

export class MessageActions {
  /** `onReply(record)`, `onEdit(record)`: the composer takes over; `say(text)` tells the user something. */
  constructor(engine, id, { onReply, onEdit, say }) {
    Object.assign(this, { engine, id, onReply, onEdit, say });
  }

  get row() {
    return this.engine.conversation(this.id);
  }

  /** Whether the user may still change things here. */
  get #isInside() {
    const { row } = this;
    return row !== null && !row.isUnmade && row.role !== null && !row.isBlocked;
  }

  mayReact(record) {
    return this.#isInside && record.n > 0 && !isDeleted(record) && !record.withheld;
  }

  mayReply(record) {
    return this.mayReact(record);
  }

  mayEdit(record) {
    return this.mayReact(record) && record.by === this.engine.me;
  }

  mayDelete(record) {
    const { row } = this;
    const isMine = record.by === this.engine.me;
    const isOver = row !== null && row.kind !== "direct" && reaches(row.role, "admin");
    return row !== null && row.role !== null && record.n > 0 && !isDeleted(record) && (isMine || isOver);
  }

  /** The menu of a message, at the pointer or at its element. */
  open(element, record, at = null) {
    const { me } = this.engine;
    const mine = record.reactions?.find(([user]) => user === me)?.[1] ?? null;
    const quick = this.mayReact(record)
      ? QUICK.map((sign) => ({
          sign,
          label: mine === sign ? `Take back ${sign}` : `React with ${sign}`,
          isChosen: mine === sign,
          run: () => this.react(record, mine === sign ? "" : sign),
        }))
      : [];
    const actions = [
      this.mayReact(record) && { label: "Another reaction …", run: () => this.pickReaction(element, record) },
      this.mayReply(record) && { label: "Reply", run: () => this.onReply(record) },
      typeof record.text === "string" && { label: "Copy text", run: () => this.#copy(record.text) },
      this.mayEdit(record) && { label: "Edit", run: () => this.onEdit(record) },
      record.n > 0 && record.by === me && !isDeleted(record) && { label: "Who has read this", run: () => this.#info(record) },
      this.mayDelete(record) && { label: "Delete for everyone", isGrave: true, run: () => this.remove(record) },
    ].filter(Boolean);
    if (actions.length) {
      openMenu(element, actions, { quick, at });
    }
  }

  pickReaction(anchor, record) {
    openPicker(anchor, (emoji) => this.react(record, emoji));
  }

  /** React with an emoji, or with "" take one's reaction back. */
  react(record, emoji) {
    if (this.mayReact(record)) {
      this.#submit("react", { target: record.n, emoji });
    }
  }

  async remove(record) {
    const question = "Delete this message for everyone? Its text goes from all devices.";
    if (await confirmed(question, "Delete")) {
      this.#submit("delete", { target: record.n });
    }
  }

  #submit(command, fields) {
    this.engine.submit(this.id, command, fields).catch((error) => this.say(complaint(error)));
  }

  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.say("Copied.");
    } catch {
      this.say("This browser lets nothing be copied here.");
    }
  }

  async #info(record) {
    try {
      const { members } = await this.engine.ask("marks", { conversation: this.id, n: record.n });
      messageInfo(this.engine, record, members);
    } catch (error) {
      this.say(this.engine.isOnline ? complaint(error) : "This can be told when the connection is back.");
    }
  }
}
