/** The list of conversations: names, last words, ticks, unread counts; filtered by the search field. */

import { tickOf } from "../conversation.js";
import { isUserName } from "../protocol.js";
import { phraseOf, plain, shortWhen } from "../text.js";
import { avatar } from "./avatar.js";
import { fill, h, icon, reconcile } from "./dom.js";
import { titleOf } from "./names.js";
import { tick } from "./tick.js";

/** Conversations whose last words are fetched without being looked at, at most. */
const AHEAD = 40;

export class ConversationList {
  /** `onOpen(id)`; `onNewChat(user)` for a name typed into the search field. */
  constructor(engine, { onOpen, onNewChat }) {
    this.engine = engine;
    this.onOpen = onOpen;
    this.onNewChat = onNewChat;
    this.selected = null;
    this.search = h("input", {
      type: "search",
      placeholder: "Search or user name",
      "aria-label": "Search conversations",
      oninput: () => this.update(),
      onkeydown: (event) => this.#onSearchKey(event),
    });
    this.list = h("ul.conversations", { "aria-label": "Conversations" });
    this.empty = h("div.empty", { hidden: true });
    const onkeydown = (event) => this.#onKey(event);
    const given = { "aria-label": "Conversations", tabindex: "-1", onkeydown };
    this.scroller = h("nav.list-scroll", given, this.list, this.empty);
    this.element = h("div.list-pane", {}, h("div.search", {}, icon("search"), this.search), this.scroller);
  }

  /** Where the keyboard goes on when no conversation is open. */
  focus() {
    // On a touch screen a field would call the keyboard, over what one came to see.
    if (matchMedia("(pointer: coarse)").matches) {
      this.scroller.focus({ preventScroll: true });
    } else {
      this.search.focus();
    }
  }

  select(id) {
    this.selected = id;
    this.update();
  }

  update() {
    const wanted = this.search.value.trim().toLowerCase();
    const rows = this.engine.conversations();
    const shown = rows.filter((row) => this.#matches(row, wanted));
    const now = this.engine.now();
    shown.slice(0, AHEAD).forEach((row) => this.#wantPreview(row));
    const blocks = shown.map((row) => this.#block(row, now));
    const user = wanted.replace(/^@/, "");
    if (wanted && isUserName(user) && user !== this.engine.me && !rows.some((row) => row.peer === user)) {
      blocks.push(this.#newChatBlock(user));
    }
    reconcile(this.list, blocks);
    this.empty.hidden = blocks.length > 0;
    this.list.hidden = blocks.length === 0;
    if (!blocks.length) {
      this.#fillEmpty(Boolean(wanted));
    }
  }

  #fillEmpty(isSearching) {
    const lines = isSearching
      ? [h("p", {}, "Nothing found.")]
      : [
          icon("chat"),
          h("p", {}, "No conversations yet."),
          h("p.hint", {}, "Type a user name above, or start a group."),
        ];
    fill(this.empty, ...lines);
  }

  #matches(row, wanted) {
    const title = titleOf(this.engine, row).toLowerCase();
    return title.includes(wanted) || (row.peer ?? "").includes(wanted.replace(/^@/, ""));
  }

  #wantPreview(row) {
    if (!row.isUnmade && row.floor > row.applied && row.applied > 0) {
      this.engine.wantRecent(row.id);
    }
  }

  #block(row, now) {
    const title = titleOf(this.engine, row);
    const when = row.at ? shortWhen(row.at, now) : "";
    const last = this.#lastWords(row);
    const isSelected = row.id === this.selected;
    const look = JSON.stringify([title, when, last.text, last.tick, row.unread, isSelected, row.role === null]);
    return { key: row.id, look, make: () => this.#item(row, title, when, last, isSelected) };
  }

  #item(row, title, when, last, isSelected) {
    const unread = row.unread > 999 ? "999+" : String(row.unread);
    const badge = row.unread
      ? h("span.badge", {}, unread, h("span.unseen", {}, " unread"))
      : null;
    return h(
      "li",
      {},
      h(
        `button.conversation${isSelected ? ".selected" : ""}`,
        { type: "button", "aria-current": isSelected ? "true" : null, onclick: () => this.onOpen(row.id) },
        avatar(row.peer ?? row.id, title, row.kind === "group"),
        h("span.title", { dir: "auto" }, title),
        h("span.when", {}, when),
        h("span.last", {}, last.tick ? tick(last.tick) : null, h("span.words", { dir: "auto" }, last.text)),
        badge,
      ),
    );
  }

  #newChatBlock(user) {
    const make = () =>
      h(
        "li",
        {},
        h(
          "button.conversation",
          { type: "button", onclick: () => this.onNewChat(user) },
          avatar(user, user),
          h("span.title", {}, "Write to ", h("bdi", {}, `@${user}`)),
          h("span.last", {}, "A new conversation"),
        ),
      );
    return { key: `new ${user}`, look: user, make };
  }

  /** What stands under the title: the last thing said or done, unsent messages included. */
  #lastWords(row) {
    const waiting = this.engine.pending(row.id).filter((command) => command.command === "send");
    if (waiting.length) {
      const { fields, failed } = waiting.at(-1);
      return { text: fields.text.slice(0, 160), tick: failed ? "failed" : "waiting" };
    }
    if (row.isUnmade) {
      return { text: "Waiting for the connection …", tick: "waiting" };
    }
    const { preview } = row;
    if (preview === null) {
      return { text: row.applied ? "…" : "", tick: null };
    }
    const { me } = this.engine;
    const displayOf = (user) => this.engine.displayOf(user);
    if (preview.type !== "message") {
      return { text: plain(phraseOf(preview, me, displayOf)), tick: null };
    }
    const isOwn = preview.by === me;
    const who = row.kind === "group" && !isOwn ? `${displayOf(preview.by)}: ` : "";
    return { text: who + preview.text, tick: isOwn ? tickOf(row, preview.n, me) : null };
  }

  #onSearchKey(event) {
    if (event.key === "Enter") {
      this.list.querySelector("button")?.click();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.list.querySelector("button")?.focus();
    } else if (event.key === "Escape" && this.search.value) {
      event.stopPropagation();
      this.search.value = "";
      this.update();
    }
  }

  #onKey(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") {
      return;
    }
    const buttons = [...this.list.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[at + (event.key === "ArrowDown" ? 1 : -1)];
    event.preventDefault();
    (next ?? this.search).focus();
  }
}
