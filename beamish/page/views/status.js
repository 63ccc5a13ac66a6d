/** One line about the connection: nothing while all is well, else what is wrong and what happens next. */

import { h } from "./dom.js";

/** Shorter interruptions are not worth a word. */
const PATIENCE_MS = 600;

export function connectionLine(engine) {
  const words = h("span", {});
  const again = h("button.link", { type: "button", onclick: () => engine.link.retryNow() }, "Try now");
  const element = h("div.connection", { role: "status", hidden: true, "data-phase": "" }, words, again);
  let since = null;
  let timer = null;

  function update() {
    const { phase, retryAt } = engine.link.state;
    element.dataset.phase = phase;
    clearTimeout(timer);
    if (phase === "online") {
      since = null;
      element.hidden = engine.store.lasting;
      words.textContent = "This browser stores nothing: you will have to log in again next time.";
      again.hidden = true;
      return;
    }
    since ??= performance.now();
    const waited = performance.now() - since;
    element.hidden = waited < PATIENCE_MS && phase !== "ended";
    again.hidden = phase === "connecting";
    words.textContent = sentence(phase, retryAt);
    timer = setTimeout(update, element.hidden ? PATIENCE_MS - waited : 1000);
  }

  return { element, update, close: () => clearTimeout(timer) };
}

function sentence(phase, retryAt) {
  if (phase === "connecting") {
    return "Connecting …";
  }
  if (phase === "waiting") {
    const seconds = Math.max(1, Math.round((retryAt - performance.now()) / 1000));
    return `No connection. Next try in ${seconds}\u00a0s.`;
  }
  return "The node closed the connection.";
}
