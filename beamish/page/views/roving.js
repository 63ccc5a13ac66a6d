/**
 * Messages by keyboard: the list is one stop of the Tab key, arrow keys go from message to message, and what is
 * inside a message (links, reactions, the quote) becomes a stop only while the focus is on it.
 */

const INSIDE = "a, button:not(.tool)";

export class Roving {
  /** `onCommand(element, key)` for other keys on a message, returns whether it was one; `onLeave()` for Escape. */
  constructor(scroller, list, { onCommand, onLeave }) {
    Object.assign(this, { scroller, list, onCommand, onLeave });
    this.current = null;
    scroller.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusin", (event) => this.#enter(event.target.closest(".message")));
  }

  #enter(message) {
    if (message === this.current) {
      return;
    }
    setStops(this.current, -1);
    setStops(message, 0);
    this.current = message;
  }

  #onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) {
      return;
    }
    const message = event.target.closest?.(".message") ?? null;
    const isOnMessage = message !== null && event.target === message;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      this.#move(event, message);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.#escape(message, isOnMessage);
    } else if (isOnMessage && this.onCommand(message, event.key)) {
      event.preventDefault();
    }
  }

  #escape(message, isOnMessage) {
    if (message !== null && !isOnMessage) {
      message.focus();
    } else {
      this.onLeave();
    }
  }

  #move(event, message) {
    const step = event.key === "ArrowUp" ? -1 : 1;
    const next = message === null ? this.#onScreen() : beside(message, step);
    if (next !== null) {
      event.preventDefault();
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    } else if (step > 0) {
      event.preventDefault();
      this.onLeave();
    }
  }

  /** The last message that can be seen whole, or at all. */
  #onScreen() {
    const bottom = this.scroller.scrollTop + this.scroller.clientHeight;
    const messages = [...this.list.querySelectorAll(".message")];
    return messages.findLast((one) => one.offsetTop + one.offsetHeight <= bottom + 4) ?? messages.at(-1) ?? null;
  }
}

function setStops(message, tabindex) {
  message?.querySelectorAll(INSIDE).forEach((element) => element.setAttribute("tabindex", tabindex));
}

/** The next message in a direction, past days and happenings; null at the end. */
function beside(message, step) {
  let element = message;
  do {
    element = step < 0 ? element.previousElementSibling : element.nextElementSibling;
  } while (element !== null && !element.classList.contains("message"));
  return element;
}
