/**
 * The wire protocol's vocabulary in its JSON form: names, limits, frames, close codes.
 *
 * Pure functions and constants; `docs/protocol.md` is the authority, section numbers refer to it.
 */

export const SUBPROTOCOL = "beamish.json";
export const VERSION = 1;

/** Used until `hello` tells the limits in force (section 13). */
export const DEFAULT_LIMITS = Object.freeze({
  frame_bytes: 262_144,
  items: 256,
  text_bytes: 16_384,
  unanswered: 64,
  members: 1024,
  fetch_items: 500,
  history_records: 200,
  mentions: 32,
});

const encoder = new TextEncoder();

/** The length of a string in bytes of UTF-8. */
export function byteLength(text) {
  return encoder.encode(text).length;
}

/** The limits of a `hello` answer over the defaults; what is no positive integer is ignored. */
export function limitsFrom(answer) {
  const limits = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(answer ?? {})) {
    if (Number.isSafeInteger(value) && value > 0) {
      limits[name] = value;
    }
  }
  return limits;
}

/** Items as frames (strings) within the limits; an item is never divided. */
export function framesOf(items, limits = DEFAULT_LIMITS) {
  const frames = [];
  let parts = [];
  let bytes = 2;
  for (const item of items) {
    const part = JSON.stringify(item);
    const size = byteLength(part) + 1;
    if (parts.length && (bytes + size > limits.frame_bytes || parts.length >= limits.items)) {
      frames.push(`[${parts.join(",")}]`);
      parts = [];
      bytes = 2;
    }
    parts.push(part);
    bytes += size;
  }
  if (parts.length) {
    frames.push(`[${parts.join(",")}]`);
  }
  return frames;
}

/** The items of a frame. Throws a `SyntaxError` when it is no array of maps (section 3). */
export function parseFrame(text) {
  const items = typeof text === "string" ? JSON.parse(text) : null;
  if (!Array.isArray(items) || items.some((item) => item === null || typeof item !== "object")) {
    throw new SyntaxError("the node sent a frame that is no array of maps");
  }
  return items;
}

/**
 * What a close code asks of the client (section 12): whether to reconnect, after how many ms at
 * least, and `ended`, set when this device must not come back by itself.
 */
export function closeMeaning(code) {
  switch (code) {
    case 4401:
      return { reconnect: false, atLeastMs: 0, ended: "revoked" };
    case 4409:
      return { reconnect: false, atLeastMs: 0, ended: "elsewhere" };
    case 4403:
      return { reconnect: false, atLeastMs: 0, ended: "refused" };
    case 1000:
      return { reconnect: false, atLeastMs: 0, ended: "closed" };
    case 4429:
      return { reconnect: true, atLeastMs: 10_000, ended: null };
    default:
      return { reconnect: true, atLeastMs: 0, ended: null };
  }
}

const USER_NAME = /^[a-z0-9._-]{1,64}$/;

export function isUserName(text) {
  return USER_NAME.test(text);
}

/** The id of the direct conversation of two different users (section 5). */
export function directId(one, other) {
  return one < other ? `d:${one}:${other}` : `d:${other}:${one}`;
}

/** The other user of a direct conversation's id, or null when it is no direct one of `me`. */
export function peerOf(conversation, me) {
  const parts = conversation.split(":");
  if (parts.length !== 3 || parts[0] !== "d") {
    return null;
  }
  if (parts[1] === me) {
    return parts[2];
  }
  return parts[2] === me ? parts[1] : null;
}

export function isGroupId(conversation) {
  return /^g:[a-z2-7]{1,64}$/.test(conversation);
}

/** The numbered commands on the user's own account are a lane of their own under this name. */
export const LANE = "@";

export function isChannelId(conversation) {
  return /^c:[a-z2-7]{1,64}$/.test(conversation);
}

/** "For ever", as a time to be muted until. */
export const FOR_EVER = 2 ** 53 - 1;

/** The part of an address behind `#` that lets whoever opens it join. */
export function joinHash(conversation, secret) {
  return `#join/${encodeURIComponent(conversation)}/${secret}`;
}

/** `{conversation, secret}` of such an address, or null. */
export function parseJoinHash(hash) {
  const match = /^#\/?join\/([^/]+)\/([A-Za-z0-9_-]{22,64})$/.exec(hash);
  const conversation = match?.[1].replace(/%3a/iu, ":") ?? "";
  return isGroupId(conversation) || isChannelId(conversation) ? { conversation, secret: match[2] } : null;
}

const TAG_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

function randomLetters(count, fill) {
  return Array.from(fill(new Uint8Array(count)), (byte) => TAG_LETTERS[byte & 63]).join("");
}

const fillRandomly = (bytes) => globalThis.crypto.getRandomValues(bytes);

/** A fresh tag of 16 letters, 96 bits of randomness. */
export function randomTag(fill = fillRandomly) {
  return randomLetters(16, fill);
}

/** A fresh secret of an invitation link: 32 letters, 192 bits. */
export function randomSecret(fill = fillRandomly) {
  return randomLetters(32, fill);
}

/** Text as it may be sent: unpaired surrogates, which have no UTF-8, become U+FFFD. */
export function wellFormed(text) {
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "\uFFFD");
}
