/** Choosing an emoji: a field to search by name, or to type any other, above a grid. */

import { found, isReaction } from "../emoji.js";
import { fill, h } from "./dom.js";
import { place } from "./menu.js";

/** `onPick(emoji)`; `anchor` has the focus again when it closes without a choice. */
export function openPicker(anchor, onPick, at = null) {
  const grid = h("div.emoji-grid", { role: "group", "aria-label": "Emoji" });
  const hint = h("p.hint", { role: "status" });
  const search = h("input", {
    type: "text",
    placeholder: "Search, or type any emoji",
    "aria-label": "Search emoji, or type one",
    autocomplete: "off",
    oninput: () => update(),
  });
  const panel = h("div.picker", { role: "dialog", "aria-label": "Emoji" }, search, grid, hint);
  const outside = (event) => panel.contains(event.target) || close();

  function close() {
    document.removeEventListener("pointerdown", outside, true);
    panel.remove();
    anchor.focus({ preventScroll: true });
  }

  function pick(emoji) {
    close();
    onPick(emoji);
  }

  function update() {
    const wanted = search.value.trim();
    const isTyped = isReaction(wanted) && !/^[\x20-\x7e]+$/.test(wanted);
    const shown = isTyped ? [[wanted, "typed"]] : found(wanted);
    const button = ([emoji, names]) =>
      h("button.emoji", { type: "button", tabindex: "-1", title: names, "aria-label": `${emoji} ${names}`, onclick: () => pick(emoji) }, emoji);
    fill(grid, ...shown.map(button));
    grid.firstElementChild?.setAttribute("tabindex", "0");
    hint.textContent = shown.length ? "" : "Nothing by that name.";
  }

  panel.addEventListener("keydown", (event) => onKey(event, { grid, search, close }));
  update();
  document.body.append(panel);
  place(panel, anchor, at);
  document.addEventListener("pointerdown", outside, true);
  search.focus();
}

function onKey(event, { grid, search, close }) {
  const buttons = [...grid.children];
  const at = buttons.indexOf(document.activeElement);
  const columns = Math.max(1, Math.floor(grid.clientWidth / (buttons[0]?.offsetWidth || 1)));
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (event.key === "Tab") {
    // Two stops, the field and the grid, and the focus stays among them until something is chosen.
    event.preventDefault();
    (at < 0 ? buttons[0] : search)?.focus();
  } else if (event.key === "Enter" && at < 0) {
    event.preventDefault();
    buttons[0]?.click();
  } else if (at < 0 ? event.key === "ArrowDown" : event.key in steps) {
    event.preventDefault();
    const next = at < 0 ? 0 : at + steps[event.key];
    (next < 0 ? search : (buttons[next] ?? buttons.at(-1)))?.focus();
  }
}

