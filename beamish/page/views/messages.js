/**
 * The messages of one conversation: a scrolling window over its timeline, kept still while it changes.
 *
 * At the end it stays at the end; elsewhere what is on screen stays where it is, whatever is put above it. Near the
 * top and the bottom the timeline is moved by a page. What has been on screen while the page had the user's
 * attention is marked as read.
 */

import { isNews, mentionsUser } from "../records.js";
import { recordWith } from "../overlay.js";
import { count } from "../text.js";
import { Timeline } from "../timeline.js";
import { Blocks } from "./blocks.js";
import { tools } from "./bubble.js";
import { fill, h, icon, reconcile } from "./dom.js";
import { MessageActions } from "./message_actions.js";
import { Originals } from "./quote.js";
import { Roving } from "./roving.js";

/** Nearer than this to an end, the next page is loaded. */
const NEAR_PX = 600;
const AT_END_PX = 40;
const EMPHASIS_MS = 2_000;

export class Messages {
  /** `onReply(record)`, `onEdit(record)`, `onLeave()` (the keyboard goes to the composer), `say(text)`. */
  constructor(engine, id, { onReply, onEdit, onLeave, say }) {
    this.engine = engine;
    this.id = id;
    this.say = say;
    this.actions = new MessageActions(engine, id, { onReply, onEdit, say });
    this.originals = new Originals(engine, id, () => this.update());
    this.blocks = new Blocks(engine, id, this.originals, {
      onReact: (record, emoji) => this.actions.react(record, emoji),
      onJump: (n) => this.goTo(n),
    });
    const row = engine.conversation(id);
    this.divider = row !== null && row.unread > 0 && row.read > 0 ? row.read : null;
    this.isAtEnd = this.divider === null;
    this.isPlaced = false;
    this.marked = 0;
    this.list = h("div.messages");
    this.note = h("p.history-note", { role: "status" });
    this.scroller = h(
      "div.scroller",
      { tabindex: "0", role: "log", "aria-label": "Messages", onscroll: () => this.#onScroll() },
      this.note,
      this.list,
    );
    this.jump = h("button.jump", { type: "button", "aria-label": "To the newest message", hidden: true });
    this.jump.addEventListener("click", () => this.toEnd());
    this.element = h("div.messages-pane", {}, this.scroller, this.jump);
    this.tools = null;
    new Roving(this.scroller, this.list, { onCommand: (element, key) => this.#onCommand(element, key), onLeave });
    this.#listen();
    this.timeline = new Timeline(engine, id, () => this.update());
    this.onAttention = () => this.#markRead();
    window.addEventListener("focus", this.onAttention);
    document.addEventListener("visibilitychange", this.onAttention);
    this.resizer = new ResizeObserver(() => this.#onResize());
    this.resizer.observe(this.scroller);
    this.timeline.open(this.divider);
  }

  close() {
    clearTimeout(this.emphasisTimer);
    this.timeline.close();
    this.resizer.disconnect();
    window.removeEventListener("focus", this.onAttention);
    document.removeEventListener("visibilitychange", this.onAttention);
  }

  /** Show the newest, and stay there. */
  async toEnd() {
    this.isAtEnd = true;
    if (!this.timeline.atEnd) {
      await this.timeline.open();
    }
    this.update();
    this.scroller.focus({ preventScroll: true });
  }

  update() {
    const anchor = this.isAtEnd ? null : this.#anchor();
    this.scroller.setAttribute("aria-busy", String(this.timeline.busy !== null));
    reconcile(this.list, this.#blocks());
    this.#emphasise();
    this.#updateNote();
    if (!this.isPlaced && this.divider !== null && this.timeline.records.length) {
      this.isPlaced = true;
      this.list.querySelector(".unread-divider")?.scrollIntoView({ block: "center" });
    } else if (this.isAtEnd) {
      this.#scrollToEnd();
    } else {
      this.#restore(anchor);
    }
    this.#updateJump();
    this.#markRead();
    this.#loadMore();
  }

  // --- scrolling -----------------------------------------------------------------------------------------

  /** The first record on screen, and where it is. A day's name will not do: it sticks to the top. */
  #anchor() {
    const top = this.scroller.scrollTop;
    const { children } = this.list;
    for (let at = this.#firstBelow(top); at < children.length; at += 1) {
      const element = children[at];
      if (element.dataset.n !== undefined) {
        return { key: element.dataset.key, offset: element.offsetTop - top };
      }
    }
    return null;
  }

  /** Which child of the list is the first to end below `y`; by halves, since they stand in order. */
  #firstBelow(y) {
    const { children } = this.list;
    let low = 0;
    let high = children.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (endOf(children[middle]) > y) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  #restore(anchor) {
    const element = anchor === null ? null : this.#elementOf(anchor.key);
    if (element !== null && element !== undefined) {
      this.scroller.scrollTop = element.offsetTop - anchor.offset;
    }
  }

  #elementOf(key) {
    return this.list.querySelector(`[data-key="${CSS.escape(key)}"]`);
  }

  #scrollToEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #onResize() {
    if (this.isAtEnd) {
      this.#scrollToEnd();
    }
    this.#markRead();
  }

  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.isAtEnd = this.timeline.atEnd && scrollHeight - clientHeight - scrollTop < AT_END_PX;
    this.#updateJump();
    this.#markRead();
    this.#loadMore();
  }

