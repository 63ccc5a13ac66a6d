/** One conversation: its head, its messages, and the place to write, or why one cannot write. */

import { may } from "../membership.js";
import { complaint, count, lastSeen, plain, typingPhrase } from "../text.js";
import { avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { fill, h, iconButton } from "./dom.js";
import { openMenu } from "./menu.js";
import { Messages } from "./messages.js";
import { nameFor, titleOf } from "./names.js";

export class Chat {
  /** `drafts`: Map of what was left unsent, by conversation; `actions`: `ConversationActions`; `link`: a secret. */
  constructor(engine, id, { drafts, actions, onBack, onDetails, say, link = null }) {
    Object.assign(this, { engine, id, drafts, actions, onBack, onDetails, say, link });
    this.messages = new Messages(engine, id, {
      onReply: (record) => this.composer?.reply(record),
      onEdit: (record) => this.composer?.edit(record),
      onLeave: () => this.composer?.focus(),
      say,
    });
    this.head = h("header.chat-head");
    this.foot = h("footer.chat-foot");
    this.footState = null;
    this.headLook = null;
    this.composer = null;
    this.isFocusDue = false;
    this.element = h("section.chat", { "aria-label": "Conversation" }, this.head, this.messages.element, this.foot);
    const row = this.row;
    if (row === null || (row.kind !== "direct" && (row.members === null || row.permissions === null))) {
      engine.wantMembers(id);
    }
    engine.following.watch(id);
    this.update();
  }

  get row() {
    return this.engine.conversation(this.id);
  }

  close() {
    this.engine.following.watch(null);
    this.composer?.close();
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
    const { words, tone } = this.#subtitle(row);
    const look = JSON.stringify([title, words, tone, row?.kind]);
    if (look !== this.headLook) {
      const before = this.headLook === null ? null : JSON.parse(this.headLook);
      this.headLook = look;
      if (before !== null && before[0] === title && before[3] === row?.kind) {
        fill(this.head.querySelector(".subtitle"), h(`bdi.${tone}`, {}, words));
      } else {
        this.#fillHead(row, title, words, tone);
      }
    }
    this.#updateFoot(row);
    this.composer?.update();
  }

  #fillHead(row, title, words, tone) {
    const details = h(
      "button.who",
      { type: "button", "aria-label": `${title}, details`, onclick: this.onDetails },
      avatar(row?.peer ?? this.id, title, row?.kind),
      h("span.title", { dir: "auto" }, title),
      h("span.subtitle", {}, h(`bdi.${tone}`, {}, words)),
    );
    fill(
      this.head,
      iconButton("back", "Back to the conversations", this.onBack, { class: "icon-button back" }),
      h("h2", {}, details),
      iconButton("info", "Details", this.onDetails),
      iconButton("more", "More about this conversation", (event) => this.#openMore(event.currentTarget), {
        "aria-haspopup": "menu",
      }),
    );
    this.element.setAttribute("aria-label", `Conversation: ${title}`);
    this.messages.scroller.setAttribute("aria-label", `Messages: ${title}`);
  }

  #openMore(button) {
    const { row } = this;
    const actions = row === null ? [] : this.actions.of(row);
    openMenu(button, [{ label: "Details", run: () => this.onDetails() }, ...actions]);
  }

  /** What stands below the title, and how: "busy" for typing, "here" for online, else "still". */
  #subtitle(row) {
    if (row === null) {
      return { words: "", tone: "still" };
    }
    const { screen, me } = this.engine;
    const typists = screen.typistsIn(this.id).filter((user) => user !== me);
    if (typists.length) {
      const names = typists.map((user) => this.engine.displayOf(user));
      return { words: row.kind === "direct" ? "typing …" : plain(typingPhrase(names)), tone: "busy" };
    }
    return row.kind === "direct" ? this.#personLine(row) : { words: this.#groupLine(row), tone: "still" };
  }

  #personLine(row) {
    if (row.isBlocked) {
      return { words: "blocked", tone: "still" };
    }
    const presence = this.engine.screen.presenceOf(row.peer);
    if (presence?.online) {
      return { words: "online", tone: "here" };
    }
    const seen = presence?.last_seen;
    return { words: seen ? lastSeen(seen, this.engine.now()) : `@${row.peer}`, tone: "still" };
  }

  #groupLine(row) {
    if (row.isUnmade) {
      return "Waiting for the connection …";
    }
    if (row.kind === "channel") {
      return row.open ? "Public channel" : "Channel";
    }
    if (row.members === null || row.role === null) {
      return row.open ? "Open group" : "Group";
    }
    const names = Object.keys(row.members);
    const shown = names.slice(0, 8).map((user) => nameFor(this.engine, user));
    return `${count(names.length, "member")}: ${shown.join(", ")}${names.length > 8 ? ", …" : ""}`;
  }

  // --- the place to write --------------------------------------------------------------------------------

  #updateFoot(row) {
    const state = footStateOf(row, this.link);
    if (state === this.footState) {
      return;
    }
    this.footState = state;
    this.composer?.close();
    this.composer = null;
    fill(this.foot, this.#footOf(state));
    // The place to write comes once it is known that one may; nobody has gone elsewhere meanwhile.
    if (this.composer !== null && this.isFocusDue && document.activeElement === this.messages.scroller) {
      this.focus();
    }
    this.isFocusDue &&= this.composer === null;
  }

  #footOf(state) {
    const notice = (...words) => h("div.notice", {}, ...words);
    switch (state) {
      case "write":
        this.composer = this.#makeComposer();
        return this.composer.element;
      case "join":
        return notice("Anybody may join this group. ", this.#button("Join", () => this.#join()));
      case "invited":
        return notice("You are invited to this group. ", this.#button("Join", () => this.#join()));
      case "subscribe":
        return notice("Get what is posted here. ", this.#button("Subscribe", () => this.#subscribe()));
      case "reader":
        return notice("Only the channel's staff write here.");
      case "listener":
        return notice("Only admins may write here.");
      case "blocked":
        return notice("You blocked this person. ", this.#button("Unblock", async () => this.actions.unblock(this.row.peer)));
      case "left":
        return notice("You are no longer a member of this group.");
      case "unmade":
        return notice("It is created as soon as the connection is back.");
      default:
        return notice("Looking for this conversation …");
    }
  }

  #makeComposer() {
    return new Composer({
      draft: this.drafts.get(this.id) ?? "",
      onDraft: (text) => this.drafts.set(this.id, text),
      limits: () => this.engine.session.limits,
      people: () => this.#people(),
      nameOf: (user) => nameFor(this.engine, user).replace(/^You$/u, "yourself"),
      pause: () => this.#pause(),
      onTyping: () => this.engine.screen.typing(this.id),
      onEditLast: () => {
        const record = this.messages.lastOwn();
        if (record !== null) {
          this.composer.edit(record);
        }
      },
      onEdit: (record, text, mentions) => this.#edit(record, text, mentions),
      onSend: (text, more) => this.#send(text, more),
    });
  }

  async #send(text, more) {
    this.messages.divider = null;
    this.messages.isAtEnd = true;
    await this.engine.send(this.id, text, more);
    if (!this.messages.timeline.atEnd) {
      await this.messages.timeline.open();
    }
  }

  async #edit(record, text, mentions) {
    if (text !== record.text) {
      const more = mentions.length ? { mentions } : {};
      await this.engine.submit(this.id, "edit", { target: record.n, text, ...more });
    }
  }

  /** Who may be mentioned: the other members. */
  #people() {
    const members = Object.keys(this.row?.members ?? {}).filter((user) => user !== this.engine.me);
    return members.map((user) => ({ user, display: this.engine.displayOf(user) }));
  }

  /** Seconds until slow mode lets the user write again. */
  #pause() {
    const { row } = this;
    if (row === null || !row.slowMode || row.role !== "member") {
      return 0;
    }
    const { me } = this.engine;
    const own = this.messages.timeline.records.findLast(({ type, by }) => type === "message" && by === me);
    const waiting = this.engine.pending(this.id).findLast(({ command, failed }) => command === "send" && !failed);
    const last = Math.max(own?.at ?? 0, waiting?.at ?? 0);
    return Math.max(0, Math.ceil((last + row.slowMode * 1000 - this.engine.now()) / 1000));
  }

  #button(words, run) {
    const onclick = async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      try {
        await run();
      } catch (error) {
        this.say(complaint(error));
      }
      button.disabled = false;
    };
    return h("button.primary", { type: "button", onclick }, words);
  }

  async #join() {
    await this.engine.change(this.id, "join", this.link === null ? {} : { link: this.link });
    this.engine.wantMembers(this.id);
  }

  async #subscribe() {
    this.actions.subscribe(this.row, this.link);
  }
}

/** Which foot a conversation has; `link`: the secret of an invitation to it, or null. */
function footStateOf(row, link) {
  if (row === null) {
    return "unknown";
  }
  if (row.isUnmade) {
    return "unmade";
  }
  if (row.isBlocked) {
    return "blocked";
  }
  if (row.kind === "channel" && row.role === null) {
    return row.subscribed ? "reader" : "subscribe";
  }
  if (row.role === null) {
    return link === null ? (row.open ? "join" : "left") : "invited";
  }
  return may(row, "post") ? "write" : "listener";
}
