/**
 * One lasting connection made of many sockets.
 *
 * `start()` opens a socket, runs `handshake(connection)` on it and, once that resolves, is "online".
 * Whenever the socket is lost, or *silent* (nothing at all was heard for `SILENCE_MS` after a ping), it
 * is abandoned and another one is opened after a random pause of 0 to
 * min(`LONGEST_PAUSE_MS`, `FIRST_PAUSE_MS` x 2^k). Silence is looked for actively: a ping goes out when
 * nothing was heard for `QUIET_MS`, and when something that expects an answer went out and nothing was heard
 * for `SLOW_MS` (a slow answer alone is no silence: the node answers pings beside it). A socket that
 * was abandoned is never listened to again, so a late frame of an old one cannot be taken for a new one's.
 *
 * `request()` resolves with the `ok` of the answer, or rejects with `RequestRefused` (the node said
 * no) or `ConnectionLost` (nobody knows; the caller decides whether to ask again). At most
 * `MAX_UNANSWERED` requests wait at once; above that `request()` rejects with `ConnectionLost`.
 *
 * Close codes that forbid to come back (protocol, section 12) end it: phase "ended" with the reason.
 * Socket, timers, clock and randomness are injected, so all of this runs without a network.
 */

import { DEFAULT_LIMITS, SUBPROTOCOL, closeMeaning, framesOf, parseFrame } from "./protocol.js";

export const QUIET_MS = 15_000;
export const SLOW_MS = 3_000;
export const SILENCE_MS = 6_000;
export const FIRST_PAUSE_MS = 500;
export const LONGEST_PAUSE_MS = 30_000;
export const MAX_UNANSWERED = 256;
/** A login that lasted this long was a good one: the next pause starts small again. */
const GOOD_AFTER_MS = 30_000;
/** An answer that takes longer on a connection that talks will not come: start afresh. */
const ANSWER_WITHIN_MS = 60_000;
/** Opening and handshake: the node answers a login only after its password queue, pings wait behind it. */
const HANDSHAKE_WITHIN_MS = 20_000;

/** The connection ended before the answer came: the request may or may not have been carried out. */
export class ConnectionLost extends Error {}

/** The node's documented refusal: `code`, `retryable`, `retryAfterMs` (or null), `details`. */
export class RequestRefused extends Error {
  constructor(error) {
    super(typeof error.message === "string" ? error.message : String(error.code));
    this.code = typeof error.code === "string" ? error.code : "internal";
    this.retryable = Boolean(error.retryable);
    this.retryAfterMs = typeof error.retry_after_ms === "number" ? error.retry_after_ms : null;
    this.details = error;
  }
}

export class Connection {
  /**
   * `handlers`: `handshake(connection)` async; `onEvent(item)`; `onState(state)`.
   * `state` is `{phase, retryAt, reason}`; phase is "stopped", "connecting", "online", "waiting" or
   * "ended"; `retryAt` (by `now`) while waiting; `reason` says why, for people.
   */
  constructor(url, handlers, seams = {}) {
    this.url = url;
    this.handlers = handlers;
    this.openSocket = seams.openSocket ?? ((to) => new WebSocket(to, SUBPROTOCOL));
    this.setTimer = seams.setTimer ?? ((fn, ms) => setTimeout(fn, ms));
    this.clearTimer = seams.clearTimer ?? ((id) => clearTimeout(id));
    this.now = seams.now ?? (() => performance.now());
    this.random = seams.random ?? Math.random;
    this.limits = DEFAULT_LIMITS;
    this.state = { phase: "stopped", retryAt: null, reason: "" };
    this.socket = null;
    this.attempts = 0;
    this.atLeastMs = 0;
    this.nextId = 1;
    this.unanswered = new Map();
    this.outgoing = [];
    this.timer = null;
    this.reconnects = 0;
  }

  /** Connect, and stay connected until `stop()` or a close code that forbids it. */
  start() {
    if (this.state.phase === "stopped" || this.state.phase === "ended") {
      this.attempts = 0;
      this.#open();
    }
  }

  /** Close and stay closed. Waiting requests reject with `ConnectionLost`. */
  stop(reason = "") {
    this.#abandon("the connection was closed");
    this.#enter("stopped", reason);
  }

  /** Do not wait any longer: used when the browser says it is online again, or by the user. */
  retryNow() {
    if (this.state.phase === "waiting" || this.state.phase === "ended") {
      this.#open();
    }
  }

  /** Doubt the connection: ask for a sign of life unless one is already awaited. */
  doubt() {
    if (this.state.phase === "online" && this.pingedAt === null) {
      this.#ping();
    }
  }

  /** Give up the present socket and open another after the usual pause. */
  restart(reason) {
    if (this.socket !== null) {
      this.#fail(reason);
    }
  }

