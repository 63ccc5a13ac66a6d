/** Beginning something: a conversation, a group, a channel. */

import { isUserName } from "../protocol.js";
import { complaint } from "../text.js";
import { buttons, openDialog } from "./dialogs.js";
import { h } from "./dom.js";

const userField = (id, more) =>
  h("input", { id, autocapitalize: "none", autocomplete: "off", spellcheck: "false", ...more });

/** Ask for a user name; `onUser(user)` once the node knows it. */
export function askForUser(engine, onUser) {
  const input = userField("dialog-user", { maxlength: "65", required: true });
  const problem = h("p.problem", { role: "alert" });
  const onsubmit = async (event) => {
    event.preventDefault();
    const user = input.value.trim().toLowerCase().replace(/^@/, "");
    problem.textContent = await faultOf(engine, user);
    if (!problem.textContent) {
      dialog.close();
      onUser(user);
    }
  };
  const form = h(
    "form",
    { onsubmit, novalidate: true },
    h("label", { for: "dialog-user" }, "User name"),
    input,
    problem,
    buttons(() => dialog, "Write"),
  );
  const dialog = openDialog("New conversation", form);
}

/** Why `user` cannot be written to; "" when they can, or when only the connection is missing. */
export async function faultOf(engine, user) {
  if (!isUserName(user)) {
    return "A user name has small letters, digits, dot, dash or underscore.";
  }
  if (user === engine.me) {
    return "This is you.";
  }
  if (engine.ledger.user(user) !== null) {
    return "";
  }
  if (!engine.isOnline) {
    return "The name can be looked up when the connection is back.";
  }
  try {
    await engine.lookUp(user);
    return "";
  } catch (error) {
    return complaint(error);
  }
}

/** Ask for a title and members; `onGroup(title, open, members)`. */
export function askForGroup(engine, onGroup) {
  const title = h("input", { id: "group-title", maxlength: "128", required: true, dir: "auto" });
  const members = userField("group-members", { placeholder: "anna, ben.smith" });
  const open = h("input", { type: "checkbox", id: "group-open" });
  const problem = h("p.problem", { role: "alert" });
  const onsubmit = async (event) => {
    event.preventDefault();
    const names = namesOf(members.value).filter((name) => name !== engine.me);
    problem.textContent = await groupFault(engine, title.value.trim(), names);
    if (!problem.textContent) {
      dialog.close();
      onGroup(title.value.trim(), open.checked, names);
    }
  };
  const form = h(
    "form",
    { onsubmit, novalidate: true },
    h("label", { for: "group-title" }, "Name of the group"),
    title,
    h("label", { for: "group-members" }, "Members, by user name"),
    members,
    h("label.check", { for: "group-open" }, open, "Open: anybody with the link may join"),
    problem,
    buttons(() => dialog, "Create"),
  );
  const dialog = openDialog("New group", form);
}

/** The different names in a list written by hand. */
function namesOf(text) {
  const names = text.toLowerCase().split(/[\s,;]+/);
  return [...new Set(names.map((name) => name.replace(/^@/, "")).filter(Boolean))];
}

async function groupFault(engine, title, names) {
  if (!title) {
    return "Give the group a name.";
  }
  const limit = engine.session.limits.members;
  if (names.length + 1 > limit) {
    return `A group has at most ${limit} members.`;
  }
  const wrong = names.find((name) => !isUserName(name));
  if (wrong !== undefined) {
    return `“${wrong}” is no user name.`;
  }
  const unknown = names.filter((name) => engine.ledger.user(name) === null);
  for (const name of engine.isOnline ? unknown : []) {
    const fault = await faultOf(engine, name);
    if (fault) {
      return `${name}: ${fault}`;
    }
  }
  return "";
}

/** Ask for what a channel is called and says of itself; `onChannel({title, description, public})`. */
export function askForChannel(onChannel) {
  const title = h("input", { id: "channel-title", maxlength: "128", required: true, dir: "auto" });
  const description = h("textarea", { id: "channel-description", maxlength: "512", rows: "3", dir: "auto" });
  const open = h("input", { type: "checkbox", id: "channel-public", checked: true });
  const problem = h("p.problem", { role: "alert" });
  const onsubmit = (event) => {
    event.preventDefault();
    problem.textContent = title.value.trim() ? "" : "Give the channel a name.";
    if (!problem.textContent) {
      dialog.close();
      const fields = { title: title.value.trim(), public: open.checked };
      onChannel(description.value.trim() ? { ...fields, description: description.value.trim() } : fields);
    }
  };
  const form = h(
    "form",
    { onsubmit, novalidate: true },
    h("label", { for: "channel-title" }, "Name of the channel"),
    title,
    h("label", { for: "channel-description" }, "What it is about"),
    description,
    h("label.check", { for: "channel-public" }, open, "Public: anybody with the link may subscribe"),
    problem,
    buttons(() => dialog, "Create"),
  );
  const dialog = openDialog("New channel", form);
}
