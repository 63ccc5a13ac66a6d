/**
 * From an open socket to an attached device: hello, signing in, attaching, snapshots (protocol, sections 4 to 7).
 *
 * `handshake(link)` is what the connection runs on every new socket: with a stored account it sends hello, resume
 * and attach in one frame; with a sign-in waiting it logs in or registers, which makes a new device with an
 * empty store, and takes a snapshot. It throws `SignedOut` when this device may not come back by itself.
 */

import { applyAccountSnapshot } from "./account.js";
import { ConnectionLost, RequestRefused } from "./connection.js";
import { applySnapshot, applySubscription, newConversation } from "./conversation.js";
import { VERSION, limitsFrom } from "./protocol.js";

/** Bound of the pages of one snapshot. */
const MAX_PAGES = 1000;
const CLIENT = "beamish-page/1";

/** The device is not signed in (any more): `why` is "revoked", "refused" or "version". */
export class SignedOut extends Error {
  constructor(why, message) {
    super(message);
    this.why = why;
  }
}

export class Session {
  /** `onAttached()` is called after every attach that resumed. */
  constructor({ ledger, outbox, clock, onAttached }) {
    Object.assign(this, { ledger, outbox, clock, onAttached });
    this.signIn = null;
    this.lostRegistration = null;
    this.limits = limitsFrom({});
    this.timeOffset = 0;
    this.resyncing = null;
  }

  /** The node's time, as far as this device knows it, in ms UTC. */
  now() {
    return this.clock() + this.timeOffset;
  }

  /**
   * Have the next handshake log in ("login") or register ("register") with `fields`. Rejects with
   * `RequestRefused` or `ConnectionLost`; the caller starts the connection.
   */
  prepare(command, fields) {
    return new Promise((resolve, reject) => {
      this.signIn = { command, fields, resolve, reject };
    });
  }

  async handshake(link) {
    const signIn = this.signIn;
    if (signIn === null) {
      await this.#return(link);
      return;
    }
    try {
      await this.#enter(link, signIn);
    } catch (error) {
      this.signIn = null;
      if (signIn.isBegun) {
        // This browser is the device by now; the rest is done by the next connection.
        signIn.resolve();
        throw error;
      }
      this.#noteLost(signIn, error);
      signIn.reject(error);
      throw new SignedOut("refused", error.message);
    }
    this.signIn = null;
    signIn.resolve();
  }

  /** Whether somebody waits for a login that has not happened yet. */
  get isEntering() {
    return this.signIn !== null && !this.signIn.isBegun;
  }

  /** A sign-in that waits must not outlive its connection. */
  interrupted(reason) {
    if (this.isEntering) {
      const { reject } = this.signIn;
      this.#noteLost(this.signIn, new ConnectionLost(reason));
      this.signIn = null;
      reject(new ConnectionLost(reason));
    }
  }

