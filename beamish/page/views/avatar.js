/** A round picture that stands for a person or a group: letters on a colour that is always the same. */

import { hueOf, initials } from "../text.js";
import { h, icon } from "./dom.js";

/** `seed` decides the colour: a user name or a conversation id, which never change. */
export function avatar(seed, name, kind = "direct", isHere = false) {
  const sign = { group: "group", channel: "channel" }[kind];
  const inside = sign !== undefined && (!name || kind === "channel") ? icon(sign) : initials(name || "?");
  const dot = isHere ? h("span.here-dot") : null;
  return h(`span.avatar.hue-${hueOf(seed)}`, { "aria-hidden": "true" }, inside, dot);
}
