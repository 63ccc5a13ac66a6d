/** The details of a direct conversation: the other person. */

import { isMuted } from "../conversation.js";
import { FOR_EVER } from "../protocol.js";
import { lastSeen, shortWhen } from "../text.js";
import { avatar } from "./avatar.js";
import { h, icon } from "./dom.js";

export function personDetails(engine, row, actions) {
  const name = engine.displayOf(row.peer);
  const presence = engine.screen.presenceOf(row.peer);
  const status = presence?.status ?? "";
  const seen = presence?.last_seen ? lastSeen(presence.last_seen, engine.now()) : null;
  const where = presence?.online ? h("p.here", {}, "online") : seen && h("p.hint", {}, seen);
  return [
    h(
      "div.portrait",
      {},
      avatar(row.peer, name, "direct", Boolean(presence?.online)),
      h("h3", { dir: "auto" }, name || "Deleted account"),
      h("p.hint", {}, `@${row.peer}`),
      where,
      status ? h("p.status-text", { dir: "auto" }, status) : null,
    ),
    settingButtons(engine, row, actions),
    row.isBlocked
      ? rowButton("block", "Unblock", () => actions.unblock(row.peer))
      : rowButton("block", "Block", () => actions.block(row), true),
  ];
}

export function rowButton(sign, label, onclick, isGrave = false) {
  return h(`button.row-button${isGrave ? ".grave" : ""}`, { type: "button", "aria-label": label, onclick }, icon(sign), label);
}

/** Mute, pin, archive: what any conversation has. */
export function settingButtons(engine, row, actions) {
  if (row.applied === 0) {
    return null;
  }
  const muted = isMuted(row, engine.now());
  const { mutedUntil, pinned, archived } = row;
  const until = muted && mutedUntil !== FOR_EVER ? h("p.hint", {}, `Muted until ${shortWhen(mutedUntil, engine.now())}`) : null;
  return [
    h(
      "div.tiles",
      {},
      muted
        ? rowButton("bell", "Unmute", () => actions.set(row, { muted_until: 0 }))
        : rowButton("mute", "Mute", () => actions.askMute(row)),
      rowButton("pin", pinned ? "Unpin" : "Pin", () => actions.set(row, { pinned: !pinned })),
      rowButton("archive", archived ? "Unarchive" : "Archive", () => actions.set(row, { archived: !archived })),
    ),
    until,
  ];
}
