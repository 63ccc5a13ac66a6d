/** Password, logging out here or everywhere else, and the end of the account. */

import { complaint } from "../text.js";
import { rowButton } from "./details_person.js";
import { ask, confirmed } from "./dialogs.js";
import { h } from "./dom.js";

const OFFLINE = "This can be done when the connection is back.";

export class SettingsAccount {
  /** `onLogOut()` logs this device out. */
  constructor(engine, { say, onLogOut }) {
    Object.assign(this, { engine, say });
    this.element = h(
      "section.panel",
      { "aria-label": "Account" },
      h("h3", {}, "Account"),
      rowButton("key", "Change the password", () => this.#changePassword()),
      rowButton("out", "Log out", onLogOut),
      rowButton("out", "Log out everywhere else", () => this.#logOutElsewhere()),
      rowButton("bin", "Delete the account", () => this.#delete(), true),
    );
  }

  async #changePassword() {
    const fields = [
      { name: "old", label: "Present password", type: "password", autocomplete: "current-password", maxlength: "256" },
      { name: "fresh", label: "New password, at least 8 characters", type: "password", autocomplete: "new-password", maxlength: "256" },
    ];
    const attempt = async ({ old, fresh }) => {
      if (Array.from(fresh).length < 8) {
        return "A password has at least 8 characters.";
      }
      return this.#fault("set_password", { old, new: fresh }, "The present password is wrong.");
    };
    if (await ask("Change the password", fields, "Change", attempt, { hint: "Your other devices are logged out." })) {
      this.say("The password was changed.");
    }
  }

  async #logOutElsewhere() {
    if (await confirmed("Log out everywhere but here?", "Log out the others")) {
      this.say((await this.#fault("logout_everywhere", { except_this: true })) || "All other devices are logged out.");
    }
  }

  #delete() {
    const hint =
      "You leave all groups, your name is never given to anybody again, and what you said stays where you said it, under “Deleted account”. This cannot be undone.";
    const fields = [{ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxlength: "256" }];
    const attempt = ({ password }) => this.#fault("delete_account", { password }, "The password is wrong.");
    return ask("Delete the account", fields, "Delete for ever", attempt, { hint, isGrave: true });
  }

  /** "" or what went wrong; `wrong`: what bad credentials mean here. */
  async #fault(command, fields, wrong = "") {
    try {
      await this.engine.ask(command, fields);
      return "";
    } catch (error) {
      if (error.code === "bad_credentials" && wrong) {
        return wrong;
      }
      return this.engine.isOnline || error.code !== undefined ? complaint(error) : OFFLINE;
    }
  }
}
