/** One conversation: its head, its messages, and the place to write, or why one cannot write. */

import { complaint, count } from "../text.js";
import { avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { fill, h, iconButton } from "./dom.js";
import { Messages } from "./messages.js";
import { nameFor, titleOf } from "./names.js";

export class Chat {
  /** `drafts`: Map of what was left unsent, by conversation. */
  constructor(engine, id, { drafts, onBack, onDetails, say }) {
    this.engine = engine;
    this.id = id;
    this.drafts = drafts;
    this.onBack = onBack;
    this.onDetails = onDetails;
    this.say = say;
    this.messages = new Messages(engine, id);
    this.head = h("header.chat-head");
    this.foot = h("footer.chat-foot");
    this.footState = null;
    this.headLook = null;
    this.composer = null;
    this.isFocusDue = false;
    this.element = h("section.chat", { "aria-label": "Conversation" }, this.head, this.messages.element, this.foot);
    const row = this.row;
    if (row === null || (row.kind === "group" && row.members === null)) {
      engine.wantMembers(id);
    }
    this.update();
  }

  get row() {
    return this.engine.conversation(this.id);
  }

  close() {
    this.messages.close();
  }

  focus() {
    // On a touch screen the keyboard would cover half of what one came to read.
    if (this.composer !== null && !matchMedia("(pointer: coarse)").matches) {
      this.composer.focus();
    } else {
      this.isFocusDue = this.composer === null;
      this.messages.scroller.focus({ preventScroll: true });
    }
  }

  update() {
    const { row } = this;
    const title = row === null ? "Group" : titleOf(this.engine, row);
    const subtitle = this.#subtitle(row);
    const look = JSON.stringify([title, subtitle]);
    if (look !== this.headLook) {
      this.headLook = look;
      this.#fillHead(row, title, subtitle);
    }
    this.#updateFoot(row);
  }

  #fillHead(row, title, subtitle) {
    const details = h(
      "button.who",
      { type: "button", "aria-label": `${title}, details`, onclick: this.onDetails },
      avatar(row?.peer ?? this.id, title, row?.kind !== "direct"),
      h("span.title", { dir: "auto" }, title),
      h("span.subtitle", {}, h("bdi", {}, subtitle)),
    );
    fill(
      this.head,
      iconButton("back", "Back to the conversations", this.onBack, { class: "icon-button back" }),
      h("h2", {}, details),
      iconButton("info", "Details", this.onDetails),
    );
    this.element.setAttribute("aria-label", `Conversation: ${title}`);
    this.messages.scroller.setAttribute("aria-label", `Messages: ${title}`);
  }

  #subtitle(row) {
    if (row === null) {
      return "";
    }
    if (row.isUnmade) {
      return "Waiting for the connection …";
    }
    if (row.kind === "direct") {
      return `@${row.peer}`;
    }
    if (row.members === null || row.role === null) {
      return row.open ? "Open group" : "Group";
    }
    const names = Object.keys(row.members);
    const shown = names.slice(0, 8).map((user) => nameFor(this.engine, user));
    return `${count(names.length, "member")}: ${shown.join(", ")}${names.length > 8 ? ", …" : ""}`;
  }

  #updateFoot(row) {
    let state = "write";
    if (row === null) {
      state = "unknown";
    } else if (row.isUnmade) {
      state = "unmade";
    } else if (row.role === null) {
      state = row.open ? "join" : "left";
    }
    if (state === this.footState) {
      return;
    }
    this.footState = state;
    this.composer = null;
    fill(this.foot, this.#footOf(state));
    // The place to write comes once it is known that one may; nobody has gone elsewhere meanwhile.
    if (this.composer !== null && this.isFocusDue && document.activeElement === this.messages.scroller) {
      this.focus();
    }
    this.isFocusDue &&= this.composer === null;
  }

  #footOf(state) {
    switch (state) {
      case "write":
        this.composer = this.#makeComposer();
        return this.composer.element;
      case "join":
        return h("div.notice", {}, "Anybody may join this group. ", this.#joinButton());
      case "left":
        return h("div.notice", {}, "You are no longer a member of this group.");
      case "unmade":
        return h("div.notice", {}, "The group is created as soon as the connection is back.");
      default:
        return h("div.notice", {}, "Looking for this group …");
    }
  }

  #makeComposer() {
    return new Composer({
      draft: this.drafts.get(this.id) ?? "",
      onDraft: (text) => this.drafts.set(this.id, text),
      limit: () => this.engine.session.limits.text_bytes,
      onSend: async (text) => {
        this.messages.divider = null;
        this.messages.isAtEnd = true;
        await this.engine.send(this.id, text);
        if (!this.messages.timeline.atEnd) {
          await this.messages.timeline.open();
        }
      },
    });
  }

  #joinButton() {
    const onclick = async (event) => {
      event.target.disabled = true;
      try {
        await this.engine.change(this.id, "join");
      } catch (error) {
        this.say(complaint(error));
        event.target.disabled = false;
      }
    };
    return h("button.primary", { type: "button", onclick }, "Join");
  }
}
