/**
 * Commands on their way: stored first, then sent, resent and numbered by the rules of `commands.js`.
 *
 * `add()` resolves when the command is stored, with `{done}`: a promise of the node's answer, for whoever is still
 * there to see it (a reload loses the promise, not the command). What the node refuses for good is dropped,
 * except messages: they stay, marked `failed`, until the user sends them again or lets them go. What views lay over
 * the records (`overlay.js`) stays, marked `done`, until the inbox has told its effect.
 */

import { CommandQueue } from "./commands.js";
import { ConnectionLost, RequestRefused } from "./connection.js";
import { newConversation, withPreview } from "./conversation.js";
import { isLasting } from "./overlay.js";
import { LANE } from "./protocol.js";

/** Bound of stored unanswered commands for each conversation. */
export const MAX_QUEUED = 1000;

/** Above this many unanswered requests of all kinds a conversation waits for its turn. */
const MAX_OUTSTANDING = 128;

/** Bound of the secrets of invitation links kept for each conversation. */
const MAX_SECRETS = 64;

/** The pseudo conversation of a group or channel that is not made yet. */
const NEW = "new:";

export function isUnmade(conversation) {
  return conversation.startsWith(NEW);
}

/** Raised by `add` above `MAX_QUEUED`. */
export class OutboxFull extends Error {
  constructor() {
    super("Too many messages are waiting to be sent here. Try again when you are connected.");
  }
}

export class Outbox {
  /**
   * `onFault(code)`: this store is no longer one device (`number_used`); `onRefusal(command, refusal)`:
   * a command other than a message was refused and nobody waits for its answer any more; `onTrouble(error)`:
   * the store did not take what the node answered.
   */
  constructor({ ledger, link, now, random, tag, setTimer, clearTimer, ...listeners }) {
    Object.assign(this, { ledger, link, now, random, tag, setTimer, clearTimer });
    const { onFault, onRefusal, onTrouble } = listeners;
    Object.assign(this, { onFault, onRefusal, onTrouble });
    this.starved = new Set();
    this.queues = new Map();
    this.waiters = new Map();
    this.timers = new Map();
  }

  /** Store a command and see to it that the node gets it. `conversation` null: a group or channel to create. */
  async add(conversation, command, fields) {
    const tag = this.tag();
    const id = conversation ?? NEW + tag;
    const done = new Promise((resolve, reject) => this.waiters.set(tag, { resolve, reject }));
    done.catch(() => {});
    try {
      await this.ledger.transact((draft) => this.#enqueue(draft, id, command, fields, tag));
    } catch (error) {
      this.waiters.delete(tag);
      throw error;
    }
    this.pump(id);
    return { conversation: id, done };
  }

  #enqueue(draft, id, command, fields, tag) {
    if (draft.commands(id).length >= MAX_QUEUED) {
      throw new OutboxFull();
    }
    let number = 1;
    if (!isUnmade(id)) {
      const row = draft.conversation(id) ?? newConversation(id, draft.account.user);
      number = row.next;
      draft.putConversation({ ...row, next: number + 1 });
    }
    const position = this.ledger.nextPosition();
    const at = this.now();
    draft.putCommand({ position, conversation: id, command, number, tag, fields, at });
  }

  /** Send a failed message again, as a new command at the end of the queue. */
  async retry(position) {
    const tag = this.tag();
    const id = await this.ledger.transact((draft) => {
      const failed = this.ledger.commandsAt.get(position);
      if (failed?.failed === undefined) {
        return null;
      }
      draft.dropCommand(position);
      this.#enqueue(draft, failed.conversation, failed.command, failed.fields, tag);
      return failed.conversation;
    });
    if (id !== null) {
      this.pump(id);
    }
  }

  /** Let a failed message go. */
  async discard(position) {
    await this.ledger.transact((draft) => draft.dropCommand(position));
  }

  /** How many commands of all conversations have no answer yet. */
  get unanswered() {
    return [...this.ledger.commandsAt.values()].filter(isUnanswered).length;
  }

  /** There is a new connection: everything unanswered goes out, in order. */
  resume() {
    const ids = new Set([...this.ledger.commandsAt.values()].map((c) => c.conversation));
    ids.forEach((id) => this.pump(id));
  }

  /** The connection is gone. */
  suspend() {
    this.queues.forEach((queue) => queue.lost());
    this.starved.clear();
  }

  /** Forget all transient state: another device begins. */
  clear() {
    this.timers.forEach((timer) => this.clearTimer(timer));
    this.timers.clear();
    this.queues.clear();
    this.waiters.forEach(({ reject }) => reject(new ConnectionLost("signed out")));
    this.waiters.clear();
  }

  /** A record of this device came through the inbox: its command is done (call inside a transaction). */
  recognise(draft, conversation, record) {
    if (record.device !== draft.account.device) {
      return null;
    }
    const found = draft.commands(conversation).find((command) => command.tag === record.tag);
    if (found === undefined) {
      return null;
    }
    draft.dropCommand(found.position);
    if (found.command === "create_link" && typeof record.link === "string") {
      keepSecret(draft, conversation, record.link, found.fields.link);
    }
    return found.tag;
  }

  /** Let go what was kept laid over until told, and is told by now (call inside a transaction). */
  sweep(draft) {
    for (const command of this.ledger.commandsAt.values()) {
      if (command.done !== undefined && isTold(draft, command.conversation, command.done)) {
        draft.dropCommand(command.position);
      }
    }
  }

  /** After that transaction: `tags` are answered as far as the queue is concerned. */
  recognised(conversation, tags) {
    const queue = this.#queue(conversation);
    tags.forEach((tag) => queue.answered(tag));
    this.pump(conversation);
  }

