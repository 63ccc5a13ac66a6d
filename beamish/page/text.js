/**
 * Words for people: times, days, what happened in a conversation, links in a text. Pure; no markup is made here.
 *
 * A *phrase* is an array of strings and `{name}` parts: names come from other people, so views put each into an
 * element of its own, isolated in direction.
 */

const DAY_MS = 86_400_000;

const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const fullTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

export function timeOf(at) {
  return clockTime.format(at);
}

export function fullTimeOf(at) {
  return fullTime.format(at);
}

/** A number that is the same for all times of one day here. */
export function dayOf(at) {
  const date = new Date(at);
  return Math.floor(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / DAY_MS);
}

/** "Today", "Yesterday", a weekday, or a date. */
export function dayName(at, now) {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0) {
    return "Today";
  }
  if (ago === 1) {
    return "Yesterday";
  }
  return ago > 1 && ago < 7 ? weekday.format(at) : longDate.format(at);
}

/** The shortest that tells when: a time today, else a day. */
export function shortWhen(at, now) {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0) {
    return timeOf(at);
  }
  if (ago === 1) {
    return "Yesterday";
  }
  return ago > 1 && ago < 7 ? weekday.format(at) : shortDate.format(at);
}

const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"'`\u0000-\u001f\u007f]+/giu;
const TRAILING = /[.,;:!?…]+$/u;

/** The link without what belongs to the sentence around it: final stops, brackets never opened in it. */
function trimmed(url) {
  let link = url.replace(TRAILING, "");
  for (const [open, close] of ["()", "[]", "{}"]) {
    while (link.endsWith(close) && link.split(close).length > link.split(open).length) {
      link = link.slice(0, -1).replace(TRAILING, "");
    }
  }
  return link;
}

/** A text as parts `{text}` and `{text, href}`; only http, https and mailto become links. */
export function partsOf(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const link = trimmed(match[0]);
    const href = hrefOf(link);
    if (href === null) {
      continue;
    }
    if (match.index > from) {
      parts.push({ text: text.slice(from, match.index) });
    }
    parts.push({ text: link, href });
    from = match.index + link.length;
  }
  if (from < text.length) {
    parts.push({ text: text.slice(from) });
  }
  return parts;
}

function hrefOf(link) {
  try {
    const url = new URL(link);
    const isWeb = ["http:", "https:"].includes(url.protocol) && url.hostname !== "";
    return isWeb || (url.protocol === "mailto:" && /^[^@\s]+@[^@\s]+$/u.test(url.pathname)) ? url.href : null;
  } catch {
    return null;
  }
}

const FEW_EMOJI = /^(?:(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u200d|\ufe0f)\s*){1,12}$/u;

/** Whether the text is nothing but a few emoji, which are then shown large. */
export function isEmojiOnly(text) {
  return text.length <= 24 && FEW_EMOJI.test(text.trim());
}

const ROLE_NAMES = { owner: "the owner", admin: "an admin", member: "a member" };

/** What a record other than a message says, as a phrase; `me` is spoken to. */
export function phraseOf(record, me, displayOf) {
  const named = (user, you) => ({ name: user === me ? you : displayOf(user) });
  const by = named(record.by, "You");
  const user = record.user === undefined ? null : named(record.user, "you");
  switch (record.type) {
    case "create":
      return [by, record.kind === "channel" ? " created the channel" : " created the group"];
    case "invite":
      return [by, " added ", user];
    case "join":
      return [by, " joined"];
    case "leave":
      return record.owner ? [by, " left, ", ...ownership(record.owner, me, named)] : [by, " left"];
    case "remove":
      return [by, " removed ", user];
    case "role":
      return [by, " made ", user, ` ${ROLE_NAMES[record.role] ?? record.role}`];
    case "info":
      return [by, ` ${changedInfo(record)}`];
    case "permissions":
      return [by, " changed who may do what"];
    case "slow_mode":
      return [by, record.seconds ? ` set slow mode to ${duration(record.seconds)}` : " ended slow mode"];
    case "link":
      return [by, " made an invitation link"];
    case "link_gone":
      return [by, " revoked an invitation link"];
    case "ban":
      return [by, " banned ", user];
    case "unban":
      return [by, " lifted the ban on ", user];
    case "block":
      return [by, record.on ? " blocked this person" : " unblocked this person"];
    default:
      return [];
  }
}

function changedInfo({ title, description, open }) {
  if (title !== undefined) {
    return `named this “${title}”`;
  }
  if (description !== undefined) {
    return description ? "changed the description" : "removed the description";
  }
  return open ? "opened the group to everybody" : "closed the group";
}

/** "30 seconds", "5 minutes", "2 hours": in the largest unit that divides it. */
export function duration(seconds) {
  for (const [unit, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= size && seconds % size === 0) {
      return count(seconds / size, unit);
    }
  }
  return count(seconds, "second");
}

/** "last seen ..." of a time. */
export function lastSeen(at, now) {
  const ago = dayOf(now) - dayOf(at);
  if (now - at < 60_000) {
    return "last seen just now";
  }
  if (ago === 0) {
    return `last seen at ${timeOf(at)}`;
  }
  return ago === 1 ? `last seen yesterday at ${timeOf(at)}` : `last seen on ${shortDate.format(at)}`;
}

/** Who is typing, as a phrase. */
export function typingPhrase(names) {
  if (names.length > 2) {
    return [`${names.length} people are typing …`];
  }
  const people = names.flatMap((name, index) => (index ? [" and ", { name }] : [{ name }]));
  return [...people, names.length === 1 ? " is typing …" : " are typing …"];
}

function ownership(owner, me, named) {
  return [named(owner, "you"), owner === me ? " own the group now" : " owns the group now"];
}

/** A phrase as plain text. */
export function plain(phrase) {
  return phrase.map((part) => (typeof part === "string" ? part : part.name)).join("");
}

/** Up to two letters to stand for a name. */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.map((word) => Array.from(word.replace(/[^\p{L}\p{N}]/gu, ""))[0]);
  const chosen = letters.length > 1 ? [letters[0], letters.at(-1)] : letters;
  return (chosen.join("") || Array.from(name)[0] || "?").toUpperCase();
}

/** One of `HUES` colours, always the same for a name. */
export const HUES = 8;

export function hueOf(name) {
  let hash = 2_166_136_261;
  for (const letter of name) {
    hash = Math.imul(hash ^ letter.codePointAt(0), 16_777_619) >>> 0;
  }
  return hash % HUES;
}

/** "1 member", "3 members". */
export function count(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

/** What logging out does to commands that have no answer: whether they arrived nobody here can know. */
export function unconfirmed(number) {
  switch (number) {
    case 0:
      return "";
    case 1:
      return "One message or change is not confirmed by the node yet: if it has not arrived there, it is lost.";
    default:
      return `${number} messages or changes are not confirmed by the node yet: what has not arrived there is lost.`;
  }
}

/** What to tell people about a refusal or a lost connection. */
export function complaint(error) {
  const sentences = {
    bad_credentials: "The user name or the password is wrong.",
    exists: "This name is taken.",
    not_found: "There is no such user, group or message.",
    forbidden: "You are not allowed to do this.",
    not_member: "You are not a member here.",
    overloaded: "The node is busy. Try again in a moment.",
    rate_limited: "Too many attempts. Try again in a moment.",
    storage_unavailable: "The node cannot store anything at the moment. Try again later.",
    shutting_down: "The node is going down. Try again in a moment.",
  };
  return sentences[error.code] ?? error.message;
}
