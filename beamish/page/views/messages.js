/**
 * The messages of one conversation: a scrolling window over its timeline, kept still while it changes.
 *
 * At the end it stays at the end; elsewhere what is on screen stays where it is, whatever is put above it. Near the
 * top and the bottom the timeline is moved by a page. What has been on screen while the page had the user's
 * attention is marked as read.
 */

import { isShown, tickOf } from "../conversation.js";
import { complaint, count, dayName, dayOf, fullTimeOf, hueOf, isEmojiOnly, partsOf, phraseOf, timeOf } from "../text.js";
import { Timeline } from "../timeline.js";
import { fill, h, icon, phrase, reconcile } from "./dom.js";
import { tick } from "./tick.js";

/** Messages of one author within this time stand together. */
const TOGETHER_MS = 5 * 60_000;
/** Nearer than this to an end, the next page is loaded. */
const NEAR_PX = 600;
const AT_END_PX = 40;

export class Messages {
  constructor(engine, id) {
    this.engine = engine;
    this.id = id;
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
    this.timeline = new Timeline(engine, id, () => this.update());
    this.onAttention = () => this.#markRead();
    window.addEventListener("focus", this.onAttention);
    document.addEventListener("visibilitychange", this.onAttention);
    this.resizer = new ResizeObserver(() => this.#onResize());
    this.resizer.observe(this.scroller);
    this.timeline.open(this.divider);
  }

  close() {
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
    for (const element of this.list.children) {
      if (element.dataset.n !== undefined && element.offsetTop + element.offsetHeight > top) {
        return { key: element.dataset.key, offset: element.offsetTop - top };
      }
    }
    return null;
  }

  #restore(anchor) {
    const element = anchor === null ? null : this.#elementOf(anchor.key);
    if (element !== null && element !== undefined) {
      this.scroller.scrollTop = element.offsetTop - anchor.offset;
    }
  }