  #noteLost(signIn, error) {
    const isLost = signIn.command === "register" && error instanceof ConnectionLost;
    this.lostRegistration = isLost ? signIn.fields.user : this.lostRegistration;
  }

  async #hello(link) {
    let hello;
    try {
      hello = await link.request("hello", { versions: [VERSION], client: CLIENT });
    } catch (error) {
      if (error instanceof RequestRefused && error.code === "unsupported_version") {
        throw new SignedOut("version", "The node speaks another version. Reload this page.");
      }
      throw error;
    }
    this.limits = limitsFrom(hello.limits);
    link.limits = this.limits;
    this.timeOffset = Number.isSafeInteger(hello.time) ? hello.time - this.clock() : 0;
    return hello;
  }

  async #return(link) {
    const { account, cursor } = this.ledger;
    const steps = [this.#hello(link), this.#resume(link, account)];
    if (cursor !== null) {
      steps.push(this.#attach(link));
    }
    const [, , attached] = await Promise.all(steps);
    await this.#settle(link, attached);
  }

  async #resume(link, account) {
    try {
      await link.request("resume", { token: account.token });
    } catch (error) {
      if (error instanceof RequestRefused && error.code === "bad_credentials") {
        throw new SignedOut("revoked", "This device was signed out. Log in again.");
      }
      throw error;
    }
  }

  async #enter(link, signIn) {
    const { command, fields } = signIn;
    const [, account] = await Promise.all([
      this.#hello(link),
      link.request(command, fields).catch((error) => this.#registeredBefore(link, error, fields)),
    ]);
    await this.#begin(account);
    signIn.isBegun = true;
    await this.#settle(link, undefined);
  }

  /** `exists` after a registration whose answer was lost may mean that it had succeeded. */
  #registeredBefore(link, error, { user, password }) {
    if (error.code === "exists" && this.lostRegistration === user) {
      return link.request("login", { user, password });
    }
    throw error;
  }

  /** A new device: the store is emptied; messages that an earlier device did not get answered stay, as failed. */
  async #begin({ user, display, device, token }) {
    const before = this.ledger.account?.user === user ? [...this.ledger.commandsAt.values()] : [];
    await this.ledger.wipe();
    this.outbox.clear();
    this.lostRegistration = null;
    const failed = {
      code: "session_ended",
      message: "Not known to have been sent: you were signed out before the answer came.",
    };
    await this.ledger.transact((draft) => {
      draft.account = { user, display, device, token };
      draft.putUser({ user, display });
      for (const command of before.filter((one) => one.command === "send")) {
        const position = this.ledger.nextPosition();
        draft.putCommand({ ...command, failed: command.failed ?? failed, position, number: null });
        draft.putConversation(newConversation(command.conversation, user));
      }
    });
  }

  #attach(link) {
    const { epoch, number } = this.ledger.cursor;
    return link.request("attach", { epoch, number });
  }

  /** From an attach's answer (undefined: none yet) to an attached connection. */
  async #settle(link, answer) {
    let attached = answer;
    for (let tries = 0; attached?.status !== "resumed"; tries += 1) {
      if (tries === 3) {
        throw new Error("the node does not attach this device to its inbox");
      }
      await this.#snapshot(link, attached?.status ?? "new");
      attached = await this.#attach(link);
    }
    this.onAttached();
  }

  /** Attach again on a living connection: the node said, or it showed, that the cursor does not fit. */
  resync(link, status = null) {
    this.resyncing ??= this.#resync(link, status).finally(() => {
      this.resyncing = null;
    });
    return this.resyncing;
  }

  async #resync(link, status) {
    await this.#settle(link, status === null ? await this.#attach(link) : { status });
  }

  async #snapshot(link, reason) {
    const pages = [];
    let after;
    do {
      const page = await link.request("snapshot", after === undefined ? {} : { after });
      if (pages.length >= MAX_PAGES || (pages.length && page.epoch !== pages[0].epoch)) {
        throw new Error("the snapshot changed while it was read");
      }
      pages.push(page);
      after = page.next;
    } while (after !== undefined && after !== null);
    const rows = pages.flatMap((page) => page.conversations ?? []);
    const cursor = { epoch: pages[0].epoch, number: pages[0].number };
    await this.ledger.transact((draft) => {
      adoptSnapshot(draft, rows, cursor, reason);
      adoptAccount(draft, pages[0].account);
      this.outbox.sweep(draft);
    });
  }
}

/** Make a snapshot the state. After a restore (`other_epoch`, `ahead`) nothing stored before it counts. */
function adoptSnapshot(draft, rows, cursor, reason) {
  const me = draft.account.user;
  if (reason === "other_epoch" || reason === "ahead") {
    for (const id of draft.ids()) {
      const { next } = draft.conversation(id);
      draft.dropConversation(id);
      // What had been answered before may have been lost by the restore.
      draft.commands(id).filter(({ done }) => done !== undefined).forEach(({ position }) => draft.dropCommand(position));
      if (draft.commands(id).length) {
        draft.putConversation({ ...newConversation(id, me), next });
      }
    }
  }
  for (const told of rows) {
    const before = draft.conversation(told.conversation) ?? newConversation(told.conversation, me);
    if (told.last > before.applied) {
      // What lies between is not here; the whole is read from history when it is wanted.
      draft.dropRecords(told.conversation);
    }
    draft.putConversation(applySnapshot(before, told));
  }
  draft.cursor = cursor;
}

/** What the snapshot's first page tells of the account (nodes before this was told leave it out). */
function adoptAccount(draft, told) {
  if (told === undefined || told === null) {
    return;
  }
  draft.account = applyAccountSnapshot(draft.account, told);
  const { user, display } = draft.account;
  draft.putUser({ ...draft.user(user), user, display });
  const kept = new Set();
  for (const subscription of told.subscriptions ?? []) {
    const row = draft.conversation(subscription.channel) ?? newConversation(subscription.channel, user);
    kept.add(row.id);
    // Where its posts stand here is found out when it is followed, not by `since`.
    draft.putConversation(applySubscription({ ...row, subscribed: true }, { ...subscription, on: true }));
  }
  for (const id of draft.ids()) {
    const row = draft.conversation(id);
    if (row.subscribed && !kept.has(id)) {
      draft.putConversation(applySubscription(row, { on: false }));
    }
  }
}