  #queue(id) {
    if (!this.queues.has(id)) {
      this.queues.set(id, new CommandQueue(this.random));
    }
    return this.queues.get(id);
  }

  #active(source, id) {
    return source.commands(id).filter(isUnanswered);
  }

  /** Send what may be sent now. */
  pump(id) {
    if (this.link.state.phase !== "online") {
      return;
    }
    const queue = this.#queue(id);
    if (queue.isDue) {
      this.#renumber(id, queue);
      return;
    }
    if (this.link.unanswered.size >= MAX_OUTSTANDING) {
      this.starved.add(id);
      return;
    }
    const commands = this.#active(this.ledger, id);
    for (const command of queue.take(commands, this.now())) {
      this.#send(queue, command);
    }
    const pause = queue.pauseUntil - this.now();
    if (pause > 0 && commands.length && !this.timers.has(id)) {
      this.timers.set(id, this.setTimer(() => this.#afterPause(id), pause));
    }
  }

  #afterPause(id) {
    this.timers.delete(id);
    this.pump(id);
  }

  async #renumber(id, queue) {
    // Held from now on, not only once the transaction gets its turn.
    queue.isNumbering = true;
    let trouble = null;
    try {
      await this.ledger.transact((draft) => {
        const row = draft.conversation(id);
        const plan = queue.renumbering(this.#active(draft, id), row?.next ?? 1);
        if (plan !== null && row !== null) {
          plan.changed.forEach((command) => draft.putCommand(command));
          draft.putConversation({ ...row, next: plan.next });
        }
      });
    } catch (error) {
      trouble = error;
    }
    queue.numbered();
    if (trouble === null) {
      this.pump(id);
    } else {
      this.onTrouble(trouble);
    }
  }

  async #send(queue, command) {
    const { conversation, number, tag, fields } = command;
    const where = isUnmade(conversation) ? {} : { conversation };
    try {
      const asked = this.link.request(command.command, { ...fields, ...where, number, tag });
      await asked.then(
        (ok) => this.#onDone(queue, command, ok),
        (error) => this.#onFailed(queue, command, error),
      );
    } catch (error) {
      this.onTrouble(error);
      return;
    }
    this.pump(conversation);
    const [waiting] = this.starved;
    if (waiting !== undefined) {
      this.starved.delete(waiting);
      this.pump(waiting);
    }
  }

  async #onDone(queue, command, ok) {
    await this.ledger.transact((draft) => {
      const isKnown = draft.commands(command.conversation).some((c) => c.tag === command.tag);
      if (isKnown) {
        draft.dropCommand(command.position);
        if (isLasting(command) && !isTold(draft, command.conversation, ok.n)) {
          draft.putCommand({ ...command, done: ok.n });
        }
        storeOwnRecord(draft, command, ok);
      }
    });
    queue.answered(command.tag);
    this.#answer(command.tag, (waiter) => waiter.resolve(ok));
  }

  async #onFailed(queue, command, refusal) {
    if (!(refusal instanceof RequestRefused)) {
      // A lost connection leaves the command where it is.
      return;
    }
    const verdict = queue.refused(command, refusal, this.now());
    if (verdict === "number_used") {
      this.onFault(verdict);
    }
    if (verdict !== "remove") {
      return;
    }
    const { code, message } = refusal;
    await this.ledger.transact((draft) => {
      draft.dropCommand(command.position);
      if (command.command === "send") {
        draft.putCommand({ ...command, number: null, failed: { code, message } });
      }
    });
    const isHeard = this.#answer(command.tag, (waiter) => waiter.reject(refusal));
    if (!isHeard && command.command !== "send") {
      this.onRefusal(command, refusal);
    }
  }

  #answer(tag, how) {
    const waiter = this.waiters.get(tag);
    this.waiters.delete(tag);
    if (waiter !== undefined) {
      how(waiter);
    }
    return waiter !== undefined;
  }
}

function isUnanswered({ failed, done }) {
  return failed === undefined && done === undefined;
}

/** Whether the inbox has told record `n` of the conversation, or item `n` of the account's lane. */
function isTold(draft, conversation, n) {
  const reached = conversation === LANE ? draft.cursor?.number : draft.conversation(conversation)?.applied;
  return (reached ?? 0) >= n;
}

/** The node knows links by ids only: whoever made one can hand it out again from here. */
function keepSecret(draft, conversation, link, secret) {
  const row = draft.conversation(conversation);
  const kept = Object.entries(row?.secrets ?? {}).slice(1 - MAX_SECRETS);
  if (row !== null) {
    draft.putConversation({ ...row, secrets: { ...Object.fromEntries(kept), [link]: secret } });
  }
}

/** What the answer to a command already tells, so that it shows before the inbox says the same. */
function storeOwnRecord(draft, command, ok) {
  const { user, device } = draft.account;
  const { number, tag, fields } = command;
  const common = { n: ok.n, by: user, at: ok.at, device, number, tag };
  const row = draft.conversation(ok.conversation) ?? newConversation(ok.conversation, user);
  if (command.command === "send") {
    const record = { ...common, type: "message", ordinal: ok.ordinal, ...fields };
    draft.putRecord(row.id, record);
    draft.putConversation(withPreview(row, record));
  } else if (command.command === "create_group" || command.command === "create_channel") {
    const { title, description = "" } = fields;
    const open = Boolean(fields.open ?? fields.public);
    const next = Math.max(row.next, 2);
    const role = row.role ?? "owner";
    draft.putConversation({ ...row, title, description, open, role, next, at: Math.max(row.at, ok.at) });
  }
}
