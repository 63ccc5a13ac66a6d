/** Elements of a formatted text (`format.js`). Everything a person wrote becomes text nodes. */

import { parse } from "../format.js";
import { h } from "./dom.js";

const TAGS = { bold: "strong", italic: "em", strike: "s", quote: "blockquote" };

/** `nameOf(user)` says how a mentioned user is called, `me` is highlighted. */
export function rich(text, { mentions = [], me = null, nameOf = (user) => user } = {}) {
  return parse(text, mentions).map((node) => elementOf(node, { me, nameOf }));
}

function elementOf(node, context) {
  if (node.children !== undefined) {
    return h(TAGS[node.type], {}, ...node.children.map((child) => elementOf(child, context)));
  }
  switch (node.type) {
    case "code":
      return h("code", { dir: "ltr" }, node.text);
    case "block":
      return h("pre", { dir: "ltr" }, h("code", {}, node.text));
    case "link":
      return h("a", { href: node.href, target: "_blank", rel: "noopener noreferrer", tabindex: "-1" }, node.text);
    case "mention": {
      const isMe = node.user === context.me;
      return h(`bdi.mention${isMe ? ".mention-me" : ""}`, { title: node.text }, `@${context.nameOf(node.user)}`);
    }
    default:
      return node.text;
  }
}
