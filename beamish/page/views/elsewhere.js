/** What the other tabs of a browser show: this one is not the device at the moment. */

import { h, icon } from "./dom.js";

export function elsewhere(onTake) {
  const button = h("button.primary", { type: "button", onclick: onTake }, "Use Beamish here");
  return h(
    "main.sign-in",
    {},
    h(
      "div.card",
      {},
      h("div.brand", {}, icon("logo"), h("h1", {}, "Beamish")),
      h("p.tagline", { role: "status" }, "Beamish is open in another tab or window."),
      h("p.hint", {}, "One tab at a time keeps your messages in order. Nothing is lost by moving here."),
      button,
    ),
  );
}
