/** The side panel of a conversation: who is in it, who may do what, and the way out. */

import { complaint, count } from "../text.js";
import { avatar } from "./avatar.js";
import { confirmed } from "./dialogs.js";
import { fill, h, icon, iconButton, onEscape } from "./dom.js";
import { nameFor, titleOf } from "./names.js";
import { openMenu } from "./menu.js";

const RANK = { owner: 0, admin: 1, member: 2 };
const ROLE_LABEL = { owner: "owner", admin: "admin", member: "" };
/** Members shown at once; the rest on request. */
const AT_ONCE = 100;

export class Details {
  constructor(engine, id, { onClose, onOpenUser, say }) {
    this.engine = engine;
    this.id = id;
    this.onOpenUser = onOpenUser;
    this.say = say;
    this.shown = AT_ONCE;
    this.look = null;
    this.body = h("div.details-body");
    this.closeButton = iconButton("close", "Close details", onClose);
    this.element = h(
      "aside.details",
      { "aria-label": "Details", onkeydown: onEscape(onClose) },
      h("header", {}, this.closeButton, h("h2", {}, "Details")),
      this.body,
    );
    engine.wantMembers(id);
    this.update();
  }

  get row() {
    return this.engine.conversation(this.id);
  }

  close() {}

  focus() {
    this.closeButton.focus();
  }

  update() {
    const { row } = this;
    if (row === null) {
      return;
    }
    const names = Object.keys(row.members ?? {}).map((user) => this.engine.displayOf(user));
    const title = titleOf(this.engine, row);
    const look = JSON.stringify([title, row.role, row.open, row.members, names, this.shown]);
    if (look === this.look || this.element.contains(document.activeElement?.closest("form.add-member"))) {
      return;
    }
    this.look = look;
    fill(this.body, row.kind === "direct" ? this.#person(row, title) : this.#group(row, title));
  }

  #person(row, title) {
    return [
      h("div.portrait", {}, avatar(row.peer, title), h("h3", { dir: "auto" }, title), h("p.hint", {}, `@${row.peer}`)),
    ];
  }

  #group(row, title) {
    const kind = row.open ? "Open group: anybody with the link may join" : "Closed group: members are invited";
    return [
      h("div.portrait", {}, avatar(row.id, title, true), h("h3", { dir: "auto" }, title), h("p.hint", {}, kind)),
      row.open ? this.#link() : null,
      this.#mayInvite(row) ? this.#addForm() : null,
      row.members === null || row.role === null ? null : this.#members(row),
      row.role === null ? null : this.#leaveButton(title),
    ];
  }

  #mayInvite(row) {
    return ["owner", "admin"].includes(row.role) || (row.role === "member" && row.open);
  }

  #link() {
    const link = `${location.origin}${location.pathname}#/c/${encodeURIComponent(this.id)}`;
    const onclick = async () => {
      try {
        await navigator.clipboard.writeText(link);
        this.say("The link was copied.");
      } catch {
        this.say(link);
      }
    };
    return h("button.row-button", { type: "button", onclick }, icon("link"), "Copy the link to this group");
  }

  #addForm() {
    const input = h("input", {
      "aria-label": "User name to add",
      placeholder: "Add somebody by user name",
      autocapitalize: "none",
      spellcheck: "false",
      maxlength: "64",
    });
    const onsubmit = async (event) => {
      event.preventDefault();
      const user = input.value.trim().toLowerCase().replace(/^@/, "");
      if (user && (await this.#attempt("invite", { user }))) {
        input.value = "";
        input.blur();
        this.update();
      }
    };
    const button = h("button.icon-button", { type: "submit", "aria-label": "Add", title: "Add" }, icon("add"));
    return h("form.add-member", { onsubmit }, input, button);
  }

  async #attempt(command, fields) {
    if (!this.engine.isOnline) {
      this.say("It will be done as soon as the connection is back.");
    }
    try {
      await this.engine.change(this.id, command, fields);
      return true;
    } catch (error) {
      this.say(error.code === "exists" ? "Already a member." : complaint(error));
      return false;
    }
  }

  #members(row) {
    const entries = Object.entries(row.members).sort(
      ([a, one], [b, other]) => RANK[one.role] - RANK[other.role] || (a < b ? -1 : 1),
    );
    const more = entries.length - this.shown;
    const showMore = () => {
      this.shown += AT_ONCE;
      this.update();
    };
    return h(
      "section",
      { "aria-label": "Members" },
      h("h4", {}, count(entries.length, "member")),
      h("ul.members", {}, ...entries.slice(0, this.shown).map(([user, member]) => this.#member(row, user, member))),
      more > 0 ? h("button.link", { type: "button", onclick: showMore }, `Show ${more} more`) : null,
    );
  }

  #member(row, user, { role }) {
    const name = nameFor(this.engine, user);
    const actions = this.#actions(row, user, role);
    return h(
      "li",
      {},
      avatar(user, this.engine.displayOf(user)),
      h("span.title", { dir: "auto" }, name),
      h("span.subtitle", {}, `@${user}`),
      ROLE_LABEL[role] ? h("span.role", {}, ROLE_LABEL[role]) : null,
      actions.length
        ? iconButton("more", `Actions for ${name}`, (event) => openMenu(event.currentTarget, actions), {
            "aria-haspopup": "menu",
          })
        : null,
    );
  }

  #actions(row, user, role) {
    if (user === this.engine.me) {
      return [];
    }
    const set = (to) => () => this.#attempt("set_role", { user, role: to });
    const actions = [{ label: "Write a message", run: () => this.onOpenUser(user) }];
    if (row.role === "owner") {
      const other = role === "admin" ? ["Make a member", "member"] : ["Make an admin", "admin"];
      actions.push({ label: other[0], run: set(other[1]) });
      actions.push({ label: "Hand over the group", run: () => this.#handOver(user) });
    }
    if (row.role === "owner" || (row.role === "admin" && role === "member")) {
      actions.push({ label: "Remove from the group", isGrave: true, run: () => this.#attempt("remove", { user }) });
    }
    return actions;
  }

  async #handOver(user) {
    const name = this.engine.displayOf(user);
    if (await confirmed(`Make ${name} the owner? You stay as an admin.`, "Hand over")) {
      await this.#attempt("set_role", { user, role: "owner" });
    }
  }

  #leaveButton(title) {
    const onclick = async () => {
      if (await confirmed(`Leave “${title}”? You will get no more of its messages.`, "Leave")) {
        await this.#attempt("leave", {});
      }
    };
    return h("button.row-button.grave", { type: "button", onclick }, icon("out"), "Leave the group");
  }
}
