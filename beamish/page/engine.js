/**
 * The device: everything the views ask for. The work is done by its parts, each with its own contract:
 * `connection.js` (sockets), `session.js` (signing in, attaching), `receiver.js` (the client's rules), `outbox.js`
 * (commands), `reading.js` (read marks), `following.js` (channels), `screen.js` (presence, typing), `errands.js`
 * (small questions), all on the one `ledger.js`.
 *
 * `state.phase` is "loading", "signed_out", "signed_in" or "elsewhere" (another tab has the device); `state.why` tells
 * why it is signed out: null, "revoked", "number_used" or "version".
 *
 * `listen(listener)` tells of changes: `{state: true}` when `state` or the connection changed, the ledger's news
 * (see `ledger.js`), `{screen: true}` when presence or typing changed, and `{notice: text}` for what is worth a line
 * to the user.
 */

import { withPending } from "./account.js";
import { Connection, ConnectionLost } from "./connection.js";
import { isComplete, newConversation, withPreview } from "./conversation.js";
import { Errands } from "./errands.js";
import { Following } from "./following.js";
import { Ledger } from "./ledger.js";
import { applyDescription } from "./membership.js";
import { Outbox, isUnmade } from "./outbox.js";
import { rowWith } from "./overlay.js";
import { LANE, VERSION, randomTag } from "./protocol.js";
import { Reading } from "./reading.js";
import { Receiver } from "./receiver.js";
import { Screen } from "./screen.js";
import { Session, SignedOut } from "./session.js";
import { StoreTaken } from "./store.js";

const HISTORY_PAGE = 60;
const LOGOUT_WITHIN_MS = 3_000;

export class Engine {
  /** `seams`: `openSocket`, `setTimer`, `clearTimer`, `now`, `random`, `wallClock`, `tag`, for tests. */
  constructor(store, url, seams = {}) {
    this.store = store;
    this.seams = seams;
    this.listeners = new Set();
    this.state = { phase: "loading", why: null };
    this.filling = new Map();
    const setTimer = seams.setTimer ?? ((fn, ms) => setTimeout(fn, ms));
    const clearTimer = seams.clearTimer ?? ((id) => clearTimeout(id));
    this.setTimer = setTimer;
    this.ledger = new Ledger(store);
    this.ledger.listen((news) => this.#onLedger(news));
    this.errands = new Errands();
    this.link = new Connection(url, this.#handlers(), seams);
    const parts = { ledger: this.ledger, link: this.link, setTimer, clearTimer };
    this.outbox = new Outbox({
      ...parts,
      now: () => this.now(),
      random: seams.random ?? Math.random,
      tag: seams.tag ?? (() => randomTag()),
      onFault: (code) => this.#signedOut(code),
      onTrouble: (error) => this.#onTrouble(error),
      onRefusal: (command, refusal) => this.#tell({ notice: refusal.message }),
    });
    this.session = new Session({
      ledger: this.ledger,
      outbox: this.outbox,
      clock: seams.wallClock ?? (() => Date.now()),
      onAttached: () => this.receiver.attached(),
    });
    this.receiver = new Receiver({
      ...parts,
      session: this.session,
      outbox: this.outbox,
      onUnknown: (ids) => ids.forEach((id) => this.wantMembers(id)),
      onTrouble: (error) => this.#onTrouble(error),
    });
    this.reading = new Reading(parts);
    const { receiver } = this;
    this.following = new Following({ ...parts, receiver, onTrouble: (error) => this.#onTrouble(error) });
    this.screen = new Screen({
      ...parts,
      now: seams.now ?? (() => performance.now()),
      onChange: () => this.#tell({ screen: true }),
      onPerson: (person) => this.#learnName(person),
    });
  }

  #handlers() {
    return {
      handshake: (link) => this.#handshake(link),
      onEvent: (event) => this.#onEvent(event),
      onState: (state) => this.#onLink(state),
    };
  }

  #onEvent(event) {
    if (!this.screen.receive(event) && !this.following.receive(event)) {
      this.receiver.receive(event);
    }
  }

  #onLedger(news) {
    for (const [id, records] of news.records) {
      records.forEach(({ by }) => this.screen.spoke(id, by));
    }
    this.#tell(news);
    this.following.refresh();
  }

  #learnName({ user, display }) {
    if (this.ledger.user(user)?.display !== display) {
      this.ledger.transact((draft) => draft.putUser({ user, display })).catch(() => {});
    }
  }

