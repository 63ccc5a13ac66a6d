/**
 * The signed-in page: the list on one side, the open conversation on the other, details beside it; one of them at a
 * time on a narrow screen. What is open is in the address (`#/c/<id>`), so Back and reload work.
 */

import { directId, isGroupId, peerOf } from "../protocol.js";
import { complaint, unconfirmed } from "../text.js";
import { avatar } from "./avatar.js";
import { Chat } from "./chat.js";
import { ConversationList } from "./conversation_list.js";
import { Details } from "./details.js";
import { askForGroup, askForUser, confirmed, faultOf } from "./dialogs.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { openMenu } from "./menu.js";
import { connectionLine } from "./status.js";

export class Shell {
  constructor(engine, { say }) {
    this.engine = engine;
    this.say = say;
    this.drafts = new Map();
    this.chat = null;
    this.details = null;
    this.list = new ConversationList(engine, {
      onOpen: (id) => this.go(id),
      onNewChat: (user) => this.#writeTo(user),
    });
    this.status = connectionLine(engine);
    this.side = h("section.side", { "aria-label": "Conversations" }, this.#head(), this.status.element, this.list.element);
    this.main = h("main.main");
    this.beside = h("div.beside");
    this.element = h("div.shell", {}, h("header.unseen", {}, h("h1", {}, "Beamish")), this.side, this.main, this.beside);
    this.onHash = () => this.#route();
    this.onKey = (event) => this.#onKey(event);
    window.addEventListener("hashchange", this.onHash);
    window.addEventListener("keydown", this.onKey);
    this.#route();
  }

  close() {
    window.removeEventListener("hashchange", this.onHash);
    window.removeEventListener("keydown", this.onKey);
    this.status.close();
    this.#closeChat();
  }

  focus() {
    if (this.chat === null) {
      this.list.focus();
    } else {
      this.chat.focus();
    }
  }

  update() {
    this.list.update();
    this.status.update();
    this.chat?.update();
    this.details?.update();
    const unread = this.engine.conversations().reduce((sum, row) => sum + row.unread, 0);
    document.title = unread ? `(${unread > 999 ? "999+" : unread}) Beamish` : "Beamish";
  }

  /** Open a conversation, or the bare list. */
  go(id) {
    const hash = id === null ? "#/" : `#/c/${encodeURIComponent(id)}`;
    if (location.hash === hash) {
      this.#route();
    } else {
      location.hash = hash;
    }
  }

  #head() {
    const { display, user } = this.engine.ledger.account;
    return h(
      "header.side-head",
      {},
      avatar(user, display),
      h("h2.title", { dir: "auto", title: `@${user}` }, display),
      iconButton("chat", "New conversation", () => askForUser(this.engine, (name) => this.go(directId(this.engine.me, name)))),
      iconButton("group", "New group", () => askForGroup(this.engine, (...given) => this.#createGroup(...given))),
      iconButton("more", "More", (event) => this.#openMore(event.currentTarget), { "aria-haspopup": "menu" }),
    );
  }

  #openMore(button) {
    openMenu(button, [{ label: "Log out", isGrave: true, run: () => this.#signOut() }]);
  }

  async #signOut() {
    const question = "Log out? This browser forgets your conversations; the node keeps them.";
    if (await confirmed(`${question} ${unconfirmed(this.engine.outbox.unanswered)}`.trim(), "Log out")) {
      await this.engine.signOut();
    }
  }

  async #createGroup(title, open, members) {
    try {
      const { conversation, done } = await this.engine.createGroup(title, open, members);
      this.go(conversation);
      const made = await done;
      if (this.chat?.id === conversation) {
        location.replace(`#/c/${encodeURIComponent(made.conversation)}`);
      }
    } catch (error) {
      this.say(`The group was not created. ${complaint(error)}`);
      this.go(null);
    }
  }

  async #writeTo(user) {
    const fault = await faultOf(this.engine, user);
    if (fault) {
      this.say(fault);
      return;
    }
    this.list.search.value = "";
    this.go(directId(this.engine.me, user));
  }

  /** Alt with an arrow key goes to the conversation above or below. */
  #onKey(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!event.altKey || step === undefined || document.querySelector("dialog, .menu") !== null) {
      return;
    }
    event.preventDefault();
    const ids = this.engine.conversations().map(({ id }) => id);
    const next = ids[ids.indexOf(this.chat?.id) + step];
    if (next !== undefined) {
      this.go(next);
    }
  }

  // --- what is open --------------------------------------------------------------------------------------

  #route() {
    const match = /^#\/c\/(.+)$/.exec(location.hash);
    const id = match === null ? null : decoded(match[1]);
    if (this.chat !== null && this.chat.id === id) {
      return;
    }
    this.#closeChat();
    if (id !== null && this.#isOpenable(id)) {
      this.chat = new Chat(this.engine, id, {
        drafts: this.drafts,
        onBack: () => this.go(null),
        onDetails: () => this.#toggleDetails(),
        say: this.say,
      });
      fill(this.main, this.chat.element);
      this.chat.messages.update();
      this.chat.focus();
    } else {
      fill(this.main, placeholder());
    }
    this.element.dataset.open = this.chat === null ? "list" : "chat";
    this.list.select(this.chat?.id ?? null);
    if (document.activeElement === document.body) {
      this.focus();
    }
  }

  /** A conversation of ours, one that could begin, or a group that might let us in. */
  #isOpenable(id) {
    if (this.engine.conversation(id) !== null) {
      return true;
    }
    const peer = peerOf(id, this.engine.me);
    if (peer !== null && id === directId(this.engine.me, peer)) {
      this.engine.openDirect(id);
      return true;
    }
    if (isGroupId(id)) {
      this.#findGroup(id);
      return true;
    }
    return false;
  }

  async #findGroup(id) {
    try {
      await this.engine.describe(id);
    } catch (error) {
      if (this.chat?.id === id && this.engine.isOnline) {
        this.say(error.code === "not_found" ? "There is no such group." : complaint(error));
        this.go(null);
      }
    }
  }

  #closeChat() {
    this.chat?.close();
    this.chat = null;
    this.#closeDetails();
  }

  #toggleDetails() {
    if (this.details !== null) {
      this.#closeDetails();
      return;
    }
    if (this.chat.row === null || this.chat.row.isUnmade) {
      return;
    }
    this.details = new Details(this.engine, this.chat.id, {
      onClose: () => this.#closeDetails(),
      onOpenUser: (user) => this.go(directId(this.engine.me, user)),
      say: this.say,
    });
    fill(this.beside, this.details.element);
    this.element.dataset.details = "open";
    this.details.focus();
  }

  #closeDetails() {
    if (this.details !== null) {
      this.details.close();
      this.details = null;
      fill(this.beside);
      delete this.element.dataset.details;
      this.chat?.focus();
    }
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function placeholder() {
  return h(
    "div.placeholder",
    {},
    icon("logo"),
    h("p", {}, "Choose a conversation, or begin one."),
    h("p.hint", {}, "What you write is kept here until the node has it on disk, even without a connection."),
  );
}
