/** How a group is run: permissions, slow mode, invitation links, bans. Each part only for those who may change it. */

import { defaultPermissions, may } from "../membership.js";
import { joinHash, randomSecret } from "../protocol.js";
import { count, duration, fullTimeOf, shortWhen } from "../text.js";
import { rowButton } from "./details_person.js";
import { ask } from "./dialogs.js";
import { h } from "./dom.js";
import { nameFor } from "./names.js";

const RIGHTS = [
  ["post", "Who may write"],
  ["invite", "Who may invite"],
  ["info", "Who may change name and description"],
];
const LEAST = [
  ["member", "Every member"],
  ["admin", "Admins"],
  ["owner", "The owner"],
];
const PACES = [0, 10, 30, 60, 300, 900, 3600];
const LIVES = [
  ["", "Never"],
  ["3600000", "In 1 hour"],
  ["86400000", "In 1 day"],
  ["604800000", "In 1 week"],
];

/** `details`: `GroupDetails`. */
export function rules(details, row) {
  const isOwner = row.role === "owner";
  const isStaff = details.isStaff(row);
  return [
    isOwner || isStaff ? settings(details, row, isOwner) : null,
    may(row, "invite") || isStaff ? links(details, row) : null,
    isStaff && row.bans?.length ? bans(details, row) : null,
  ];
}

function section(title, ...content) {
  return h("section.rules", { "aria-label": title }, h("h4", {}, title), ...content);
}

function select(label, options, value, onchange) {
  const choices = options.map(([given, words]) => h("option", { value: given, selected: String(given) === String(value) }, words));
  const id = `rule-${label.toLowerCase().replace(/[^a-z]+/gu, "-")}`;
  const given = { id, onchange: (event) => onchange(event.target.value) };
  return h("div.rule", {}, h("label", { for: id }, label), h("select", given, ...choices));
}

function settings(details, row, isOwner) {
  const permissions = row.permissions ?? defaultPermissions(row.open, row.kind);
  const rights = isOwner
    ? RIGHTS.map(([right, label]) =>
        select(label, LEAST, permissions[right], (role) => details.attempt("set_permissions", { [right]: role })),
      )
    : [];
  const paces = [...new Set([...PACES, row.slowMode])].sort((a, b) => a - b).map((s) => [s, s ? `Once in ${duration(s)}` : "Off"]);
  const slow = select("Slow mode for members", paces, row.slowMode, (value) =>
    details.attempt("set_slow_mode", { seconds: Number(value) }),
  );
  const open =
    row.kind === "group" && may(row, "info")
      ? select("Joining", [["", "By invitation"], ["open", "Anybody with the link"]], row.open ? "open" : "", (value) =>
          details.attempt("set_info", { open: value === "open" }),
        )
      : null;
  return section("Rules", ...rights, slow, open);
}

function links(details, row) {
  const mine = (row.links ?? []).map((link) => linkItem(details, row, link));
  const known = row.links === null ? Object.entries(row.secrets ?? {}).map(([link]) => linkItem(details, row, { link, by: details.engine.me })) : mine;
  return section(
    "Invitation links",
    known.length ? h("ul.links", {}, ...known) : null,
    rowButton("link", "New invitation link", () => newLink(details)),
  );
}

function linkItem(details, row, { link, by, expires_at: until, uses, used }) {
  const { engine } = details;
  const secret = row.secrets?.[link];
  const says = [
    `by ${nameFor(engine, by)}`,
    uses === undefined ? count(used ?? 0, "use") : `${used ?? 0} of ${count(uses, "use")}`,
    until === undefined ? "for ever" : `until ${shortWhen(until, engine.now())}`,
  ];
  const button = (label, run, tone = "") =>
    h(`button.link${tone}`, { type: "button", "aria-label": `${label} link ${link.slice(0, 6)}`, onclick: run }, label);
  return h(
    "li",
    { title: until === undefined ? null : fullTimeOf(until) },
    h("code", {}, `${link.slice(0, 6)}…`),
    h("span.hint", {}, says.join(", ")),
    h(
      "span.link-buttons",
      {},
      secret === undefined ? null : button("Copy", () => details.copy(addressOf(details.id, secret))),
      button("Revoke", () => details.attempt("revoke_link", { link }), ".grave"),
    ),
  );
}

function addressOf(id, secret) {
  return `${location.origin}${location.pathname}${joinHash(id, secret)}`;
}

async function newLink(details) {
  const fields = [
    { name: "life", label: "Expires", options: LIVES },
    { name: "uses", label: "How often it can be used (empty: any number)", type: "number", min: "1", max: "100000", inputmode: "numeric" },
  ];
  const secret = randomSecret();
  const made = await ask("New invitation link", fields, "Make the link", async ({ life, uses }) => {
    const times = Number(uses);
    if (uses !== "" && !(Number.isSafeInteger(times) && times >= 1 && times <= 100_000)) {
      return "A number from 1 to 100,000, or nothing.";
    }
    const limits = {};
    if (life) {
      limits.expires_at = Math.round(details.engine.now() + Number(life));
    }
    if (uses) {
      limits.uses = times;
    }
    return details.fault("create_link", { link: secret, ...limits });
  });
  if (made) {
    await details.copy(addressOf(details.id, secret));
  }
}

function bans(details, row) {
  const items = row.bans.map((user) => {
    const name = details.engine.displayOf(user);
    const lift = () => details.attempt("unban", { user });
    return h("li", {}, h("bdi.title", {}, name), h("button.link", { type: "button", "aria-label": `Lift the ban on ${name}`, onclick: lift }, "Lift the ban"));
  });
  return section("Banned", h("ul.bans", {}, ...items));
}
