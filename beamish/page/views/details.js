/** The side panel of a conversation: who it is, or who is in it and what they may, and the way out. */

import { iconButton, fill, h, onEscape } from "./dom.js";
import { GroupDetails } from "./details_group.js";
import { personDetails } from "./details_person.js";
import { titleOf } from "./names.js";

export class Details {
  /** `actions`: `ConversationActions`. */
  constructor(engine, id, { onClose, onOpenUser, actions, say }) {
    Object.assign(this, { engine, id, actions });
    this.look = null;
    this.body = h("div.details-body");
    this.group = new GroupDetails(engine, id, { onOpenUser, actions, say, onChange: () => this.update() });
    this.closeButton = iconButton("close", "Close details", onClose);
    this.element = h(
      "aside.details",
      { "aria-label": "Details", onkeydown: onEscape(onClose) },
      h("header", {}, this.closeButton, h("h2", {}, "Details")),
      this.body,
    );
    engine.wantMembers(id);
    this.update();
  }

  close() {}

  focus() {
    this.closeButton.focus();
  }

  /** The people of whom it shows whether they are there. */
  peers() {
    return this.group.peers();
  }

  update() {
    const row = this.engine.conversation(this.id);
    if (row === null) {
      return;
    }
    const look = this.#lookOf(row);
    if (look === this.look || this.element.contains(document.activeElement?.closest("form"))) {
      return;
    }
    this.look = look;
    const at = this.body.scrollTop;
    const label = document.activeElement?.getAttribute("aria-label");
    const wasInside = this.body.contains(document.activeElement);
    const parts = row.kind === "direct" ? personDetails(this.engine, row, this.actions) : this.group.parts(row);
    fill(this.body, ...parts);
    this.body.scrollTop = at;
    if (wasInside) {
      const same = [...this.body.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === label);
      (label === null || same === undefined ? this.closeButton : same).focus();
    }
  }

  #lookOf(row) {
    const { engine } = this;
    const people = row.kind === "direct" ? [row.peer] : Object.keys(row.members ?? {});
    const names = people.map((user) => engine.displayOf(user));
    const shown = [row.peer, ...this.peers()].filter((user) => user !== null).map((user) => engine.screen.presenceOf(user));
    const { role, open, members, description, permissions, slowMode, bans, links, secrets, count } = row;
    const { mutedUntil, archived, pinned, isBlocked, subscribed } = row;
    return JSON.stringify([
      titleOf(engine, row),
      [role, open, members, description, permissions, slowMode, bans, links, secrets, count],
      [mutedUntil, archived, pinned, isBlocked, subscribed],
      names,
      shown,
      this.group.shown,
    ]);
  }
}
