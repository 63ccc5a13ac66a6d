/** What the keyboard does, for whoever asks. */

import { tell } from "./dialogs.js";
import { h } from "./dom.js";

const SHORTCUTS = [
  ["Anywhere", [["Alt + ↑ ↓", "the conversation above, below"], ["Ctrl + K", "search"], ["?", "this list, outside of fields"], ["Esc", "close, or back"]]],
  [
    "While writing",
    [["Enter", "send"], ["Shift + Enter", "break the line"], ["↑ in an empty field", "edit the last own message"], ["@", "mention somebody"], ["/me …", "say what you do"]],
  ],
  [
    "On messages (Shift + Tab from the field, then ↑)",
    [["↑ ↓", "the message above, below"], ["Enter", "what can be done with it"], ["R", "reply"], ["+", "react"], ["E", "edit"], ["Delete", "delete for everyone"], ["Tab", "into the message: links, reactions"]],
  ],
  ["In the list", [["↑ ↓ Home End", "move"], ["Shift + F10", "mute, pin, archive …"]]],
  ["In a text", [["*bold*  _italic_  ~strike~", "styles"], ["`code`  ```block```", "code"], ["> ", "quote"]]],
];

export function showShortcuts() {
  const groups = SHORTCUTS.map(([title, keys]) =>
    h("section", { "aria-label": title }, h("h3", {}, title), h("dl.keys", {}, ...keys.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what))))),
  );
  tell("Keyboard shortcuts", h("div.shortcuts", { tabindex: "0", role: "group", "aria-label": "Shortcuts" }, ...groups));
}
