/**
 * Completing "@" and the beginning of a name while one writes: members whose user or display name begins so.
 *
 * The list is a listbox that the text field controls; the focus stays in the field (`aria-activedescendant`).
 */

import { fill, h } from "./dom.js";
import { avatar } from "./avatar.js";

const MOST = 6;

export class MentionBox {
  /** `people()`: `[{user, display}]` who may be mentioned. */
  constructor(input, people) {
    this.input = input;
    this.people = people;
    this.found = [];
    this.chosen = 0;
    this.element = h("ul.mention-box", { role: "listbox", id: "mention-box", "aria-label": "Members", hidden: true });
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", "mention-box");
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** The text or the cursor changed. */
  update() {
    const begun = this.#begun();
    const people = begun === null ? [] : this.people();
    // A whole name needs no completing: Enter sends.
    const isWhole = people.some(({ user }) => user === begun);
    this.found = isWhole ? [] : people.filter((person) => beginsWith(person, begun)).slice(0, MOST);
    this.chosen = 0;
    this.#show();
  }

  close() {
    this.found = [];
    this.#show();
  }

  /** A key in the field; returns whether it was for the list. */
  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!this.isOpen || event.isComposing) {
      return false;
    }
    if (step !== undefined) {
      this.chosen = (this.chosen + step + this.found.length) % this.found.length;
      this.#show();
    } else if (event.key === "Enter" || event.key === "Tab") {
      this.#take(this.found[this.chosen]);
    } else if (event.key === "Escape") {
      this.close();
    } else {
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  /** What stands between an "@" and the cursor, or null. */
  #begun() {
    const { value, selectionStart, selectionEnd } = this.input;
    const before = value.slice(0, selectionStart);
    const match = selectionStart === selectionEnd ? /(?:^|[^\p{L}\p{N}])@([\p{L}\p{N}._-]{0,64})$/u.exec(before) : null;
    return match === null ? null : match[1].toLowerCase();
  }

  #take({ user }) {
    const { value, selectionStart } = this.input;
    const from = value.slice(0, selectionStart).lastIndexOf("@");
    this.input.setRangeText(`@${user} `, from, selectionStart, "end");
    this.close();
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.input.focus();
  }

  #show() {
    this.element.hidden = this.found.length === 0;
    const items = this.found.map((person, index) => {
      const isChosen = index === this.chosen;
      // Before the click the field would lose the focus.
      const onpointerdown = (event) => {
        event.preventDefault();
        this.#take(person);
      };
      const given = { role: "option", id: `mention-${index}`, "aria-selected": String(isChosen), onpointerdown };
      return h(`li${isChosen ? ".chosen" : ""}`, given, avatar(person.user, person.display), h("bdi", {}, person.display), h("span.hint", {}, `@${person.user}`));
    });
    fill(this.element, ...items);
    if (this.isOpen) {
      this.input.setAttribute("aria-activedescendant", `mention-${this.chosen}`);
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }
}

function beginsWith({ user, display }, begun) {
  const words = display.toLowerCase().split(/\s+/u);
  return user.startsWith(begun) || display.toLowerCase().startsWith(begun) || words.some((word) => word.startsWith(begun));
}

/** Those of `people` whom the text mentions by "@user", each once, at most `most`. */
export function mentionedIn(text, people, most) {
  const users = new Set(people.map(({ user }) => user));
  const found = [...text.matchAll(/(?<![\p{L}\p{N}])@([a-z0-9._-]{1,64})/gu)].map((match) => {
    let user = match[1];
    while (user && !users.has(user)) {
      user = /[._-]$/u.test(user) ? user.slice(0, -1) : "";
    }
    return user;
  });
  return [...new Set(found.filter(Boolean))].slice(0, most);
}
