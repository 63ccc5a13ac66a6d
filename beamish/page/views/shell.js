/**
 * The signed-in page: the list on one side, the open conversation on the other, details beside it; one of them at a
 * time on a narrow screen. What is open is in the address, so Back and reload work: `#/c/<id>` a conversation,
 * `#/settings` the settings, `#join/<id>/<secret>` a group or channel that one is invited to by a link.
 */

import { directId, isChannelId, isGroupId, parseJoinHash, peerOf } from "../protocol.js";
import { complaint, unconfirmed } from "../text.js";
import { avatar } from "./avatar.js";
import { Chat } from "./chat.js";
import { ConversationActions } from "./conversation_actions.js";
import { ConversationList } from "./conversation_list.js";
import { Details } from "./details.js";
import { confirmed } from "./dialogs.js";
import { fill, h, icon, iconButton } from "./dom.js";
import { openMenu } from "./menu.js";
import { askForChannel, askForGroup, askForUser, faultOf } from "./new_dialogs.js";
import { Settings } from "./settings.js";
import { showShortcuts } from "./shortcuts.js";
import { connectionLine } from "./status.js";

export class Shell {
  constructor(engine, { say }) {
    this.engine = engine;
    this.say = say;
    this.drafts = new Map();
    this.chat = null;
    this.settings = null;
    this.details = null;
    this.actions = new ConversationActions(engine, say);
    this.list = new ConversationList(engine, {
      onOpen: (id) => this.go(id),
      onNewChat: (user) => this.#writeTo(user),
      actions: this.actions,
    });
    this.status = connectionLine(engine);
    this.head = h("header.side-head");
    this.headLook = null;
    this.side = h("section.side", { "aria-label": "Conversations" }, this.head, this.status.element, this.list.element);
    this.main = h("main.main");
    this.beside = h("div.beside");
    this.element = h("div.shell", {}, h("header.unseen", {}, h("h1", {}, "Beamish")), this.side, this.main, this.beside);
    this.onHash = () => this.#route();
    this.onKey = (event) => this.#onKey(event);
    this.onSight = () => this.#look();
    window.addEventListener("hashchange", this.onHash);
    window.addEventListener("keydown", this.onKey);
    document.addEventListener("visibilitychange", this.onSight);
    this.#route();
  }

  close() {
    window.removeEventListener("hashchange", this.onHash);
    window.removeEventListener("keydown", this.onKey);
    document.removeEventListener("visibilitychange", this.onSight);
    this.status.close();
    this.#closeMain();
  }

  focus() {
    (this.chat ?? this.settings ?? this.list).focus();
  }

  update() {
    this.#updateHead();
    this.list.update();
    this.status.update();
    this.chat?.update();
    this.settings?.update();
    this.details?.update();
    this.#look();
    const now = this.engine.now();
    const loud = this.engine.conversations().filter((row) => row.mutedUntil <= now);
    const unread = loud.reduce((sum, row) => sum + row.unread, 0);
    document.title = unread ? `(${unread > 999 ? "999+" : unread}) Beamish` : "Beamish";
  }

