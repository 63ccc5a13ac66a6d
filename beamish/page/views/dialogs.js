/** Modal questions. The browser's dialog element keeps the focus inside. */

import { fullTimeOf, timeOf } from "../text.js";
import { avatar } from "./avatar.js";
import { h } from "./dom.js";

export function openDialog(title, ...content) {
  const heading = h("h2", { id: "dialog-title", dir: "auto" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, ...content);
  // Where the keyboard was: the browser returns it only if that element still stands.
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

export function buttons(dialogOf, label, grave = false) {
  return h(
    "div.buttons",
    {},
    h("button.plain", { type: "button", onclick: () => dialogOf().close() }, "Cancel"),
    h(`button.primary${grave ? ".grave" : ""}`, { type: "submit" }, label),
  );
}

/** Whether the user agrees. */
export function confirmed(question, label) {
  return new Promise((resolve) => {
    let agrees = false;
    const onsubmit = (event) => {
      event.preventDefault();
      agrees = true;
      dialog.close();
    };
    const dialog = openDialog(question, h("form", { onsubmit }, buttons(() => dialog, label, true)));
    dialog.addEventListener("close", () => resolve(agrees));
  });
}

/** One of `choices`, `{label, value}`; null when none was taken. */
export function choose(question, choices) {
  return new Promise((resolve) => {
    let chosen = null;
    const take = (value) => {
      chosen = value;
      dialog.close();
    };
    const entries = choices.map(({ label, value }) =>
      h("button.row-button", { type: "button", onclick: () => take(value) }, label),
    );
    const cancel = h("button.plain", { type: "button", onclick: () => dialog.close() }, "Cancel");
    const dialog = openDialog(question, h("div.choices", {}, ...entries), h("div.buttons", {}, cancel));
    dialog.addEventListener("close", () => resolve(chosen));
  });
}

/**
 * Ask for some fields and try with them until it works: `fields`: `{name, label, ...attributes of the input}`, with
 * `rows` a text area, with `options` (pairs of value and words) a choice; `attempt(values)` resolves with "" or with what is wrong. Resolves with whether it worked.
 */
export function ask(title, fields, label, attempt, { hint = "", isGrave = false } = {}) {
  return new Promise((resolve) => {
    let isDone = false;
    const inputs = fields.map(({ label: words, ...field }) => {
      const id = `ask-${field.name}`;
      return [field.name, inputOf(id, field), h("label", { for: id }, words)];
    });
    const problem = h("p.problem", { role: "alert" });
    const onsubmit = async (event) => {
      event.preventDefault();
      const submit = form.querySelector("[type=submit]");
      submit.disabled = true;
      problem.textContent = await attempt(Object.fromEntries(inputs.map(([name, input]) => [name, input.value])));
      submit.disabled = false;
      if (!problem.textContent) {
        isDone = true;
        dialog.close();
      }
    };
    const parts = inputs.flatMap(([, input, words]) => [words, input]);
    const note = hint ? h("p.hint", {}, hint) : null;
    const form = h("form", { onsubmit, novalidate: true }, note, ...parts, problem, buttons(() => dialog, label, isGrave));
    const dialog = openDialog(title, form);
    dialog.addEventListener("close", () => resolve(isDone));
  });
}

function inputOf(id, { value = "", rows, options, ...given }) {
  if (options !== undefined) {
    return h("select", { id, ...given }, ...options.map(([of, words]) => h("option", { value: of, selected: of === value }, words)));
  }
  return h(rows ? "textarea" : "input", { id, rows, value, ...given });
}

/** Something to read, with one button. */
export function tell(title, ...content) {
  const close = h("button.primary", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = openDialog(title, ...content, h("div.buttons", {}, close));
  return dialog;
}

/** How far others have come with a message: `members`: `[{user, delivered, read}]`. */
export function messageInfo(engine, record, members) {
  const stateOf = ({ delivered, read }) => {
    if (read >= record.n) {
      return "Read";
    }
    return delivered >= record.n ? "Delivered" : "Sent";
  };
  const rank = { Read: 0, Delivered: 1, Sent: 2 };
  const rows = members
    .map((member) => ({ user: member.user, state: stateOf(member) }))
    .sort((one, other) => rank[one.state] - rank[other.state])
    .map(({ user, state }) => {
      const name = engine.displayOf(user);
      return h("li", {}, avatar(user, name), h("bdi.title", {}, name), h("span.role", {}, state));
    });
  const list = rows.length ? h("ul.members", {}, ...rows) : h("p", {}, "Nobody else can see it.");
  tell("Who has read this", h("p.hint", { title: fullTimeOf(record.at) }, `Sent at ${timeOf(record.at)}`), list);
}