  // --- state ---------------------------------------------------------------------------------------------

  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  #tell(news) {
    for (const listener of [...this.listeners]) {
      listener(news);
    }
  }

  #enter(phase, why = null) {
    this.state = { phase, why };
    this.#tell({ state: true });
  }

  /** The node's time in ms UTC, as far as it is known. */
  now() {
    return this.session.now();
  }

  get me() {
    return this.ledger.account?.user ?? null;
  }

  get isOnline() {
    return this.link.state.phase === "online";
  }

  /** Take the stored state and connect, if this browser is signed in. */
  async start() {
    await this.ledger.load();
    const { account } = this.ledger;
    if (account === null || account.revoked) {
      this.#enter("signed_out", account?.revoked ?? null);
      return;
    }
    this.#enter("signed_in");
    this.link.start();
  }

  /** Another tab has this device now: stop, and touch nothing. */
  yield() {
    this.#stop();
    this.#enter("elsewhere");
  }

  #stop() {
    this.link.stop();
    this.errands.clear();
    this.receiver.reset();
  }

  // --- connection ----------------------------------------------------------------------------------------

  async #handshake(link) {
    this.receiver.reset();
    try {
      await this.session.handshake(link);
    } catch (error) {
      if (error instanceof SignedOut) {
        this.link.stop(error.message);
        if (error.why !== "refused") {
          await this.#signedOut(error.why);
        }
      } else if (error instanceof StoreTaken) {
        this.yield();
      }
      throw error;
    }
  }

  #onLink({ phase, reason }) {
    const isOnline = phase === "online";
    this.errands.setOnline(isOnline);
    this.screen.setOnline(isOnline);
    this.following.setOnline(isOnline);
    if (isOnline) {
      this.outbox.resume();
      this.reading.run();
    } else {
      this.outbox.suspend();
    }
    if (phase === "waiting" && this.session.isEntering) {
      this.link.stop(reason);
    }
    if (phase === "ended" || phase === "stopped" || phase === "waiting") {
      this.session.interrupted("The node cannot be reached.");
    }
    if (phase === "ended" && reason === "revoked") {
      this.#signedOut("revoked");
    } else if (phase === "ended" && reason === "elsewhere") {
      this.yield();
    }
    this.#tell({ state: true });
  }

  async #signedOut(why) {
    this.#stop();
    try {
      await this.ledger.transact((draft) => {
        // Another version of the page may use the token again.
        if (draft.account !== null && why !== "version") {
          draft.account = { ...draft.account, revoked: why };
        }
      });
    } finally {
      this.#enter("signed_out", why);
    }
  }

  /** The store, or the node, did what it must not: begin again from what is stored. */
  #onTrouble(error) {
    if (error instanceof StoreTaken) {
      this.yield();
      return;
    }
    this.#tell({ notice: `Something went wrong and is tried again: ${error.message}` });
    this.link.restart(error.message);
  }

  // --- signing in and out --------------------------------------------------------------------------------

  /** "register" or "login"; resolves when this browser is a signed-in device. */
  async signIn(command, fields) {
    this.link.stop();
    const done = this.session.prepare(command, fields);
    this.link.start();
    await done;
    this.#enter("signed_in");
  }

  /** Whether anybody may register: "open", "closed", or null when the node does not answer. */
  async registration() {
    let probe;
    const answer = await new Promise((resolve) => {
      const handshake = async (link) => {
        const hello = await link.request("hello", { versions: [VERSION] });
        resolve(hello.registration ?? "open");
      };
      const onState = ({ phase }) => phase === "waiting" && resolve(null);
      probe = new Connection(this.link.url, { handshake, onState, onEvent() {} }, this.seams);
      probe.start();
    });
    probe.stop();
    return answer;
  }

  /** Revoke this device, as far as the node can be reached, and forget everything that it stored. */
  async signOut() {
    if (this.isOnline) {
      const patience = new Promise((resolve) => this.setTimer(resolve, LOGOUT_WITHIN_MS));
      await Promise.race([this.link.request("logout").catch(() => {}), patience]);
    }
    this.#stop();
    this.outbox.clear();
    this.#enter("loading");
    await this.ledger.wipe();
    this.#enter("signed_out");
  }

  // --- what is shown -------------------------------------------------------------------------------------

  /** The own account, what is not confirmed yet included. */
  get account() {
    const { account } = this.ledger;
    return account === null ? null : withPending(account, this.ledger.commands(LANE));
  }

  conversation(id) {
    if (isUnmade(id)) {
      return this.#unmade(id);
    }
    const row = this.ledger.conversation(id);
    return row === null ? null : rowWith(row, this.ledger.commands(LANE));
  }

  /** A group or channel that is not made yet, in the form of a row. */
  #unmade(id) {
    const [command] = this.ledger.commands(id);
    if (command === undefined) {
      return null;
    }
    const { title, description = "" } = command.fields;
    const open = Boolean(command.fields.open ?? command.fields.public);
    const kind = command.command === "create_channel" ? "channel" : "group";
    return { ...newConversation(id, this.me), kind, title, description, open, at: command.at, isUnmade: true };
  }

  /** All conversations worth showing, the most recent first. */
  conversations() {
    const composed = new Map();
    for (const { conversation, command, at } of this.ledger.commandsAt.values()) {
      if (command !== "send" && !isUnmade(conversation)) {
        continue;
      }
      composed.set(conversation, Math.max(at, composed.get(conversation) ?? 0));
    }
    const ids = new Set([...this.ledger.ids(), ...composed.keys()]);
    return [...ids]
      .map((id) => this.conversation(id))
      .filter((row) => row !== null && row.id !== LANE && (composed.has(row.id) || isListed(row)))
      .map((row) => ({ ...row, at: Math.max(row.at, composed.get(row.id) ?? 0) }))
      .sort((a, b) => b.at - a.at || (a.id < b.id ? -1 : 1));
  }

  /** The commands of a conversation whose effect is not told yet, in order. */
  pending(id) {
    return this.ledger.commands(id);
  }

  /** The name to show for a user; asked for in the background when it is not known. */
  displayOf(user) {
    const known = this.ledger.user(user);
    if (known === null) {
      this.errands.add(`user ${user}`, () => this.lookUp(user));
    }
    return known?.display ?? user;
  }

  // --- questions -----------------------------------------------------------------------------------------

  /** `{user, display}` from the node. Rejects with `RequestRefused` `not_found`. */
  async lookUp(user) {
    const { display } = await this.link.request("user", { user });
    await this.ledger.transact((draft) => draft.putUser({ user, display }));
    return { user, display };
  }

  /** Ask for kind, title and members in the background. */
  wantMembers(id) {
    if (!isUnmade(id)) {
      this.errands.add(`members ${id}`, () => this.describe(id));
    }
  }

  /** Ask the node something that changes nothing by number: devices, passwords, who has read. */
  ask(command, fields = {}) {
    return this.link.request(command, fields);
  }

  /** Kind, title, members of a conversation; also of one that one is not in but may see: open, or by a link. */
  async describe(id, link = null) {
    const shown = link === null ? {} : { link };
    const answer = await this.link.request("conversation", { conversation: id, ...shown });
    await this.ledger.transact((draft) => {
      const row = draft.conversation(id) ?? newConversation(id, draft.account.user);
      draft.putConversation(applyDescription(row, answer, draft.account.user));
      for (const { user, display } of answer.members ?? []) {
        if (draft.user(user)?.display !== display) {
          draft.putUser({ user, display });
        }
      }
    });
    return answer;
  }

  /** Make sure there is a row for a direct conversation in which nothing was said yet. */
  async openDirect(id) {
    await this.ledger.transact((draft) => {
      if (draft.conversation(id) === null) {
        draft.putConversation(newConversation(id, draft.account.user));
      }
    });
  }

  /** Have the newest records of a conversation here, in the background, for the list. */
  wantRecent(id) {
    this.errands.add(`recent ${id}`, () => this.fillHistory(id));
  }

  /** Read a page of history below what is stored. Resolves with whether it brought anything new. */
  fillHistory(id, limit = HISTORY_PAGE) {
    if (!this.filling.has(id)) {
      const filled = this.#fillHistory(id, limit).finally(() => this.filling.delete(id));
      this.filling.set(id, filled);
    }
    return this.filling.get(id);
  }

  async #fillHistory(id, limit) {
    const row = this.ledger.conversation(id);
    if (row === null || isComplete(row)) {
      return false;
    }
    const before = row.floor;
    const answer = await this.link.request("history", { conversation: id, before, limit });
    return this.ledger.transact((draft) => {
      const present = draft.conversation(id);
      // A snapshot in between has moved the floor: what was read does not join what is stored now.
      if (present === null || present.floor !== before) {
        return false;
      }
      [...answer.records, ...(answer.amended ?? [])].forEach((record) => draft.putRecord(id, record));
      const floor = answer.more && answer.records.length ? answer.records[0].n : 1;
      const filled = answer.records.reduce(withPreview, present);
      draft.putConversation({ ...filled, floor });
      return true;
    });
  }

  /** Record `n` of a conversation from the store, or null. */
  async storedAt(id, n) {
    const [stored] = await this.store.records(id, { after: n - 1, before: n + 1, limit: 1 });
    return stored ?? null;
  }

  /** Record `n` from the node; null where there is none to see. */
  async recordAt(id, n) {
    const { records } = await this.link.request("history", { conversation: id, before: n + 1, limit: 1 });
    const found = records.find((record) => record.n === n) ?? null;
    if (found !== null) {
      // Below the floor of what is stored in one piece: kept, and shown by its number only.
      await this.ledger.transact((draft) => draft.putRecord(id, found));
    }
    return found;
  }

  // --- commands ------------------------------------------------------------------------------------------

  /** Store a message and send it as soon as possible; `more`: `reply`, `mentions`, `action`. */
  async send(conversation, text, more = {}) {
    this.screen.said(conversation);
    await this.#command(conversation, "send", { text, ...more });
  }

  /** Create a group; resolves with `{conversation, done}` once stored: the id is provisional until `done`. */
  createGroup(title, open, members) {
    return this.outbox.add(null, "create_group", { title, open, members });
  }

  /** Create a channel, with `title`, `description`, `public`; resolves as `createGroup`. */
  createChannel(fields) {
    return this.outbox.add(null, "create_channel", fields);
  }

  /** A numbered command on a conversation ("invite", "set_info", ...) or on `LANE`: resolves when it is done. */
  async change(conversation, command, fields = {}) {
    const { done } = await this.#command(conversation, command, fields);
    return done;
  }

  /** The same for what is shown before it is done ("edit", "react", ...): resolves when it is stored. */
  async submit(conversation, command, fields = {}) {
    const { done } = await this.#command(conversation, command, fields);
    done.catch((error) => error instanceof ConnectionLost || this.#tell({ notice: error.message }));
  }

  async #command(conversation, command, fields) {
    try {
      return await this.outbox.add(conversation, command, fields);
    } catch (error) {
      if (error instanceof StoreTaken) {
        this.yield();
      }
      throw error;
    }
  }
}

/** Not those that were only looked at: a direct one without a word, a group never joined, a channel of others. */
function isListed(row) {
  if (row.kind === "channel") {
    return row.subscribed || row.role !== null;
  }
  return row.applied > 0 || row.preview !== null || row.subscribed || (row.kind !== "direct" && row.role !== null);
}

export { ConnectionLost };
