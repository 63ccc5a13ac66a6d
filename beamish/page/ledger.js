/**
 * The device's state in memory, changed only by transactions that the store has taken.
 *
 * `transact(change)` runs `change(draft)`, a plain function, against a draft that reads through to the state; what
 * it put is committed to the store and only then becomes the state and is told to the listeners. Everything that
 * waits while a commit runs goes into the next one (one sync for all). A `change` that throws leaves no trace and
 * rejects its own promise; a commit that fails rejects all of its promises and leaves the state as it was.
 *
 * Rows, records and commands are immutable values: a change puts a new one.
 */

import { upgraded } from "./conversation.js";
import { isNewer } from "./records.js";

/** Bound of transactions that wait for the store; above it `transact` rejects. */
const MAX_WAITING = 4096;

/** What a running transaction sees and does. */
export class Draft {
  constructor(below) {
    this.below = below;
    this.changes = {};
    this.rows = new Map();
    this.commandsAt = new Map();
    this.people = new Map();
    this.dropped = new Set();
    this.floors = new Map();
    this.records = [];
  }

  get isUntouched() {
    const { changes, rows, commandsAt, people, dropped, floors, records } = this;
    const sizes = [rows.size, commandsAt.size, people.size, dropped.size, floors.size, records.length];
    return Object.keys(changes).length === 0 && sizes.every((size) => size === 0);
  }

  get account() {
    return this.changes.account !== undefined ? this.changes.account : this.below.account;
  }

  set account(account) {
    this.changes.account = account;
  }

  get cursor() {
    return this.changes.cursor !== undefined ? this.changes.cursor : this.below.cursor;
  }

  set cursor(cursor) {
    this.changes.cursor = cursor;
  }

  conversation(id) {
    return this.rows.has(id) ? this.rows.get(id) : this.below.conversation(id);
  }

  /** All conversations' ids. */
  ids() {
    const ids = new Set([...this.below.ids(), ...this.rows.keys()]);
    return [...ids].filter((id) => this.conversation(id) !== null);
  }

  putConversation(row) {
    this.rows.set(row.id, row);
  }

  /** Forget the conversation and its records. */
  dropConversation(id) {
    this.rows.set(id, null);
    this.dropRecords(id);
  }

  putRecord(conversation, record) {
    this.records.push([conversation, record]);
  }

  /** Forget the records stored before this transaction and those it has put so far. */
  dropRecords(conversation) {
    this.dropped.add(conversation);
    this.records = this.records.filter(([id]) => id !== conversation);
  }

  /** Forget stored records with smaller numbers than `n`. */
  dropRecordsBelow(conversation, n) {
    this.floors.set(conversation, n);
  }

  /** The commands of a conversation in order, those that failed included. */
  commands(conversation) {
    const kept = this.below
      .commands(conversation)
      .filter((command) => !this.commandsAt.has(command.position));
    const put = [...this.commandsAt.values()].filter((c) => c?.conversation === conversation);
    return [...kept, ...put].sort((a, b) => a.position - b.position);
  }

  putCommand(command) {
    this.commandsAt.set(command.position, command);
  }

  dropCommand(position) {
    this.commandsAt.set(position, null);
  }

  user(name) {
    return this.people.get(name) ?? this.below.user(name);
  }

  putUser(user) {
    this.people.set(user.user, user);
  }
}

export class Ledger {
  constructor(store) {
    this.store = store;
    this.listeners = new Set();
    this.waiting = [];
    this.running = false;
    this.lastPosition = 0;
    this.#reset();
  }

