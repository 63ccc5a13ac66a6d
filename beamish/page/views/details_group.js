/** The details of a group or channel: what it is, who is in it, how it is run. */

import { may, mayRemove, reaches } from "../membership.js";
import { complaint, count } from "../text.js";
import { avatar } from "./avatar.js";
import { rowButton, settingButtons } from "./details_person.js";
import { rules } from "./details_rules.js";
import { ask, confirmed } from "./dialogs.js";
import { h, iconButton } from "./dom.js";
import { openMenu } from "./menu.js";
import { nameFor, titleOf } from "./names.js";
import { oneStop } from "./one_stop.js";
import { rich } from "./rich.js";

const RANK = { owner: 0, admin: 1, member: 2 };
const ROLE_LABEL = { owner: "owner", admin: "admin", member: "" };
/** Members shown at once; the rest on request. */
const AT_ONCE = 100;
/** Members whose presence is asked for. */
const LOOKED_AT = 30;

export class GroupDetails {
  /** `onChange()`: more is to be shown. */
  constructor(engine, id, { onOpenUser, actions, say, onChange }) {
    Object.assign(this, { engine, id, onOpenUser, actions, say, onChange });
    this.shown = AT_ONCE;
  }

  peers() {
    const members = this.engine.conversation(this.id)?.members ?? {};
    return Object.keys(members).filter((user) => user !== this.engine.me).slice(0, LOOKED_AT);
  }

  /** All elements, for a row. */
  parts(row) {
    const title = titleOf(this.engine, row);
    const isInside = row.role !== null;
    return [
      this.#portrait(row, title),
      isInside ? settingButtons(this.engine, row, this.actions) : null,
      row.open ? rowButton("link", `Copy the link to this ${row.kind}`, () => this.#copyLink()) : null,
      isInside && may(row, "invite") ? this.#addForm(row) : null,
      row.members === null || !isInside ? null : this.#members(row),
      ...(isInside ? rules(this, row) : []),
      row.kind === "channel" && row.subscribed ? rowButton("out", "Unsubscribe", () => this.actions.unsubscribe(row), true) : null,
      isInside ? rowButton("out", `Leave the ${row.kind}`, () => this.actions.leave(row), true) : null,
    ];
  }

  #portrait(row, title) {
    const isOpen = row.kind === "channel" ? "Public channel" : "Open group: anybody with the link may join";
    const isClosed = row.kind === "channel" ? "Channel: subscribed to by invitation" : "Closed group: members are invited";
    return h(
      "div.portrait",
      {},
      avatar(row.id, title, row.kind),
      h("h3", { dir: "auto" }, title),
      h("p.hint", {}, row.open ? isOpen : isClosed),
      row.description ? h("p.description", { dir: "auto" }, ...rich(row.description)) : null,
      row.role !== null && may(row, "info")
        ? h("button.link", { type: "button", "aria-label": "Edit name and description", onclick: () => this.#editInfo(row, title) }, "Edit name and description")
        : null,
    );
  }

  #editInfo(row, title) {
    const fields = [
      { name: "title", label: "Name", value: title, maxlength: "128", dir: "auto" },
      { name: "description", label: "Description", value: row.description, maxlength: "512", rows: "4", dir: "auto" },
    ];
    return ask("Name and description", fields, "Save", async (values) => {
      const changed = {};
      if (values.title.trim() !== title) {
        changed.title = values.title.trim();
      }
      if (values.description.trim() !== row.description) {
        changed.description = values.description.trim();
      }
      if (changed.title === "") {
        return "It needs a name.";
      }
      return Object.keys(changed).length ? this.fault("set_info", changed) : "";
    });
  }

  #copyLink() {
    return this.copy(`${location.origin}${location.pathname}#/c/${encodeURIComponent(this.id)}`);
  }

  async copy(link) {
    try {
      await navigator.clipboard.writeText(link);
      this.say("The link was copied.");
    } catch {
      this.say(link);
    }
  }

