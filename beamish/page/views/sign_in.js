/** Logging in and registering; the engine's state tells everybody else when it worked. */

import { complaint } from "../text.js";
import { isUserName } from "../protocol.js";
import { fill, h, icon } from "./dom.js";

const REASONS = {
  revoked: "This browser was signed out. Log in again to go on.",
  number_used:
    "This browser's stored data was used by another copy of it. Log in again; messages that may not have been sent are kept.",
  version: "The node speaks another version of the protocol. Reload this page.",
};

export class SignIn {
  constructor(engine) {
    this.engine = engine;
    this.isNew = false;
    this.isBusy = false;
    this.canRegister = true;
    this.element = h("main.sign-in");
    this.#build();
    this.#askRegistration();
  }

  async #askRegistration() {
    if ((await this.engine.registration()) === "closed") {
      this.canRegister = false;
      this.isNew = false;
      const hadFocus = this.element.contains(document.activeElement);
      this.#build();
      if (hadFocus) {
        this.focus();
      }
    }
  }

  #build() {
    this.user = this.#userInput(this.user?.value ?? "");
    this.display = h("input", { name: "name", id: "display", autocomplete: "name", maxlength: "64" });
    this.password = this.#passwordInput();
    this.problem = h("p.problem", { role: "alert" });
    this.button = h("button.primary", { type: "submit" }, this.isNew ? "Create account" : "Log in");
    const { isNew } = this;
    const reason = REASONS[this.engine.state.why];
    const onsubmit = (event) => this.#submit(event);
    const form = h(
      "form.card",
      { onsubmit, novalidate: true },
      h("div.brand", {}, icon("logo"), h("h1", {}, "Beamish")),
      h("p.tagline", {}, isNew ? "A name, a password, and you are in." : "Good to see you."),
      reason ? h("p.reason", { role: "status" }, reason) : null,
      h("label", { for: "user" }, "User name"),
      this.user,
      isNew ? h("p.hint", {}, "Small letters, digits, dot, dash, underscore.") : null,
      isNew ? [h("label", { for: "display" }, "Your name, as others see it"), this.display] : null,
      h("label", { for: "password" }, "Password"),
      this.password,
      isNew ? h("p.hint", {}, "At least 8 characters.") : null,
      this.problem,
      this.button,
      this.#switch(),
    );
    fill(this.element, form);
  }

  #userInput(value) {
    return h("input", {
      name: "username",
      id: "user",
      autocomplete: "username",
      autocapitalize: "none",
      spellcheck: "false",
      maxlength: "64",
      required: true,
      value,
    });
  }

  #passwordInput() {
    return h("input", {
      name: "password",
      id: "password",
      type: "password",
      autocomplete: this.isNew ? "new-password" : "current-password",
      minlength: this.isNew ? "8" : null,
      maxlength: "256",
      required: true,
    });
  }

  #switch() {
    if (!this.canRegister) {
      return h("p.switch", {}, "New accounts are made by the operator of this node.");
    }
    const other = this.isNew ? "Log in instead" : "Create an account";
    return h(
      "p.switch",
      {},
      this.isNew ? "You have one already? " : "New here? ",
      h("button.link", { type: "button", onclick: () => this.#toggle() }, other),
    );
  }

  #toggle() {
    this.isNew = !this.isNew;
    this.#build();
    this.user.focus();
  }

  #complain(sentence, field) {
    this.problem.textContent = sentence;
    field?.focus();
  }

  async #submit(event) {
    event.preventDefault();
    const user = this.user.value.trim().toLowerCase();
    const password = this.password.value;
    if (!isUserName(user)) {
      this.#complain("A user name has small letters, digits, dot, dash or underscore.", this.user);
      return;
    }
    if (this.isNew && Array.from(password).length < 8) {
      this.#complain("A password has at least 8 characters.", this.password);
      return;
    }
    if (this.isBusy) {
      return;
    }
    const fields = { user, password };
    const display = this.display.value.trim();
    if (this.isNew && display) {
      fields.display = display;
    }
    await this.#run(this.isNew ? "register" : "login", fields);
  }

  async #run(command, fields) {
    this.isBusy = true;
    this.button.disabled = true;
    this.button.textContent = command === "login" ? "Logging in …" : "Creating the account …";
    this.problem.textContent = "";
    try {
      await this.engine.signIn(command, fields);
    } catch (error) {
      this.#complain(complaint(error), this.password);
    }
    this.isBusy = false;
    this.button.disabled = false;
    this.button.textContent = command === "login" ? "Log in" : "Create account";
  }

  focus() {
    this.user.focus();
  }

  update() {}

  close() {}
}
