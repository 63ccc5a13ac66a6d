/**
 * One message as an element: who, what it answers, what it says, when, how far it has come, reactions.
 *
 * What is inside a message is reached by keyboard through the message itself (see `roving.js`), so that a long
 * conversation is not a thousand stops of the Tab key.
 */

import { isDeleted, reactionsOf } from "../records.js";
import { complaint, fullTimeOf, hueOf, isEmojiOnly, timeOf } from "../text.js";
import { h, icon } from "./dom.js";
import { nameFor } from "./names.js";
import { rich } from "./rich.js";
import { quote } from "./quote.js";
import { tick } from "./tick.js";

/** How far an own message has come, for what waits too. */
export function bubble(record, context) {
  const { isOwn, isFirst, author, isFailed, isMentioned, engine } = context;
  const classes = [isOwn ? "own" : "other", isFirst ? "first" : "more", isFailed ? "failed" : "fine"];
  if (isMentioned) {
    classes.push("to-me");
  }
  const speaker = isOwn ? "You" : engine.displayOf(record.by);
  const inside = h(
    `div.bubble${isDeleted(record) ? ".gone" : ""}${record.action ? ".action" : ""}`,
    {},
    author === null
      ? h("span.unseen", {}, `${speaker}: `)
      : h(`div.author.hue-${hueOf(record.by)}`, {}, h("bdi", {}, author)),
    record.reply === undefined ? null : quote(record, context),
    ...said(record, context),
    // Ticks come and go while one reads: they are there to be asked for, not to be announced.
    h("span.meta", { "aria-live": "off" }, ...aside(record, context)),
  );
  return h(
    `div.message.${classes.join(".")}`,
    { tabindex: "-1", role: "article" },
    inside,
    reactions(record, context),
    isFailed ? failure(record, engine) : null,
  );
}

function said(record, { engine }) {
  if (isDeleted(record)) {
    const by = record.deleted_by;
    const isOther = by !== undefined && by !== record.by;
    const words = isOther ? ["This message was deleted by ", h("bdi", {}, nameFor(engine, by).replace(/^You$/u, "you"))] : ["This message was deleted"];
    return [h("div.text", {}, ...words)];
  }
  if (record.withheld) {
    return [h("div.text", {}, "This message was edited when you were not here any more")];
  }
  const nameOf = (user) => engine.displayOf(user);
  const options = { mentions: record.mentions, me: engine.me, nameOf };
  if (record.action) {
    const who = engine.displayOf(record.by);
    return [h("div.text", { dir: "auto" }, h("bdi.actor", {}, who), " ", ...rich(record.text, options))];
  }
  const jumbo = isEmojiOnly(record.text) ? ".jumbo" : "";
  return [h(`div.text${jumbo}`, { dir: "auto" }, ...rich(record.text, options))];
}

function aside(record) {
  const when = fullTimeOf(record.at);
  const time = h("time", { datetime: new Date(record.at).toISOString(), title: when }, timeOf(record.at));
  return record.edited !== undefined && !isDeleted(record) ? [h("span.edited", {}, "edited"), time] : [time];
}

function reactions(record, { engine, onReact }) {
  const groups = reactionsOf(record);
  if (!groups.length) {
    return null;
  }
  const chips = groups.map(({ emoji, users }) => {
    const isMine = users.includes(engine.me);
    const names = users.map((user) => nameFor(engine, user)).join(", ");
    const given = {
      type: "button",
      tabindex: "-1",
      title: names,
      "aria-pressed": String(isMine),
      "aria-label": `${emoji} ${users.length}: ${names}`,
      onclick: () => onReact(record, isMine ? "" : emoji),
    };
    return h("button.reaction", given, h("span", {}, emoji), users.length > 1 ? h("span.how-many", {}, String(users.length)) : null);
  });
  return h("div.reactions", { role: "group", "aria-label": "Reactions" }, ...chips);
}

function failure({ position, failed }, { outbox }) {
  const button = (words, onclick) => h("button.link", { type: "button", onclick }, words);
  return h(
    "div.failure",
    { role: "alert" },
    h("span", {}, `Not sent. ${complaint(failed)}`),
    button("Send again", () => outbox.retry(position)),
    button("Delete", () => outbox.discard(position)),
  );
}

/** Show how far a message has come, and under which number it stands, without making it anew. */
export function setState(element, n, state) {
  element.dataset.n = n;
  if (state !== null && element.dataset.state !== state) {
    element.dataset.state = state;
    element.querySelector(".tick")?.remove();
    element.querySelector(".meta").append(tick(state));
  }
}

/** The pencil and the reply sign over a message that the pointer or the focus is on. */
export function tools(actions) {
  return h(
    "div.tools",
    { "aria-hidden": "true" },
    ...actions.map(({ name, label, run }) =>
      h("button.tool", { type: "button", tabindex: "-1", title: label, onclick: run }, icon(name)),
    ),
  );
}
