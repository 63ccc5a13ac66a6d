/**
 * The markup of messages: *bold*, _italic_, ~strike~, `code`, ```blocks of code```, lines of quotes after ">",
 * links, and mentions. Pure: a text becomes a tree of values; views make elements of it, never markup.
 *
 * Nodes: `{text}`; `{type: "bold" | "italic" | "strike" | "quote", children}`; `{type: "code" | "block", text}`;
 * `{type: "link", text, href}`; `{type: "mention", text, user}`.
 *
 * A marker opens before something that is no blank, where no letter or digit stands before it, and closes on the
 * same line the other way round; one without its partner is text like any other. Inside code nothing else counts;
 * inside links no markers do. Time is near linear in the length of the text, whatever it holds.
 */

import { partsOf } from "./text.js";

const STYLES = new Map([
  ["*", "bold"],
  ["_", "italic"],
  ["~", "strike"],
]);
const FENCE = "```";
const WORD = /[\p{L}\p{N}]/u;
const BLANK = /\s/u;

/** The tree of a text; `mentions`: the users that a token "@user" may stand for. */
export function parse(text, mentions = []) {
  const nodes = [];
  let from = 0;
  for (;;) {
    const open = text.indexOf(FENCE, from);
    const close = open < 0 ? -1 : text.indexOf(FENCE, open + FENCE.length + 1);
    if (close < 0) {
      break;
    }
    putLines(nodes, text.slice(from, open).replace(/\n$/u, ""), mentions);
    const inside = text.slice(open + FENCE.length, close).replace(/^\n|\n$/gu, "");
    nodes.push({ type: "block", text: inside });
    from = close + FENCE.length;
    from += text[from] === "\n" ? 1 : 0;
  }
  putLines(nodes, text.slice(from), mentions);
  return nodes;
}

/** What remains of a text on one line when its markup is taken away, for previews. */
export function withoutMarkup(text, mentions = []) {
  return flat(parse(text, mentions)).replace(/\s+/gu, " ").trim();
}

function flat(nodes) {
  return nodes.map((node) => (node.children ? flat(node.children) : node.text) + (BLOCKS.has(node.type) ? " " : "")).join("");
}

const BLOCKS = new Set(["block", "quote"]);

function putLines(nodes, text, mentions) {
  if (text === "") {
    return;
  }
  let quoted = null;
  let isFirst = true;
  for (const line of text.split("\n")) {
    if (line.startsWith(">")) {
      const inner = inline(line.replace(/^> ?/u, ""), mentions);
      if (quoted === null) {
        quoted = { type: "quote", children: inner };
        nodes.push(quoted);
      } else {
        quoted.children.push({ text: "\n" }, ...inner);
      }
    } else {
      if (!isFirst && quoted === null) {
        nodes.push({ text: "\n" });
      }
      quoted = null;
      nodes.push(...inline(line, mentions));
    }
    isFirst = false;
  }
}

/** The nodes of one line. */
function inline(line, mentions) {
  const atoms = atomsOf(line, new Set(mentions));
  const closers = closersOf(line, atoms);
  return styled({ line, atoms, closers }, 0, line.length, "");
}

/** What markers do not reach into, by where it begins: code, links, mentions, as `{end, node}`. */
function atomsOf(line, mentions) {
  const atoms = new Map();
  let from = 0;
  for (const match of line.matchAll(/`([^`]+)`/gu)) {
    putLinks(atoms, line, from, match.index, mentions);
    from = match.index + match[0].length;
    atoms.set(match.index, { end: from, node: { type: "code", text: match[1] } });
  }
  putLinks(atoms, line, from, line.length, mentions);
  return atoms;
}

function putLinks(atoms, line, from, to, mentions) {
  let at = from;
  for (const part of partsOf(line.slice(from, to))) {
    const end = at + part.text.length;
    if (part.href === undefined) {
      putMentions(atoms, line, at, end, mentions);
    } else {
      atoms.set(at, { end, node: { type: "link", text: part.text, href: part.href } });
    }
    at = end;
  }
}

function putMentions(atoms, line, from, to, mentions) {
  if (mentions.size === 0) {
    return;
  }
  for (const match of line.slice(from, to).matchAll(/@([a-z0-9._-]{1,64})/gu)) {
    const start = from + match.index;
    let user = match[1];
    while (user && !mentions.has(user)) {
      user = /[._-]$/u.test(user) ? user.slice(0, -1) : "";
    }
    if (user && !(start > 0 && WORD.test(line[start - 1]))) {
      atoms.set(start, { end: start + 1 + user.length, node: { type: "mention", text: `@${user}`, user } });
    }
  }
}

/** Where each marker may close, ascending, outside of atoms. */
function closersOf(line, atoms) {
  const closers = new Map([...STYLES.keys()].map((marker) => [marker, []]));
  for (let at = 0; at < line.length; at += 1) {
    const atom = atoms.get(at);
    if (atom !== undefined) {
      at = atom.end - 1;
    } else if (closers.has(line[at]) && at > 0 && !BLANK.test(line[at - 1]) && !isWord(line, at + 1)) {
      closers.get(line[at]).push(at);
    }
  }
  return closers;
}

function isWord(line, at) {
  return at < line.length && WORD.test(line[at]);
}

function styled(context, from, to, inside) {
  const { line, atoms } = context;
  const nodes = [];
  let plainFrom = from;
  const flush = (end) => end > plainFrom && nodes.push({ text: line.slice(plainFrom, end) });
  let at = from;
  while (at < to) {
    const atom = atoms.get(at);
    const close = atom === undefined && opens(line, at, inside) ? nextCloser(context, at, to) : -1;
    if (atom !== undefined) {
      flush(at);
      nodes.push(atom.node);
      at = atom.end;
      plainFrom = at;
    } else if (close >= 0) {
      flush(at);
      const children = styled(context, at + 1, close, inside + line[at]);
      nodes.push({ type: STYLES.get(line[at]), children });
      at = close + 1;
      plainFrom = at;
    } else {
      at += 1;
    }
  }
  flush(to);
  return nodes;
}

function opens(line, at, inside) {
  const marker = line[at];
  const isFree = STYLES.has(marker) && !inside.includes(marker) && at + 1 < line.length;
  return isFree && line[at + 1] !== marker && !BLANK.test(line[at + 1]) && !(at > 0 && WORD.test(line[at - 1]));
}

/** The first place above `at` + 1 and below `to` where the marker at `at` closes, or -1. */
function nextCloser({ line, closers }, at, to) {
  const places = closers.get(line[at]);
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] > at + 1) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low < places.length && places[low] < to ? places[low] : -1;
}