  #reset() {
    this.account = null;
    this.cursor = null;
    this.rows = new Map();
    this.commandsAt = new Map();
    this.grouped = null;
    this.people = new Map();
  }

  /** Take the state from the store. */
  async load() {
    const { account, cursor, conversations, commands, users } = await this.store.load();
    this.account = account;
    this.cursor = cursor;
    this.rows = new Map(conversations.map((row) => [row.id, upgraded(row, account?.user)]));
    this.commandsAt = new Map(commands.map((command) => [command.position, command]));
    this.grouped = null;
    this.people = new Map(users.map((user) => [user.user, user]));
    this.lastPosition = Math.max(0, ...this.commandsAt.keys());
  }

  conversation(id) {
    return this.rows.get(id) ?? null;
  }

  ids() {
    return [...this.rows.keys()];
  }

  commands(conversation) {
    if (this.grouped === null) {
      const inOrder = [...this.commandsAt.values()].sort((a, b) => a.position - b.position);
      this.grouped = new Map();
      for (const command of inOrder) {
        const group = this.grouped.get(command.conversation) ?? [];
        this.grouped.set(command.conversation, group);
        group.push(command);
      }
    }
    return this.grouped.get(conversation) ?? [];
  }

  user(name) {
    return this.people.get(name) ?? null;
  }

  /** A position behind all that were given before. */
  nextPosition() {
    this.lastPosition += 1;
    return this.lastPosition;
  }

  /** `listener({rows: Set, records: Map id -> [record], dropped: Set, commands: Set of ids, users: Set, account: boolean})`. */
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** See the module's comment. Resolves with what `change` returned, after the commit. */
  transact(change) {
    if (this.waiting.length >= MAX_WAITING) {
      return Promise.reject(new Error("this browser's storage is too slow: try again in a moment"));
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ change, resolve, reject });
      this.#run();
    });
  }

  /** Forget everything of this device, in the store too. */
  async wipe() {
    await this.idle();
    await this.store.commit({ wipe: true });
    const gone = new Set(this.rows.keys());
    this.#reset();
    this.#tell({ rows: gone, records: new Map(), dropped: gone, commands: gone, users: new Set(), account: true });
  }

  /** Resolves when no transaction runs or waits. */
  async idle() {
    while (this.running) {
      await this.current;
    }
  }

  #run() {
    if (!this.running) {
      this.running = true;
      this.current = this.#drain();
    }
  }

  async #drain() {
    await null;
    while (this.waiting.length) {
      const draft = new Draft(this);
      const done = this.waiting.splice(0).filter((entry) => runOne(entry, draft));
      try {
        if (!draft.isUntouched) {
          await this.store.commit(changesOf(draft));
        }
      } catch (error) {
        done.forEach(({ reject }) => reject(error));
        continue;
      }
      this.#adopt(draft);
      done.forEach(({ resolve, value }) => resolve(value));
    }
    this.running = false;
  }

  #adopt(draft) {
    const isAccountNew = draft.account !== this.account;
    this.account = draft.account;
    this.cursor = draft.cursor;
    const touched = new Set();
    for (const [position, command] of draft.commandsAt) {
      touched.add((command ?? this.commandsAt.get(position))?.conversation);
      put(this.commandsAt, position, command);
      this.grouped = null;
    }
    draft.rows.forEach((row, id) => put(this.rows, id, row));
    draft.people.forEach((user, name) => this.people.set(name, user));
    const records = new Map();
    for (const [id, record] of newestRecords(draft)) {
      records.set(id, records.get(id) ?? []);
      records.get(id).push(record);
    }
    this.#tell({
      rows: new Set(draft.rows.keys()),
      records,
      dropped: draft.dropped,
      commands: touched,
      users: new Set(draft.people.keys()),
      account: isAccountNew,
    });
  }

  #tell(news) {
    for (const listener of [...this.listeners]) {
      listener(news);
    }
  }
}

function put(map, key, value) {
  if (value === null) {
    map.delete(key);
  } else {
    map.set(key, value);
  }
}

/** Run one change in a draft of its own and merge it when it returns. */
function runOne(entry, draft) {
  const own = new Draft(draft);
  try {
    entry.value = entry.change(own);
  } catch (error) {
    entry.reject(error);
    return false;
  }
  own.dropped.forEach((id) => draft.dropRecords(id));
  Object.assign(draft.changes, own.changes);
  own.rows.forEach((row, id) => draft.rows.set(id, row));
  own.commandsAt.forEach((command, position) => draft.commandsAt.set(position, command));
  own.people.forEach((user, name) => draft.people.set(name, user));
  own.floors.forEach((n, id) => draft.floors.set(id, n));
  draft.records.push(...own.records);
  return true;
}

/** The records put, each once with its newest content, as pairs with their conversation. */
function newestRecords(draft) {
  const found = new Map();
  for (const [id, record] of draft.records) {
    const key = `${id} ${record.n}`;
    if (isNewer(record, found.get(key)?.[1])) {
      found.set(key, [id, record]);
    }
  }
  return [...found.values()];
}

function changesOf(draft) {
  const rows = [...draft.rows];
  const commands = [...draft.commandsAt];
  return {
    ...draft.changes,
    conversations: rows.filter(([, row]) => row !== null).map(([, row]) => row),
    dropConversations: rows.filter(([, row]) => row === null).map(([id]) => id),
    records: newestRecords(draft),
    dropRecords: [...draft.dropped],
    dropRecordsBelow: [...draft.floors],
    commands: commands.filter(([, command]) => command !== null).map(([, command]) => command),
    dropCommands: commands.filter(([, command]) => command === null).map(([position]) => position),
    users: [...draft.people.values()],
  };
}