  /** Carry out a command on the group; "" or what was wrong. */
  async fault(command, fields) {
    if (!this.engine.isOnline) {
      this.say("It will be done as soon as the connection is back.");
      this.engine.submit(this.id, command, fields);
      return "";
    }
    try {
      await this.engine.change(this.id, command, fields);
      return "";
    } catch (error) {
      return error.code === "exists" && command === "invite" ? "Already a member." : complaint(error);
    }
  }

  /** The same, saying what was wrong; returns whether it worked. */
  async attempt(command, fields) {
    const fault = await this.fault(command, fields);
    if (fault) {
      this.say(fault);
    }
    return fault === "";
  }

  // --- members -------------------------------------------------------------------------------------------

  #addForm(row) {
    const input = h("input", {
      "aria-label": "User name to add",
      placeholder: row.kind === "channel" ? "Add to the staff by user name" : "Add somebody by user name",
      autocapitalize: "none",
      spellcheck: "false",
      maxlength: "64",
    });
    const onsubmit = async (event) => {
      event.preventDefault();
      const user = input.value.trim().toLowerCase().replace(/^@/, "");
      if (user && (await this.attempt("invite", { user }))) {
        input.value = "";
        input.blur();
        this.onChange();
      }
    };
    return h("form.add-member", { onsubmit }, input, iconButton("add", "Add", () => {}, { type: "submit" }));
  }

  #members(row) {
    const entries = Object.entries(row.members).sort(
      ([a, one], [b, other]) => RANK[one.role] - RANK[other.role] || (a < b ? -1 : 1),
    );
    const more = entries.length - this.shown;
    const showMore = () => {
      this.shown += AT_ONCE;
      this.onChange();
    };
    const list = h("ul.members", {}, ...entries.slice(0, this.shown).map(([user, member]) => this.#member(row, user, member)));
    oneStop(list);
    const heading = row.kind === "channel" ? "Staff" : count(entries.length, "member");
    return h(
      "section",
      { "aria-label": "Members" },
      h("h4", {}, heading),
      list,
      more > 0 ? h("button.link", { type: "button", onclick: showMore }, `Show ${more} more`) : null,
    );
  }

  #member(row, user, { role }) {
    const name = nameFor(this.engine, user);
    const actions = this.#memberActions(row, user, role);
    const presence = this.engine.screen.presenceOf(user);
    return h(
      "li",
      {},
      avatar(user, this.engine.displayOf(user), "direct", Boolean(presence?.online)),
      h("span.title", { dir: "auto" }, name),
      h("span.subtitle", { dir: "auto" }, presence?.status || `@${user}`),
      ROLE_LABEL[role] ? h("span.role", {}, ROLE_LABEL[role]) : null,
      actions.length
        ? iconButton("more", `Actions for ${name}`, (event) => openMenu(event.currentTarget, actions), {
            "aria-haspopup": "menu",
          })
        : null,
    );
  }

  #memberActions(row, user, role) {
    if (user === this.engine.me) {
      return [];
    }
    const set = (to) => () => this.attempt("set_role", { user, role: to });
    const actions = [{ label: "Write a message", run: () => this.onOpenUser(user) }];
    if (row.role === "owner") {
      const other = role === "admin" ? ["Make a member", "member"] : ["Make an admin", "admin"];
      actions.push({ label: other[0], run: set(other[1]) });
      actions.push({ label: `Hand over the ${row.kind}`, run: () => this.#handOver(user) });
    }
    if (mayRemove(row.role, role)) {
      actions.push({ label: `Remove from the ${row.kind}`, isGrave: true, run: () => this.attempt("remove", { user }) });
      actions.push({ label: "Ban", isGrave: true, run: () => this.ban(user) });
    }
    return actions;
  }

  async ban(user) {
    const name = this.engine.displayOf(user);
    if (await confirmed(`Ban ${name}? They are removed and cannot come back, by no link and no invitation.`, "Ban")) {
      await this.attempt("ban", { user });
    }
  }

  async #handOver(user) {
    const name = this.engine.displayOf(user);
    if (await confirmed(`Make ${name} the owner? You stay as an admin.`, "Hand over")) {
      await this.attempt("set_role", { user, role: "owner" });
    }
  }

  /** Whether the user runs this: the owner and admins do. */
  isStaff(row) {
    return reaches(row.role, "admin");
  }
}
