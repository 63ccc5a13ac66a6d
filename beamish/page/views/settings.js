/** The user's own settings: profile, privacy, blocked people, devices, the account. */

import { blocksOf, privacyOf, statusOf } from "../account.js";
import { LANE } from "../protocol.js";
import { complaint } from "../text.js";
import { avatar } from "./avatar.js";
import { rowButton } from "./details_person.js";
import { fill, h, iconButton } from "./dom.js";
import { showShortcuts } from "./shortcuts.js";
import { SettingsAccount } from "./settings_account.js";
import { SettingsDevices } from "./settings_devices.js";

const AUDIENCES = [
  ["everyone", "Everyone"],
  ["shared", "People I have written to"],
  ["nobody", "Nobody"],
];

export class Settings {
  /** `onBack()`, `onLogOut()`, `say(text)`. */
  constructor(engine, { onBack, onLogOut, say }) {
    Object.assign(this, { engine, say });
    this.devices = new SettingsDevices(engine, { say });
    this.account = new SettingsAccount(engine, { say, onLogOut });
    this.profile = h("section.panel", { "aria-label": "Profile" });
    this.privacy = h("section.panel", { "aria-label": "Privacy" });
    this.blocked = h("section.panel", { "aria-label": "Blocked people" });
    this.looks = new Map();
    this.back = iconButton("back", "Back to the conversations", onBack);
    const body = h("div.settings-body", {}, this.profile, this.privacy, this.blocked, this.devices.element, this.account.element, this.#help());
    this.element = h("section.settings", { "aria-label": "Settings" }, h("header.chat-head", {}, this.back, h("h2", {}, "Settings")), body);
    this.update();
  }

  close() {}

  focus() {
    this.back.focus();
  }

  #help() {
    return h("section.panel", { "aria-label": "Help" }, h("h3", {}, "Help"), rowButton("keyboard", "Keyboard shortcuts", () => showShortcuts()));
  }

  update() {
    const { account } = this.engine;
    if (account === null) {
      return;
    }
    const { user, display } = account;
    const names = blocksOf(account).map((one) => this.engine.displayOf(one));
    this.#fill(this.profile, [user, display, statusOf(account)], () => this.#profileParts(account));
    this.#fill(this.privacy, [privacyOf(account)], () => this.#privacyParts(account));
    this.#fill(this.blocked, [blocksOf(account), names], () => this.#blockedParts(account));
    this.devices.update();
  }

  #fill(section, look, parts) {
    const text = JSON.stringify(look);
    if (this.looks.get(section) !== text && !section.contains(document.activeElement?.closest("form"))) {
      this.looks.set(section, text);
      fill(section, ...parts());
    }
  }

  #submit(command, fields) {
    return this.engine.submit(LANE, command, fields).catch((error) => this.say(complaint(error)));
  }

  #profileParts(account) {
    const display = h("input", { id: "set-display", value: account.display, maxlength: "64", autocomplete: "name", dir: "auto" });
    const status = h("input", { id: "set-status", value: statusOf(account), maxlength: "140", placeholder: "What are you up to?", dir: "auto" });
    const problem = h("p.problem", { role: "alert" });
    const onsubmit = async (event) => {
      event.preventDefault();
      const changed = changesOf(account, display.value.trim(), status.value.trim());
      problem.textContent = changed.display === "" ? "Others need a name to call you by." : "";
      if (!problem.textContent && Object.keys(changed).length) {
        event.target.querySelector("[type=submit]").focus();
        document.activeElement.blur();
        await this.#submit("set_profile", changed);
        this.say(this.engine.isOnline ? "Saved." : "Saved here; others see it when the connection is back.");
      }
    };
    return [
      h("div.me", {}, avatar(account.user, account.display), h("div", {}, h("h3", { dir: "auto" }, account.display), h("p.hint", {}, `@${account.user}`))),
      h(
        "form",
        { onsubmit, novalidate: true },
        h("label", { for: "set-display" }, "Your name, as others see it"),
        display,
        h("label", { for: "set-status" }, "Status"),
        status,
        problem,
        h("div.buttons", {}, h("button.primary", { type: "submit" }, "Save")),
      ),
    ];
  }

  #privacyParts(account) {
    const { last_seen: audience, read_marks: isTold } = privacyOf(account);
    const choices = AUDIENCES.map(([value, label]) => h("option", { value, selected: value === audience }, label));
    const onchange = (event) => this.#submit("set_privacy", { last_seen: event.target.value });
    const onmarks = (event) => this.#submit("set_privacy", { read_marks: event.target.checked });
    return [
      h("h3", {}, "Privacy"),
      h("div.rule", {}, h("label", { for: "set-seen" }, "Who sees when I was here last"), h("select", { id: "set-seen", onchange }, ...choices)),
      h("label.check", { for: "set-marks" }, h("input", { type: "checkbox", id: "set-marks", checked: isTold, onchange: onmarks }), "Tell others what I have read"),
      h("p.hint", {}, "Both go both ways: what you do not tell, you are not told of others."),
    ];
  }

  #blockedParts(account) {
    const items = blocksOf(account).map((user) => {
      const name = this.engine.displayOf(user);
      const unblock = () => this.#submit("unblock", { user });
      return h(
        "li",
        {},
        avatar(user, name),
        h("bdi.title", {}, name),
        h("button.link", { type: "button", "aria-label": `Unblock ${name}`, onclick: unblock }, "Unblock"),
      );
    });
    const none = h("p.hint", {}, "Nobody. People are blocked in the details of their conversation.");
    return [h("h3", {}, "Blocked people"), items.length ? h("ul.people", {}, ...items) : none];
  }
}

function changesOf(account, display, status) {
  const changed = {};
  if (display !== account.display) {
    changed.display = display;
  }
  if (status !== statusOf(account)) {
    changed.status = status;
  }
  return changed;
}
