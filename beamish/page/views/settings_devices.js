/** Where the user is logged in: names, when last used, and logging out from here. */

import { complaint, dayOf, shortWhen } from "../text.js";
import { ask, confirmed } from "./dialogs.js";
import { fill, h, icon, iconButton } from "./dom.js";

export class SettingsDevices {
  constructor(engine, { say }) {
    Object.assign(this, { engine, say });
    this.devices = null;
    this.problem = "";
    this.wasOnline = false;
    this.element = h("section.panel", { "aria-label": "Devices" });
    this.#show();
  }

  /** Ask again when the connection is back. */
  update() {
    if (this.engine.isOnline !== this.wasOnline) {
      this.wasOnline = this.engine.isOnline;
      this.refresh();
    }
  }

  async refresh() {
    try {
      const { devices } = await this.engine.ask("devices");
      this.devices = devices;
      this.problem = "";
    } catch (error) {
      this.problem = this.engine.isOnline ? complaint(error) : "Your devices can be seen when the connection is back.";
    }
    this.#show();
  }

  #show() {
    const items = (this.devices ?? []).map((device) => this.#item(device));
    fill(
      this.element,
      h("h3", {}, "Devices"),
      h("p.hint", {}, "Each browser, phone or program where you are logged in."),
      this.problem ? h("p.problem", { role: "alert" }, this.problem) : null,
      h("ul.devices", {}, ...items),
    );
  }

  #item(device) {
    const name = device.name || "Unnamed device";
    const actions = [iconButton("edit", `Name ${name}`, () => this.#rename(device))];
    if (!device.current) {
      actions.push(iconButton("out", `Log out ${name}`, () => this.#revoke(device, name)));
    }
    return h("li", {}, icon("device"), h("bdi.title", {}, name), h("span.subtitle", {}, this.#whenOf(device)), h("span.link-buttons", {}, ...actions));
  }

  #whenOf({ current, connected, seen, at }) {
    if (current) {
      return "This device";
    }
    const now = this.engine.now();
    const last = seen || at;
    const day = dayOf(last) === dayOf(now) ? "today" : shortWhen(last, now);
    return connected ? "Connected now" : `Last used ${day}`;
  }

  async #rename(device) {
    const fields = [{ name: "name", label: "Name", value: device.name ?? "", maxlength: "64", dir: "auto" }];
    const isDone = await ask("Name this device", fields, "Save", async ({ name }) => {
      if (!name.trim()) {
        return "Give it a name.";
      }
      return this.#fault("name_device", { device: device.device, name: name.trim() });
    });
    if (isDone) {
      await this.refresh();
    }
  }

  async #revoke(device, name) {
    if (await confirmed(`Log out ${name}? It loses its connection at once, and what it had not sent.`, "Log out")) {
      const fault = await this.#fault("revoke_device", { device: device.device });
      this.say(fault || "Logged out.");
      await this.refresh();
    }
  }

  async #fault(command, fields) {
    try {
      await this.engine.ask(command, fields);
      return "";
    } catch (error) {
      return this.engine.isOnline ? complaint(error) : "This can be done when the connection is back.";
    }
  }
}
