/** A round picture that stands for a person or a group: letters on a colour that is always the same. */

import { hueOf, initials } from "../text.js";
import { h, icon } from "./dom.js";

/** `seed` decides the colour: a user name or a conversation id, which never change. */
export function avatar(seed, name, isGroup = false) {
  const inside = isGroup && !name ? icon("group") : initials(name);
  return h(`span.avatar.hue-${hueOf(seed)}`, { "aria-hidden": "true" }, inside);
}