  #loadMore() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const { timeline } = this;
    if (timeline.busy !== null || timeline.problem !== null || clientHeight === 0) {
      return;
    }
    if (scrollTop < NEAR_PX && !timeline.atStart) {
      timeline.earlier();
    } else if (scrollHeight - clientHeight - scrollTop < NEAR_PX && !timeline.atEnd) {
      timeline.later();
    }
  }

  #updateNote() {
    const { timeline } = this;
    const row = timeline.row;
    this.note.textContent = "";
    if (timeline.problem !== null || (!timeline.atStart && !this.engine.isOnline)) {
      this.note.textContent = "Earlier messages come when the connection is back.";
    } else if (timeline.busy !== null && !timeline.atStart) {
      this.note.textContent = "Loading …";
    } else if (timeline.atStart && row?.kind === "direct" && !this.list.childElementCount) {
      this.note.textContent = "Nothing said yet. Write the first message.";
    }
    if (timeline.problem === "offline" && this.engine.isOnline) {
      timeline.problem = null;
    }
  }

  #updateJump() {
    const row = this.timeline.row;
    const unread = row?.unread ?? 0;
    this.jump.hidden = this.isAtEnd;
    if (this.jump.dataset.unread === String(unread)) {
      return;
    }
    this.jump.dataset.unread = unread;
    const label = unread ? `To the newest message, ${count(unread, "unread message")}` : "To the newest message";
    this.jump.setAttribute("aria-label", label);
    fill(this.jump, icon("down"), unread ? h("span.badge", { "aria-hidden": "true" }, String(unread)) : null);
  }

  // --- reading -------------------------------------------------------------------------------------------

  #markRead() {
    const row = this.timeline.row;
    const isSeen = document.visibilityState === "visible" && document.hasFocus();
    if (row === null || row.isUnmade || !isSeen || !this.timeline.records.length) {
      return;
    }
    const isAll = this.isAtEnd && this.timeline.atEnd;
    if (!isAll && this.timeline.records.at(-1).n <= Math.max(row.read, this.marked)) {
      return;
    }
    const upto = isAll ? row.applied : this.#lastOnScreen();
    if (upto <= Math.max(row.read, this.marked)) {
      return;
    }
    this.marked = upto;
    const { me } = this.engine;
    const passed = this.timeline.records.filter((record) => record.n <= upto && isNews(record, me, row.read));
    const mentioned = passed.filter((record) => mentionsUser(record, me)).length;
    this.engine.reading.mark(this.id, upto, passed.length, mentioned).catch(() => {});
  }

  #lastOnScreen() {
    const { children } = this.list;
    let at = this.#firstBelow(this.scroller.scrollTop + this.scroller.clientHeight) - 1;
    while (at >= 0 && !Number(children[at].dataset.n)) {
      at -= 1;
    }
    return at < 0 ? 0 : Number(children[at].dataset.n);
  }

  // --- what is shown -------------------------------------------------------------------------------------

  #blocks() {
    const row = this.timeline.row;
    if (row === null) {
      return [];
    }
    const { records, atEnd } = this.timeline;
    records.forEach((record) => this.originals.note(record));
    return this.blocks.of(row, records, { divider: this.divider, atEnd });
  }

  /** The record of a message's element as it is shown; null of one that waits to be sent. */
  #recordOf(element) {
    const n = Number(element.dataset.n);
    const told = this.timeline.records.find((record) => record.n === n);
    return told === undefined ? null : recordWith(told, this.engine.pending(this.id), this.engine.me);
  }

  /** The newest own message that can still be edited, or null. */
  lastOwn() {
    const shown = this.timeline.records.map((record) => recordWith(record, this.engine.pending(this.id), this.engine.me));
    return shown.findLast((record) => record.type === "message" && this.actions.mayEdit(record)) ?? null;
  }

  // --- going to a message --------------------------------------------------------------------------------

  /** Show record `n`, and mark it for a moment. */
  async goTo(n) {
    if (!this.timeline.records.some((record) => record.n === n)) {
      this.isAtEnd = false;
      await this.timeline.openAt(n);
      this.update();
    }
    const element = this.list.querySelector(`[data-n="${n}"]`);
    if (element === null) {
      this.say(this.engine.isOnline ? "This message is not here any more." : "It can be read when the connection is back.");
      return;
    }
    this.isAtEnd = false;
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
    this.emphasised = n;
    this.#emphasise();
  }

  #emphasise() {
    if (this.emphasised === undefined) {
      return;
    }
    this.list.querySelector(".emphasised")?.classList.remove("emphasised");
    this.list.querySelector(`[data-n="${this.emphasised}"]`)?.classList.add("emphasised");
    clearTimeout(this.emphasisTimer);
    this.emphasisTimer = setTimeout(() => {
      this.emphasised = undefined;
      this.list.querySelector(".emphasised")?.classList.remove("emphasised");
    }, EMPHASIS_MS);
  }

  // --- what is done with messages ------------------------------------------------------------------------

  #listen() {
    this.list.addEventListener("contextmenu", (event) => {
      const element = event.target.closest(".message");
      const isText = event.target.closest("a") !== null || !document.getSelection().isCollapsed;
      const record = element === null || isText ? null : this.#recordOf(element);
      if (record !== null) {
        event.preventDefault();
        const isByKey = event.clientX === 0 && event.clientY === 0;
        this.actions.open(element, record, isByKey ? null : { x: event.clientX, y: event.clientY });
      }
    });
    const show = (event) => this.#showTools(event.target.closest(".message"));
    this.list.addEventListener("pointerover", (event) => event.pointerType === "mouse" && show(event));
    this.list.addEventListener("focusin", show);
    this.list.addEventListener("pointerleave", () => this.#showTools(null));
  }

  /** The few most wanted actions, on the message that the pointer or the focus is on. */
  #showTools(element) {
    if (element !== null && this.tools?.parentElement === element.querySelector(".bubble")) {
      return;
    }
    this.tools?.remove();
    this.tools = null;
    const record = element === null ? null : this.#recordOf(element);
    if (record === null) {
      return;
    }
    const { actions } = this;
    const offered = [
      actions.mayReact(record) && { name: "smile", label: "React", run: () => actions.pickReaction(element, record) },
      actions.mayReply(record) && { name: "reply", label: "Reply", run: () => actions.onReply(record) },
      { name: "more", label: "More", run: () => actions.open(element, record) },
    ].filter(Boolean);
    this.tools = tools(offered);
    element.querySelector(".bubble").append(this.tools);
  }

  #onCommand(element, key) {
    const record = this.#recordOf(element);
    if (record === null) {
      return false;
    }
    const { actions } = this;
    const commands = {
      Enter: () => actions.open(element, record),
      " ": () => actions.open(element, record),
      r: () => actions.mayReply(record) && actions.onReply(record),
      e: () => actions.mayEdit(record) && actions.onEdit(record),
      "+": () => actions.mayReact(record) && actions.pickReaction(element, record),
      Delete: () => actions.mayDelete(record) && actions.remove(record),
    };
    commands[key]?.();
    return key in commands;
  }
}

/** Where an element ends. A day's name is where it sticks, so what follows it says where it stands. */
function endOf(element) {
  const solid = element.classList.contains("day") ? (element.nextElementSibling ?? element) : element;
  return solid === element ? element.offsetTop + element.offsetHeight : solid.offsetTop;
}