  #elementOf(key) {
    return [...this.list.children].find((element) => element.dataset.key === key);
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
    const upto = this.isAtEnd && this.timeline.atEnd ? row.applied : this.#lastOnScreen();
    if (upto <= Math.max(row.read, this.marked)) {
      return;
    }
    this.marked = upto;
    const isNews = ({ type, by, n }) => type === "message" && by !== this.engine.me && n > row.read && n <= upto;
    const passed = this.timeline.records.filter(isNews).length;
    this.engine.reading.mark(this.id, upto, passed).catch(() => {});
  }

  #lastOnScreen() {
    const bottom = this.scroller.scrollTop + this.scroller.clientHeight;
    let last = 0;
    for (const element of this.list.children) {
      if (element.offsetTop + element.offsetHeight > bottom) {
        break;
      }
      last = Number(element.dataset.n) || last;
    }
    return last;
  }

  // --- what is shown -------------------------------------------------------------------------------------

  #blocks() {
    const row = this.timeline.row;
    if (row === null) {
      return [];
    }
    const blocks = [];
    const context = { row, now: this.engine.now(), at: 0, day: null, before: null, isDivided: false };
    for (const record of this.timeline.records) {
      if (isShown(record, row.kind)) {
        this.#put(blocks, context, record);
      }
    }
    if (this.timeline.atEnd) {
      for (const command of this.engine.pending(this.id)) {
        if (command.command === "send") {
          this.#put(blocks, context, this.#asRecord(command, context.at));
        }
      }
    }
    return blocks;
  }

  /** A message that waits, in the form of a record, never before the one above it. */
  #asRecord({ fields, at: composed, tag, position, failed }, above) {
    const at = Math.max(composed, above);
    const { text } = fields;
    return { type: "message", by: this.engine.me, at, text, n: 0, tag, position, failed: failed ?? null };
  }

  #put(blocks, context, record) {
    const day = dayOf(record.at);
    if (day !== context.day) {
      const name = dayName(record.at, context.now);
      const make = () => h("div.day", { role: "separator" }, h("span", {}, name));
      blocks.push({ key: `day ${day}`, look: name, make });
      context.before = null;
      context.day = day;
    }
    if (this.divider !== null && !context.isDivided && record.n > this.divider && record.by !== this.engine.me) {
      const make = () => h("div.unread-divider", { role: "separator" }, h("span", {}, "New messages"));
      blocks.push({ key: "divider", look: "", make });
      context.isDivided = true;
      context.before = null;
    }
    blocks.push(record.type === "message" ? this.#message(context, record) : this.#happening(record));
    context.before = record.type === "message" ? record : null;
    context.at = record.at;
  }

  #happening(record) {
    const parts = phraseOf(record, this.engine.me, (user) => this.engine.displayOf(user));
    const make = () => {
      const title = fullTimeOf(record.at);
      return h("div.happening", { "data-n": record.n, title }, h("span", {}, ...phrase(parts)));
    };
    return { key: `n ${record.n}`, look: JSON.stringify(parts), make };
  }

  #message(context, record) {
    const { before, row } = context;
    const isOwn = record.by === this.engine.me;
    const isFirst = before === null || before.by !== record.by || record.at - before.at > TOGETHER_MS;
    const author = row.kind === "group" && !isOwn && isFirst ? this.engine.displayOf(record.by) : null;
    const state = isOwn ? this.#stateOf(row, record) : null;
    const look = JSON.stringify([isFirst, author, record.text, record.failed?.code]);
    // A message keeps its element when it is no longer waiting but sent.
    const isOwnDevice = isOwn && record.tag && record.device === this.engine.ledger.account?.device;
    const key = record.n === 0 || isOwnDevice ? `tag ${record.tag}` : `n ${record.n}`;
    const make = () => this.#bubble(record, { isOwn, isFirst, author, isFailed: state === "failed" });
    return { key, look, make, touch: (element) => setState(element, record.n, state) };
  }

  #stateOf(row, record) {
    if (record.n === 0) {
      return record.failed === null ? "waiting" : "failed";
    }
    return tickOf(row, record.n, this.engine.me);
  }

  #bubble(record, { isOwn, isFirst, author, isFailed }) {
    const classes = [isOwn ? "own" : "other", isFirst ? "first" : "more", isFailed ? "failed" : "fine"];
    const jumbo = isEmojiOnly(record.text) ? ".jumbo" : "";
    const when = h("time", { datetime: new Date(record.at).toISOString(), title: fullTimeOf(record.at) }, timeOf(record.at));
    const speaker = isOwn ? "You" : this.engine.displayOf(record.by);
    return h(
      `div.message.${classes.join(".")}`,
      {},
      h(
        "div.bubble",
        {},
        author === null
          ? h("span.unseen", {}, `${speaker}: `)
          : h(`div.author.hue-${hueOf(record.by)}`, {}, h("bdi", {}, author)),
        h(`div.text${jumbo}`, { dir: "auto" }, ...textNodes(record.text)),
        // Ticks come and go while one reads: they are there to be asked for, not to be announced.
        h("span.meta", { "aria-live": "off" }, when),
      ),
      isFailed ? this.#failure(record) : null,
    );
  }

  #failure({ position, failed }) {
    const { outbox } = this.engine;
    return h(
      "div.failure",
      { role: "alert" },
      h("span", {}, `Not sent. ${complaint(failed)}`),
      h("button.link", { type: "button", onclick: () => outbox.retry(position) }, "Send again"),
      h("button.link", { type: "button", onclick: () => outbox.discard(position) }, "Delete"),
    );
  }
}

/** Show how far a message has come, and under which number it stands, without making it anew. */
function setState(element, n, state) {
  element.dataset.n = n;
  if (state !== null && element.dataset.state !== state) {
    element.dataset.state = state;
    element.querySelector(".tick")?.remove();
    element.querySelector(".meta").append(tick(state));
  }
}

function textNodes(text) {
  return partsOf(text).map((part) =>
    part.href === undefined
      ? part.text
      : h("a", { href: part.href, target: "_blank", rel: "noopener noreferrer" }, part.text),
  );
}