  /** Tell the node what is on screen. */
  #look() {
    const { screen } = this.engine;
    if (document.visibilityState !== "visible") {
      screen.show({});
      return;
    }
    const peer = this.chat?.row?.peer ?? null;
    const users = [peer, ...(this.details?.peers() ?? []), ...this.list.peers].filter((user) => user !== null);
    const row = this.chat?.row ?? null;
    // Typing is told to members; before the inbox has told anything of it the node knows of none.
    const isTold = row !== null && row.applied > 0 && row.role !== null;
    screen.show({ users, conversations: isTold ? [row.id] : [] });
  }

  /** Open a conversation, or the bare list. */
  go(id) {
    this.#goTo(id === null ? "#/" : `#/c/${encodeURIComponent(id)}`);
  }

  #goTo(hash) {
    if (location.hash === hash) {
      this.#route();
    } else {
      location.hash = hash;
    }
  }

  #updateHead() {
    const { display, user, status } = this.engine.account;
    const look = JSON.stringify([display, status]);
    if (look === this.headLook) {
      return;
    }
    this.headLook = look;
    const own = h(
      "button.who",
      { type: "button", "aria-label": `${display}, settings`, title: `@${user}`, onclick: () => this.#goTo("#/settings") },
      avatar(user, display),
      h("span.title", { dir: "auto" }, display),
      status ? h("span.subtitle", { dir: "auto" }, status) : null,
    );
    fill(
      this.head,
      h("h2", {}, own),
      iconButton("compose", "New", (event) => this.#openNew(event.currentTarget), { "aria-haspopup": "menu" }),
      iconButton("more", "More", (event) => this.#openMore(event.currentTarget), { "aria-haspopup": "menu" }),
    );
  }

  #openNew(button) {
    openMenu(button, [
      { label: "New conversation", run: () => askForUser(this.engine, (name) => this.go(directId(this.engine.me, name))) },
      { label: "New group", run: () => askForGroup(this.engine, (...given) => this.#create(() => this.engine.createGroup(...given))) },
      { label: "New channel", run: () => askForChannel((fields) => this.#create(() => this.engine.createChannel(fields))) },
    ]);
  }

  #openMore(button) {
    openMenu(button, [
      { label: "Settings", run: () => this.#goTo("#/settings") },
      { label: "Keyboard shortcuts", run: () => showShortcuts() },
      { label: "Log out", isGrave: true, run: () => this.#signOut() },
    ]);
  }

  async #signOut() {
    const question = "Log out? This browser forgets your conversations; the node keeps them.";
    if (await confirmed(`${question} ${unconfirmed(this.engine.outbox.unanswered)}`.trim(), "Log out")) {
      await this.engine.signOut();
    }
  }

  async #create(make) {
    try {
      const { conversation, done } = await make();
      this.go(conversation);
      const made = await done;
      if (this.chat?.id === conversation) {
        location.replace(`#/c/${encodeURIComponent(made.conversation)}`);
      }
    } catch (error) {
      this.say(`It was not created. ${complaint(error)}`);
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

  #onKey(event) {
    if (document.querySelector("dialog, .menu, .picker") !== null || event.isComposing) {
      return;
    }
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const isField = /^(?:INPUT|TEXTAREA|SELECT)$/u.test(event.target.tagName);
    if (event.altKey && step !== undefined) {
      event.preventDefault();
      this.#step(step);
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      this.element.dataset.open = "list";
      this.list.search.focus();
    } else if (event.key === "?" && !isField) {
      event.preventDefault();
      showShortcuts();
    }
  }

  /** To the conversation above or below. */
  #step(step) {
    const ids = this.list.ids();
    const next = ids[ids.indexOf(this.chat?.id) + step];
    if (next !== undefined) {
      this.go(next);
    }
  }

  // --- what is open --------------------------------------------------------------------------------------

  #route() {
    const match = /^#\/c\/(.+)$/.exec(location.hash);
    const invitation = parseJoinHash(location.hash);
    const id = invitation?.conversation ?? (match === null ? null : decoded(match[1]));
    const isSettings = location.hash === "#/settings";
    if ((this.chat !== null && this.chat.id === id) || (isSettings && this.settings !== null)) {
      return;
    }
    this.#closeMain();
    if (isSettings) {
      this.#openSettings();
    } else if (id !== null && this.#isOpenable(id, invitation?.secret ?? null)) {
      this.#openChat(id, invitation?.secret ?? null);
    } else {
      fill(this.main, placeholder());
    }
    this.element.dataset.open = this.chat === null && this.settings === null ? "list" : "chat";
    this.list.select(this.chat?.id ?? null);
    if (document.activeElement === document.body) {
      this.focus();
    }
  }

  #openChat(id, link) {
    this.chat = new Chat(this.engine, id, {
      drafts: this.drafts,
      actions: this.actions,
      link,
      onBack: () => this.go(null),
      onDetails: () => this.#toggleDetails(),
      say: this.say,
    });
    fill(this.main, this.chat.element);
    this.chat.messages.update();
    this.chat.focus();
  }

  #openSettings() {
    this.settings = new Settings(this.engine, {
      onBack: () => this.go(null),
      onLogOut: () => this.#signOut(),
      say: this.say,
    });
    fill(this.main, this.settings.element);
    this.settings.focus();
  }

  /** A conversation of ours, one that could begin, or one that might let us in. */
  #isOpenable(id, link) {
    if (link !== null) {
      this.#find(id, link);
      return true;
    }
    if (this.engine.conversation(id) !== null) {
      return true;
    }
    const peer = peerOf(id, this.engine.me);
    if (peer !== null && id === directId(this.engine.me, peer)) {
      this.engine.openDirect(id);
      return true;
    }
    if (isGroupId(id) || isChannelId(id)) {
      this.#find(id, null);
      return true;
    }
    return false;
  }

  async #find(id, link) {
    try {
      await this.engine.describe(id, link);
    } catch (error) {
      // Without a connection it is looked for again by whoever opens it; members see it all the same.
      const isOurs = (this.engine.conversation(id)?.role ?? null) !== null;
      if (this.chat?.id === id && this.engine.isOnline && !isOurs) {
        const isGone = ["not_found", "not_member"].includes(error.code);
        const what = link === null ? "There is no such group." : "This invitation does not hold any more.";
        this.say(isGone ? what : complaint(error));
        this.go(null);
      }
    }
  }

  #closeMain() {
    this.chat?.close();
    this.chat = null;
    this.settings?.close();
    this.settings = null;
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
      actions: this.actions,
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
