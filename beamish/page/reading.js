/**
 * Telling the node what the user has read: levels, one question at a time, repeated until confirmed.
 *
 * The own mark is stored first (`read`), so it survives a reload and a lost connection; `confirmed` is what the node
 * is known to hold. While they differ, `read` is asked; a refusal for good ends it for that conversation.
 */

import { ConnectionLost, RequestRefused } from "./connection.js";
import { applyMarks, applyReading } from "./conversation.js";

const AFTER_REFUSAL_MS = 2_000;

export class Reading {
  constructor({ ledger, link, setTimer }) {
    Object.assign(this, { ledger, link, setTimer });
    this.isRunning = false;
  }

  /** The user has seen all up to record `upto`; `passed` unread messages are among it, `mentioned` with mentions. */
  async mark(conversation, upto, passed, mentioned = 0) {
    const row = this.ledger.conversation(conversation);
    if (row === null || upto <= row.read) {
      return;
    }
    await this.ledger.transact((draft) => {
      const present = draft.conversation(conversation);
      if (present !== null) {
        draft.putConversation(applyReading(present, upto, passed, mentioned));
      }
    });
    this.run();
  }

  /** Ask for everything that is not confirmed; call when the connection is back. */
  async run() {
    if (this.isRunning) {
      return;
    }
    this.isRunning = true;
    try {
      for (let id = this.#next(); id !== undefined; id = this.#next()) {
        await this.#tell(id);
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) {
        this.setTimer(() => this.run(), error.retryAfterMs ?? AFTER_REFUSAL_MS);
      }
    } finally {
      this.isRunning = false;
    }
  }

  #next() {
    if (this.link.state.phase !== "online") {
      return undefined;
    }
    return this.ledger.ids().find((id) => {
      const row = this.ledger.conversation(id);
      return row.read > row.confirmed;
    });
  }

  async #tell(conversation) {
    const upto = this.ledger.conversation(conversation).read;
    let marks;
    try {
      marks = await this.link.request("read", { conversation, upto });
    } catch (error) {
      if (!(error instanceof RequestRefused) || error.retryable) {
        throw error;
      }
      marks = {};
    }
    await this.ledger.transact((draft) => {
      const row = draft.conversation(conversation);
      if (row !== null) {
        // The node may have clamped the level; what was asked counts as confirmed all the same.
        draft.putConversation({ ...applyMarks(row, marks), confirmed: Math.max(row.confirmed, upto) });
      }
    });
  }
}
