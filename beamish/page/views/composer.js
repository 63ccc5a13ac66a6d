/**
 * Where messages are written: grows with its text, Enter sends, Shift+Enter breaks the line. On a touch screen, whose
 * keyboard has no Shift+Enter, Enter breaks the line and the button sends; the field says which of both holds.
 *
 * It writes a new message, an answer to one (`reply`), or changes one (`edit`); a line above says which of the latter
 * two, and Escape or its button ends it. A text that begins with "/me " says what one does.
 */

import { byteLength, wellFormed } from "../protocol.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { openPicker } from "./emoji_picker.js";
import { MentionBox, mentionedIn } from "./mention_box.js";
import { wordsOf } from "./quote.js";

const MOST_PX = 180;
const ACTION = /^\/me\s+/u;

const isTouch = () => matchMedia("(pointer: coarse)").matches;

export class Composer {
  /**
   * `onSend(text, {reply, mentions, action})` and `onEdit(record, text, mentions)` may return promises; `draft` is
   * what was left unsent; `limits()` in force; `people()` who may be mentioned; `nameOf(user)`; `onTyping()`;
   * `onEditLast()`: the arrow up in an empty field; `pause()`: seconds until the next message is allowed.
   */
  constructor(given) {
    Object.assign(this, given);
    this.mode = { name: "new" };
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
      onclick: () => this.mentions.update(),
      onblur: () => this.mentions.close(),
    });
    this.mentions = new MentionBox(this.input, this.people);
    this.input.value = this.draft;
    this.button = h("button.send", { type: "submit", "aria-label": "Send", title: "Send" }, icon("send"));
    this.problem = h("p.problem", { role: "alert", hidden: true });
    this.bar = h("div.mode", { hidden: true });
    this.wait = h("p.hint.wait", { role: "timer", hidden: true });
    const smile = iconButton("smile", "Emoji", () => openPicker(this.input, (emoji) => this.#insert(emoji)), { "aria-haspopup": "dialog" });
    const onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    const field = h("div.field", {}, this.input, smile);
    this.element = h("form.composer", { onsubmit }, this.problem, this.mentions.element, this.bar, this.wait, field, this.button);
    requestAnimationFrame(() => this.#fit());
    this.#onInput();
    this.update();
  }

  focus() {
    this.input.focus();
  }

  close() {
    clearTimeout(this.timer);
  }

  /** How long one must wait may have changed. */
  update() {
    clearTimeout(this.timer);
    const seconds = this.mode.name === "edit" ? 0 : this.pause();
    this.wait.hidden = seconds === 0;
    this.wait.textContent = seconds ? `Slow mode: you can write again in ${clock(seconds)}` : "";
    this.isPaused = seconds > 0;
    this.#enable();
    if (seconds > 0) {
      this.timer = setTimeout(() => this.update(), 1000);
    }
  }

  // --- what is written -----------------------------------------------------------------------------------

  reply(record) {
    this.#enter({ name: "reply", record }, `Answering ${this.nameOf(record.by)}`);
  }

  edit(record) {
    if (this.mode.name !== "edit") {
      this.left = this.input.value;
    }
    this.#enter({ name: "edit", record }, "Editing");
    this.input.value = record.action ? `/me ${record.text}` : record.text;
    this.#onInput();
    this.input.setSelectionRange(this.input.value.length, this.input.value.length);
  }

  #enter(mode, title) {
    if (this.mode.name === "edit" && mode.name !== "edit") {
      this.#leaveEdit();
    }
    this.mode = mode;
    this.bar.hidden = false;
    const close = iconButton("close", mode.name === "edit" ? "Stop editing" : "Do not answer it", () => this.#end());
    const words = h("span.words", { dir: "auto" }, wordsOf(mode.record));
    fill(this.bar, icon(mode.name === "edit" ? "edit" : "reply"), h("div.quote", {}, h("span.author", {}, title), words), close);
    this.button.setAttribute("aria-label", mode.name === "edit" ? "Save" : "Send");
    this.update();
    this.focus();
  }

  /** Back to writing a new message. */
  #end() {
    if (this.mode.name === "edit") {
      this.#leaveEdit();
    }
    this.mode = { name: "new" };
    this.bar.hidden = true;
    fill(this.bar);
    this.button.setAttribute("aria-label", "Send");
    this.update();
    this.focus();
  }

  #leaveEdit() {
    this.input.value = this.left ?? "";
    this.left = undefined;
    this.#onInput();
  }

  #insert(emoji) {
    this.input.setRangeText(emoji, this.input.selectionStart, this.input.selectionEnd, "end");
    this.#onInput();
    this.focus();
  }

  // --- typing --------------------------------------------------------------------------------------------

  #onInput() {
    if (this.mode.name !== "edit") {
      this.onDraft(this.input.value);
    }
    if (this.input.value.trim() !== "" && document.activeElement === this.input) {
      this.onTyping();
    }
    this.#enable();
    this.#complain("");
    this.mentions.update();
    this.#fit();
  }

  #enable() {
    this.button.disabled = this.input.value.trim() === "" || this.isPaused;
  }

  #fit() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(MOST_PX, this.input.scrollHeight)}px`;
  }

  #onKey(event) {
    if (this.mentions.onKey(event)) {
      return;
    }
    const isPlain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey && !event.isComposing;
    if (event.key === "Enter" && isPlain && !isTouch()) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "Escape" && this.mode.name !== "new") {
      event.preventDefault();
      event.stopPropagation();
      this.#end();
    } else if (event.key === "ArrowUp" && isPlain && this.input.value === "" && this.mode.name === "new") {
      event.preventDefault();
      this.onEditLast();
    }
  }

  async #send() {
    const text = wellFormed(this.input.value).trim();
    if (text === "" || this.isPaused) {
      return;
    }
    const said = text.replace(ACTION, "");
    const over = byteLength(said) - this.limits().text_bytes;
    if (over > 0) {
      this.#complain(`This is too long by ${over} bytes. Send it in parts.`);
      return;
    }
    const { mode } = this;
    const mentions = mentionedIn(said, this.people(), this.limits().mentions);
    if (mode.name === "edit") {
      await this.#attempt(text, () => this.onEdit(mode.record, mode.record.action ? said : text, mentions));
      return;
    }
    const more = {};
    if (mode.name === "reply") {
      more.reply = mode.record.n;
    }
    if (mentions.length) {
      more.mentions = mentions;
    }
    if (ACTION.test(text) && said !== "") {
      more.action = true;
    }
    await this.#attempt(text, () => this.onSend(more.action ? said : text, more));
  }

  async #attempt(text, send) {
    this.input.value = "";
    this.#onInput();
    if (this.mode.name !== "new") {
      this.#end();
    }
    try {
      await send();
    } catch (error) {
      this.input.value = text;
      this.#onInput();
      this.#complain(`This could not be kept for sending: ${error.message}`);
    }
    this.update();
  }

  #complain(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = sentence === "";
  }
}

/** Seconds as "m:ss". */
function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
