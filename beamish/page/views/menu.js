/** A small menu below a button: arrow keys move, Escape and a click elsewhere close it. */

import { h } from "./dom.js";

/** `actions`: `{label, run, isGrave?}`. */
export function openMenu(button, actions) {
  const items = actions.map(({ label, run, isGrave }) => {
    const onclick = () => {
      close();
      run();
    };
    return h(`button.menu-item${isGrave ? ".grave" : ""}`, { type: "button", role: "menuitem", tabindex: "-1", onclick }, label);
  });
  const menu = h("div.menu", { role: "menu" }, ...items);
  const outside = (event) => menu.contains(event.target) || close();

  function close() {
    document.removeEventListener("pointerdown", outside, true);
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    button.focus();
  }

  menu.addEventListener("keydown", (event) => {
    const at = items.indexOf(document.activeElement);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key in steps) {
      event.preventDefault();
      items.at(steps[event.key] % items.length).focus();
    }
  });
  const box = button.getBoundingClientRect();
  document.body.append(menu);
  const left = Math.min(box.right - menu.offsetWidth, innerWidth - menu.offsetWidth - 8);
  menu.style.left = `${Math.max(8, left)}px`;
  menu.style.top = `${Math.min(box.bottom + 4, innerHeight - menu.offsetHeight - 8)}px`;
  button.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  items[0].focus();
}
