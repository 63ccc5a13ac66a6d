/** A list that is one stop of the Tab key: arrow keys, Home and End move in it, and Tab comes back to where one was. */

/**
 * Makes the elements that match `selector` in `container` one stop. Returns `refresh(preferred)`, to be called when
 * they have changed; `preferred` is the stop as long as the focus has been nowhere else.
 */
export function oneStop(container, selector = "button") {
  let current = null;
  const items = () => [...container.querySelectorAll(selector)];

  function refresh(preferred = null) {
    const all = items();
    const stop = all.includes(current) ? current : (preferred ?? all[0]);
    all.forEach((item) => item.setAttribute("tabindex", item === stop ? "0" : "-1"));
  }

  container.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item !== null) {
      current = item;
      refresh();
    }
  });
  container.addEventListener("focusout", (event) => {
    if (!container.contains(event.relatedTarget)) {
      current = null;
    }
  });
  container.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(event.target);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    const next = at < 0 || event.altKey ? undefined : all[steps[event.key]];
    if (next !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      next.focus();
    }
  });
  refresh();
  return refresh;
}
