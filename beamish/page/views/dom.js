/**
 * Making and matching elements. Everything a person wrote reaches the document as text nodes, never as markup.
 *
 * `h("button.round", {onclick, "aria-label": "Send"}, child, ...)`: properties beginning with "on" are
 * listeners, true and false set and leave out attributes, null is left out; strings become text.
 */

const SVG = "http://www.w3.org/2000/svg";

export function h(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) {
    element.className = classes.join(" ");
  }
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "value" || name === "checked" || name === "selected") {
      element[name] = value;
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** One of the symbols of index.html; `label` for those that say something by themselves. */
export function icon(name, label = null) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("viewBox", "0 0 24 24");
  if (label === null) {
    svg.setAttribute("aria-hidden", "true");
  } else {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  }
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function iconButton(name, label, onclick, properties = {}) {
  const given = { type: "button", "aria-label": label, title: label, onclick, ...properties };
  return h("button.icon-button", given, icon(name));
}

/** A phrase (see `text.js`) as nodes. */
export function phrase(parts) {
  return parts.map((part) => (typeof part === "string" ? part : h("bdi", {}, part.name)));
}

/** By element that `reconcile` made, what it looks like. */
const looks = new WeakMap();

/**
 * Make the children of `parent` those that `blocks` describe, in order, touching only what differs. A block is
 * `{key, look, make, touch?}`: `look` is a string that changes when the element must be made anew by `make()`;
 * what changes often without that is done to the element by `touch(element)`.
 */
export function reconcile(parent, blocks) {
  const known = new Map();
  for (const child of parent.children) {
    known.set(child.dataset.key, child);
  }
  let place = parent.firstElementChild;
  for (const { key, look, make, touch } of blocks) {
    let element = known.get(key);
    known.delete(key);
    if (element !== undefined && looks.get(element) !== look) {
      const fresh = make();
      fresh.dataset.key = key;
      looks.set(fresh, look);
      place = place === element ? fresh : place;
      const hadFocus = element.contains(document.activeElement);
      element.replaceWith(fresh);
      if (hadFocus) {
        focusIn(fresh);
      }
      element = fresh;
    } else if (element === undefined) {
      element = make();
      element.dataset.key = key;
      looks.set(element, look);
    }
    touch?.(element);
    if (element === place) {
      place = place.nextElementSibling;
    } else {
      parent.insertBefore(element, place);
    }
  }
  known.forEach((element) => element.remove());
}

/** The focus goes on with what took an element's place. */
function focusIn(element) {
  const target = element.hasAttribute("tabindex") ? element : element.querySelector("button, [tabindex]");
  target?.focus({ preventScroll: true });
}

/** Replace all children. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined));
}

/** An element's listener for Escape. */
export function onEscape(action) {
  return (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      action();
    }
  };
}
