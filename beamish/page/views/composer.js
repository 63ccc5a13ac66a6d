/**
 * Where messages are written: grows with its text, Enter sends, Shift+Enter breaks the line. On a touch screen, whose
 * keyboard has no Shift+Enter, Enter breaks the line and the button sends; the field says which of both holds.
 */

import { byteLength, wellFormed } from "../protocol.js";
import { h, icon } from "./dom.js";

const MOST_PX = 180;

const isTouch = () => matchMedia("(pointer: coarse)").matches;

export class Composer {
  /** `onSend(text)` may return a promise; `draft` is what was left unsent; `limit()` is in bytes of UTF-8. */
  constructor({ onSend, onDraft, draft, limit }) {
    this.onSend = onSend;
    this.onDraft = onDraft;
    this.limit = limit;
    const hint = isTouch() ? "The button sends, Enter breaks the line" : "Enter sends, Shift+Enter breaks the line";
    this.input = h("textarea", {
      rows: "1",
      dir: "auto",
      placeholder: "Message",
      "aria-label": "Message",
      "aria-description": hint,
      title: hint,
      enterkeyhint: isTouch() ? "enter" : "send",
      oninput: () => this.#onInput(),
      onkeydown: (event) => this.#onKey(event),
    });
    this.input.value = draft;
    this.button = h("button.send", { type: "submit", "aria-label": "Send", title: "Send" }, icon("send"));
    this.problem = h("p.problem", { role: "alert", hidden: true });
    const onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    this.element = h("form.composer", { onsubmit }, this.problem, h("div.field", {}, this.input), this.button);
    requestAnimationFrame(() => this.#fit());
    this.#onInput();
  }

  focus() {
    this.input.focus();
  }

  #onInput() {
    this.onDraft(this.input.value);
    this.button.disabled = this.input.value.trim() === "";
    this.#complain("");
    this.#fit();
  }

  #fit() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(MOST_PX, this.input.scrollHeight)}px`;
  }

  #onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !isTouch()) {
      event.preventDefault();
      this.#send();
    }
  }

  async #send() {
    const text = wellFormed(this.input.value).trim();
    if (text === "") {
      return;
    }
    const over = byteLength(text) - this.limit();
    if (over > 0) {
      this.#complain(`This is too long by ${over} bytes. Send it in parts.`);
      return;
    }
    this.input.value = "";
    this.#onInput();
    try {
      await this.onSend(text);
    } catch (error) {
      this.input.value = text;
      this.#onInput();
      this.#complain(`This could not be kept for sending: ${error.message}`);
    }
  }

  #complain(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = sentence === "";
  }
}