  /** Ask; see the class comment for what the promise does. */
  request(command, fields = {}) {
    if (this.socket === null || this.unanswered.size >= MAX_UNANSWERED) {
      return Promise.reject(new ConnectionLost("not connected"));
    }
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.unanswered.set(id, { resolve, reject, at: this.now() });
      this.#put({ ...fields, id, command });
      if (this.askedAt === null) {
        this.askedAt = this.now();
        this.#schedule();
      }
    });
  }

  /** Send a command that is never answered; dropped when there is no connection. */
  tell(command, fields = {}) {
    if (this.socket !== null) {
      this.#put({ ...fields, command });
    }
  }

  #put(item) {
    this.outgoing.push(item);
    if (this.outgoing.length === 1) {
      queueMicrotask(() => this.#flush());
    }
  }

  #flush() {
    if (this.socket === null || !this.opened) {
      return;
    }
    for (const text of framesOf(this.outgoing.splice(0), this.limits)) {
      this.socket.send(text);
    }
  }

  #open() {
    this.#cancelTimer();
    this.opened = false;
    this.onlineSince = null;
    this.heardAt = this.now();
    this.askedAt = null;
    this.pingedAt = null;
    this.outgoing = [];
    this.#enter("connecting", this.state.reason);
    let socket;
    try {
      socket = this.openSocket(this.url);
    } catch (error) {
      this.#wait(String(error.message ?? error), 0);
      return;
    }
    this.socket = socket;
    const current = (handler) => (event) => {
      if (this.socket === socket) {
        handler(event);
      }
    };
    socket.onopen = current(() => this.#onOpen());
    socket.onmessage = current((event) => this.#onFrame(event.data));
    socket.onclose = current((event) => this.#onClose(event.code, event.reason));
    socket.onerror = () => {};
    this.#schedule();
  }

  async #onOpen() {
    const socket = this.socket;
    this.opened = true;
    this.heardAt = this.now();
    this.#flush();
    try {
      await this.handlers.handshake(this);
    } catch (error) {
      if (this.socket === socket) {
        this.atLeastMs = Math.max(this.atLeastMs, error.retryAfterMs ?? 0);
        this.#fail(error.message);
      }
      return;
    }
    if (this.socket === socket) {
      this.onlineSince = this.now();
      this.#schedule();
      this.#enter("online", "");
    }
  }

  #onFrame(text) {
    this.heardAt = this.now();
    let items;
    try {
      items = parseFrame(text);
    } catch (error) {
      this.#fail(error.message);
      return;
    }
    const socket = this.socket;
    for (const item of items) {
      if (this.socket !== socket) {
        return;
      }
      if (typeof item.event === "string") {
        this.handlers.onEvent(item);
      } else {
        this.#onAnswer(item);
      }
    }
    this.askedAt = this.unanswered.size ? this.heardAt : null;
    this.pingedAt = null;
    this.#schedule();
  }

  #onAnswer(item) {
    const waiting = this.unanswered.get(item.id);
    if (waiting === undefined) {
      return;
    }
    this.unanswered.delete(item.id);
    if (item.error !== undefined) {
      waiting.reject(new RequestRefused(item.error ?? {}));
    } else {
      waiting.resolve(item.ok ?? {});
    }
  }

  #onClose(code, reason) {
    const meaning = closeMeaning(code);
    if (meaning.reconnect) {
      this.atLeastMs = Math.max(this.atLeastMs, meaning.atLeastMs);
      this.#fail(reason || "the connection was lost");
      return;
    }
    this.#abandon(reason || "the connection was closed");
    this.#enter("ended", meaning.ended);
  }

  #fail(reason) {
    this.#abandon(reason);
    this.#wait(reason, this.atLeastMs);
    this.atLeastMs = 0;
  }

  /** Forget the socket first: closing a silent one may take minutes, and nobody waits for it. */
  #abandon(reason) {
    const socket = this.socket;
    if (this.onlineSince !== null && this.now() - this.onlineSince >= GOOD_AFTER_MS) {
      this.attempts = 0;
    }
    this.#cancelTimer();
    this.socket = null;
    this.opened = false;
    this.onlineSince = null;
    this.outgoing = [];
    const waiting = [...this.unanswered.values()];
    this.unanswered.clear();
    for (const { reject } of waiting) {
      reject(new ConnectionLost(reason));
    }
    try {
      socket?.close();
    } catch {
      // A socket that cannot even be closed is of no more interest.
    }
  }

  #wait(reason, atLeastMs) {
    const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.attempts, 16));
    const pause = Math.max(atLeastMs, this.random() * ceiling);
    this.attempts += 1;
    this.reconnects += 1;
    // The timer first: whoever hears of the state may stop the connection.
    this.timer = this.setTimer(() => this.#open(), pause);
    this.#enter("waiting", reason, this.now() + pause);
  }

  #enter(phase, reason, retryAt = null) {
    this.state = { phase, retryAt, reason };
    this.handlers.onState(this.state);
  }

  #cancelTimer() {
    if (this.timer !== null) {
      this.clearTimer(this.timer);
      this.timer = null;
    }
  }

  #ping() {
    this.pingedAt = this.now();
    this.request("ping").catch(() => {});
    this.#schedule();
  }

  /** What comes next if nothing is heard: `[time, what]`. */
  #next() {
    if (this.onlineSince === null) {
      return [this.heardAt + HANDSHAKE_WITHIN_MS, "fail"];
    }
    if (this.pingedAt !== null) {
      return [this.pingedAt + SILENCE_MS, "fail"];
    }
    const quiet = this.heardAt + QUIET_MS;
    return [this.askedAt === null ? quiet : Math.min(quiet, this.askedAt + SLOW_MS), "ping"];
  }

  /** One timer serves pings and patience: it sleeps to what comes next. */
  #schedule() {
    this.#cancelTimer();
    if (this.socket !== null) {
      this.timer = this.setTimer(() => this.#onTimer(), Math.max(0, this.#next()[0] - this.now()));
    }
  }

  #onTimer() {
    this.timer = null;
    const [at, what] = this.#next();
    const oldest = this.unanswered.values().next().value;
    if (this.onlineSince !== null && oldest && this.now() - oldest.at >= ANSWER_WITHIN_MS) {
      this.#fail("an answer did not come");
    } else if (this.now() < at) {
      this.#schedule();
    } else if (what === "ping") {
      this.#ping();
    } else {
      this.#fail("the connection went silent");
    }
  }
}
