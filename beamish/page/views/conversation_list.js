/**
 * The list of conversations: names, last words, ticks, unread counts and mentions; filtered by the search field.
 * Pinned ones stand first; archived ones behind a button of their own.
 */

import { isMuted, isPutAway, tickOf } from "../conversation.js";
import { withoutMarkup } from "../format.js";
import { isDeleted } from "../records.js";
import { isUserName } from "../protocol.js";
import { count, phraseOf, plain, shortWhen } from "../text.js";
import { avatar } from "./avatar.js";
import { fill, h, icon, reconcile } from "./dom.js";
import { openMenu } from "./menu.js";
import { titleOf } from "./names.js";
import { oneStop } from "./one_stop.js";
import { tick } from "./tick.js";

/** Conversations whose last words are fetched without being looked at, at most. */
const AHEAD = 40;
/** People of the list whose presence is asked for, from the top. */
const LOOKED_AT = 24;

export class ConversationList {
  /** `onOpen(id)`; `onNewChat(user)` for a name typed into the search field; `actions`: `ConversationActions`. */
  constructor(engine, { onOpen, onNewChat, actions }) {
    Object.assign(this, { engine, onOpen, onNewChat, actions });
    this.selected = null;
    this.isArchive = false;
    this.peers = [];
    this.search = h("input", {
      type: "search",
      placeholder: "Search or user name",
      "aria-label": "Search conversations",
      oninput: () => this.update(),
      onkeydown: (event) => this.#onSearchKey(event),
    });
    this.list = h("ul.conversations", { "aria-label": "Conversations" });
    this.list.addEventListener("contextmenu", (event) => this.#onContextMenu(event));
    this.refreshStop = oneStop(this.list);
    this.empty = h("div.empty", { hidden: true });
    this.archive = h("button.archive-line", { type: "button", hidden: true, onclick: () => this.#toggleArchive() });
    const onkeydown = (event) => this.#onKey(event);
    const given = { "aria-label": "Conversations", tabindex: "-1", onkeydown };
    this.scroller = h("nav.list-scroll", given, this.archive, this.list, this.empty);
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

  /** The conversations in the order of the list, for going from one to the next. */
  ids() {
    return this.#rows().map(({ id }) => id);
  }

  #rows() {
    const now = this.engine.now();
    const rows = this.engine.conversations();
    const wanted = this.search.value.trim().toLowerCase();
    const shown = wanted ? rows.filter((row) => this.#matches(row, wanted)) : rows.filter((row) => isPutAway(row, now) === this.isArchive);
    return [...shown.filter(({ pinned }) => pinned), ...shown.filter(({ pinned }) => !pinned)];
  }

  update() {
    const wanted = this.search.value.trim().toLowerCase();
    const rows = this.#rows();
    const now = this.engine.now();
    rows.slice(0, AHEAD).forEach((row) => this.#wantPreview(row));
    this.peers = rows.map(({ peer }) => peer).filter((peer) => peer !== null).slice(0, LOOKED_AT);
    const blocks = rows.map((row) => this.#block(row, now));
    const user = wanted.replace(/^@/, "");
    if (wanted && isUserName(user) && user !== this.engine.me && !rows.some((row) => row.peer === user)) {
      blocks.push(this.#newChatBlock(user));
    }
    this.#updateArchive(now, wanted);
    reconcile(this.list, blocks);
    this.refreshStop(this.list.querySelector(".selected"));
    this.empty.hidden = blocks.length > 0;
    this.list.hidden = blocks.length === 0;
    if (!blocks.length) {
      this.#fillEmpty(Boolean(wanted));
    }
  }

  #updateArchive(now, wanted) {
    const away = this.engine.conversations().filter((row) => isPutAway(row, now)).length;
    if (away === 0 && this.isArchive) {
      this.isArchive = false;
      this.update();
      return;
    }
    this.archive.hidden = away === 0 || Boolean(wanted);
    const label = this.isArchive ? "Back to all conversations" : `Archived: ${away}`;
    if (this.archive.dataset.look !== label) {
      this.archive.dataset.look = label;
      fill(this.archive, icon(this.isArchive ? "back" : "archive"), label);
    }
  }

  #toggleArchive() {
    this.isArchive = !this.isArchive;
    this.update();
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
    const state = {
      isSelected: row.id === this.selected,
      isMuted: isMuted(row, now),
      isHere: row.peer !== null && Boolean(this.engine.screen.presenceOf(row.peer)?.online),
    };
    const look = JSON.stringify([title, when, last, row.unread, row.mentions, row.pinned, state, row.role === null]);
    return { key: row.id, look, make: () => this.#item(row, title, when, last, state) };
  }

  #item(row, title, when, last, { isSelected, isMuted: muted, isHere }) {
    const given = {
      type: "button",
      "aria-current": isSelected ? "true" : null,
      "aria-haspopup": null,
      onclick: () => this.onOpen(row.id),
    };
    return h(
      "li",
      { "data-id": row.id },
      h(
        `button.conversation${isSelected ? ".selected" : ""}${muted ? ".muted" : ""}`,
        given,
        avatar(row.peer ?? row.id, title, row.kind, isHere),
        h("span.title", { dir: "auto" }, title),
        h("span.when", {}, when),
        h("span.last", {}, last.tick ? tick(last.tick) : null, h(`span.words${last.isTyping ? ".busy" : ""}`, { dir: "auto" }, last.text)),
        h(
          "span.signs",
          {},
          isHere ? h("span.unseen", {}, "online ") : null,
          muted ? icon("mute", "Muted") : null,
          row.pinned ? icon("pin", "Pinned") : null,
          row.mentions ? h("span.badge.at", {}, "@", h("span.unseen", {}, ` ${count(row.mentions, "mention")}`)) : null,
          row.unread ? h("span.badge", {}, row.unread > 999 ? "999+" : String(row.unread), h("span.unseen", {}, " unread")) : null,
        ),
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

  /** What stands under the title: who types, else the last thing said or done, unsent messages included. */
  #lastWords(row) {
    const typists = this.engine.screen.typistsIn(row.id);
    if (typists.length) {
      const words = row.kind === "direct" ? "typing …" : `${this.engine.displayOf(typists[0])} is typing …`;
      return { text: words, tick: null, isTyping: true };
    }
    const waiting = this.engine.pending(row.id).filter((command) => command.command === "send");
    if (waiting.length) {
      const { fields, failed } = waiting.at(-1);
      return { text: wordsOf(fields), tick: failed ? "failed" : "waiting" };
    }
    if (row.isUnmade) {
      return { text: "Waiting for the connection …", tick: "waiting" };
    }
    return row.preview === null ? { text: row.applied ? "…" : "", tick: null } : this.#preview(row, row.preview);
  }

  #preview(row, preview) {
    const { me } = this.engine;
    const displayOf = (user) => this.engine.displayOf(user);
    if (preview.type !== "message") {
      return { text: plain(phraseOf(preview, me, displayOf)), tick: null };
    }
    const isOwn = preview.by === me;
    if (isDeleted(preview) || preview.withheld) {
      return { text: isDeleted(preview) ? "This message was deleted" : "…", tick: null };
    }
    const who = row.kind === "group" && !isOwn && !preview.action ? `${displayOf(preview.by)}: ` : "";
    const actor = preview.action ? `${displayOf(preview.by)} ` : "";
    const isTicked = isOwn && row.kind !== "channel";
    return { text: who + actor + wordsOf(preview), tick: isTicked ? tickOf(row, preview.n, me) : null };
  }

  // --- by keyboard, by menu ------------------------------------------------------------------------------

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

  /** Beyond the ends of the list: up to the archive's button and the search field, and down again. */
  #onKey(event) {
    const stop = this.list.querySelector('[tabindex="0"]');
    const isArchive = event.target === this.archive;
    const up = isArchive || this.archive.hidden ? this.search : this.archive;
    const next = { ArrowUp: up, ArrowDown: isArchive || event.target === this.scroller ? stop : null }[event.key];
    if (next && !event.altKey) {
      event.preventDefault();
      next.focus();
    }
  }

  #onContextMenu(event) {
    const item = event.target.closest("li[data-id]");
    const row = item === null ? null : this.engine.conversation(item.dataset.id);
    const actions = row === null ? [] : this.actions.of(row);
    if (actions.length) {
      event.preventDefault();
      const isByKey = event.clientX === 0 && event.clientY === 0;
      openMenu(item.querySelector("button"), actions, { at: isByKey ? null : { x: event.clientX, y: event.clientY } });
    }
  }
}

function wordsOf({ text, mentions }) {
  return withoutMarkup(text.slice(0, 320), mentions).slice(0, 160);
}
