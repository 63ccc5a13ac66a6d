/** A small menu at a button or a point: arrow keys move, Escape, Tab and a click elsewhere close it. */

import { h } from "./dom.js";

/**
 * `actions`: `{label, run, isGrave?, mark?}`; nulls are left out. `quick`: a row of signs above, `{sign, label, run,
 * isChosen?}`. `at`: `{x, y}` of the pointer, else below `anchor`, which has the focus again afterwards.
 */
export function openMenu(anchor, actions, { quick = [], at = null } = {}) {
  const made = (selector, { label, run, ...more }, ...children) => {
    const onclick = () => {
      close();
      run();
    };
    return h(selector, { type: "button", role: "menuitem", tabindex: "-1", "aria-label": label, onclick, ...more }, ...children);
  };
  const signs = quick.map(({ sign, label, run, isChosen }) => made(`button.sign${isChosen ? ".chosen" : ""}`, { label, run }, sign));
  const rest = actions
    .filter((action) => action !== null)
    .map(({ label, run, isGrave }) => made(`button.menu-item${isGrave ? ".grave" : ""}`, { label, run }, label));
  const items = [...signs, ...rest];
  const row = signs.length ? h("div.quick", { role: "none" }, ...signs) : null;
  const menu = h("div.menu", { role: "menu", "aria-label": "Actions" }, row, ...rest);
  const outside = (event) => menu.contains(event.target) || close();

  function close() {
    document.removeEventListener("pointerdown", outside, true);
    menu.remove();
    anchor.setAttribute("aria-expanded", "false");
    anchor.focus({ preventScroll: true });
  }

  menu.addEventListener("keydown", (event) => onKey(event, items, signs.length, close));
  document.body.append(menu);
  place(menu, anchor, at);
  anchor.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  items[0].focus();
}

function onKey(event, items, signs, close) {
  const at = items.indexOf(document.activeElement);
  const down = at < signs ? signs : at + 1;
  const up = at === signs && signs ? 0 : at - 1;
  const steps = { ArrowDown: down, ArrowUp: at < signs ? -1 : up, Home: 0, End: -1, ArrowRight: at + 1, ArrowLeft: at - 1 };
  if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (event.key in steps) {
    event.preventDefault();
    event.stopPropagation();
    items.at(steps[event.key] % items.length).focus();
  }
}

/** Put a floating element at a point, or below `anchor`, or above it where there is no room. */
export function place(element, anchor, at = null) {
  const box = anchor.getBoundingClientRect();
  const isRightward = getComputedStyle(document.documentElement).direction === "rtl";
  const wished = isRightward ? box.left : box.right - element.offsetWidth;
  const left = Math.min(at?.x ?? wished, innerWidth - element.offsetWidth - 8);
  const below = at?.y ?? box.bottom + 4;
  const above = (at?.y ?? box.top - 4) - element.offsetHeight;
  const fits = below + element.offsetHeight <= innerHeight - 8;
  element.style.left = `${Math.max(8, left)}px`;
  element.style.top = `${Math.max(8, fits ? below : Math.max(above, innerHeight - element.offsetHeight - 8 < above ? 8 : above))}px`;
}
