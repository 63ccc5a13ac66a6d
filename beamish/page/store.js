/**
 * What this browser keeps: one device's account, cursor, conversations, records and unanswered commands.
 *
 * Two stores with one contract, `MemoryStore` and `IndexedStore`; `openStore()` gives the second, or the first
 * where the browser offers no database (then nothing outlives the tab, and each load is a new device).
 *
 * - `load()` -> `{account, cursor, conversations: [], commands: [], users: []}`.
 * - `commit(changes)` is one atomic, durable transaction: it resolves after everything is stored, or rejects
 *   and nothing is. `changes` may hold `wipe` (first of all), `account`, `cursor`, `conversations`,
 *   `dropConversations` (ids, with their records), `records` (pairs `[conversation, record]`),
 *   `dropRecords` (conversation ids), `dropRecordsBelow` (pairs `[conversation, n]`, last of all), `commands` (with `position`), `dropCommands` (positions), `users`.
 *   A record is kept when it is new or newer than the one stored under its number (`isNewer` of `records.js`).
 * - `records(conversation, {before, after, limit})` -> ascending array of records with `before` > n > `after`:
 *   the newest `limit` of them, or the oldest when only `after` is given.
 * - `claim(owner)` makes `owner` the only one whose commits succeed from now on; every other's reject with
 *   `StoreTaken`. The check is made inside each transaction: this fence, not any lock, is what keeps two tabs
 *   of one browser from corrupting one device.
 */

import { isNewer } from "./records.js";

const NAME = "beamish";
const FORMAT = 1;

/** Another tab has claimed this store: stop, and touch nothing. */
export class StoreTaken extends Error {
  constructor() {
    super("Beamish was opened in another tab of this browser");
  }
}

/** The database, or memory where there is none; `lasting` tells which. */
export async function openStore(owner, indexedDB = globalThis.indexedDB) {
  try {
    const store = await IndexedStore.open(indexedDB);
    await store.claim(owner);
    return store;
  } catch (error) {
    if (error instanceof StoreTaken) {
      throw error;
    }
    const store = new MemoryStore();
    await store.claim(owner);
    return store;
  }
}

export class MemoryStore {
  /** `shared`: the data of another `MemoryStore`, to stand for two tabs on one database. */
  constructor(shared = { holder: null, data: emptyData() }) {
    this.lasting = false;
    this.shared = shared;
    this.owner = null;
  }

  async claim(owner) {
    this.shared.holder = owner;
    this.owner = owner;
  }

  async load() {
    const { account, cursor, conversations, commands, users } = this.shared.data;
    return structuredClone({
      account,
      cursor,
      conversations: [...conversations.values()],
      commands: [...commands.values()].sort((a, b) => a.position - b.position),
      users: [...users.values()],
    });
  }

  async commit(changes) {
    if (this.shared.holder !== this.owner) {
      throw new StoreTaken();
    }
    const given = structuredClone(changes);
    if (given.wipe) {
      this.shared.data = emptyData();
    }
    const data = this.shared.data;
    data.account = given.account === undefined ? data.account : given.account;
    data.cursor = given.cursor === undefined ? data.cursor : given.cursor;
    (given.dropConversations ?? []).forEach((id) => data.conversations.delete(id));
    (given.dropConversations ?? []).forEach((id) => data.logs.delete(id));
    (given.dropRecords ?? []).forEach((id) => data.logs.delete(id));
    (given.conversations ?? []).forEach((row) => data.conversations.set(row.id, row));
    for (const [id, record] of given.records ?? []) {
      const log = data.logs.get(id) ?? new Map();
      data.logs.set(id, isNewer(record, log.get(record.n)) ? log.set(record.n, record) : log);
    }
    for (const [id, below] of given.dropRecordsBelow ?? []) {
      const log = [...(data.logs.get(id) ?? [])];
      data.logs.set(id, new Map(log.filter(([n]) => n >= below)));
    }
    (given.dropCommands ?? []).forEach((position) => data.commands.delete(position));
    (given.commands ?? []).forEach((command) => data.commands.set(command.position, command));
    (given.users ?? []).forEach((user) => data.users.set(user.user, user));
  }

  async records(conversation, { before = Infinity, after = 0, limit }) {
    const log = this.shared.data.logs.get(conversation) ?? new Map();
    const found = [...log.values()].filter((record) => record.n > after && record.n < before);
    found.sort((a, b) => a.n - b.n);
    return before === Infinity && after > 0 ? found.slice(0, limit) : found.slice(-limit);
  }
}

function emptyData() {
  return {
    account: null,
    cursor: null,
    conversations: new Map(),
    logs: new Map(),
    commands: new Map(),
    users: new Map(),
  };
}

/** The promise of a request or of a transaction's end. */
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.oncomplete = () => resolve(undefined);
    request.onerror = () => reject(request.error);
    request.onabort = () => reject(request.error ?? new Error("the browser's database refused"));
  });
}

function createTables(database) {
  database.createObjectStore("meta");
  database.createObjectStore("conversations", { keyPath: "id" });
  database.createObjectStore("records");
  database.createObjectStore("commands", { keyPath: "position" });
  database.createObjectStore("users", { keyPath: "user" });
}

const TABLES = ["meta", "conversations", "records", "commands", "users"];

/** All records of one conversation, or those below a number. */
function logOf(conversation, below = Infinity) {
  return IDBKeyRange.bound([conversation, 0], [conversation, below], false, true);
}

export class IndexedStore {
  constructor(database) {
    this.lasting = true;
    this.database = database;
    this.owner = null;
    // A later version of the page, in another tab, must not wait for this one.
    database.onversionchange = () => database.close();
  }

  static async open(indexedDB) {
    const request = indexedDB.open(NAME, FORMAT);
    request.onupgradeneeded = () => createTables(request.result);
    return new IndexedStore(await settled(request));
  }

  #write() {
    return this.database.transaction(TABLES, "readwrite", { durability: "strict" });
  }

  async claim(owner) {
    const transaction = this.#write();
    transaction.objectStore("meta").put(owner, "owner");
    await settled(transaction);
    this.owner = owner;
  }

  async load() {
    const transaction = this.database.transaction(TABLES, "readonly");
    const table = (name) => transaction.objectStore(name);
    const [account, cursor, conversations, commands, users] = await Promise.all([
      settled(table("meta").get("account")),
      settled(table("meta").get("cursor")),
      settled(table("conversations").getAll()),
      settled(table("commands").getAll()),
      settled(table("users").getAll()),
    ]);
    return { account: account ?? null, cursor: cursor ?? null, conversations, commands, users };
  }

  async commit(changes) {
    const transaction = this.#write();
    const done = settled(transaction);
    const holder = transaction.objectStore("meta").get("owner");
    let failure = null;
    holder.onsuccess = () => {
      try {
        if (holder.result !== this.owner) {
          throw new StoreTaken();
        }
        apply(transaction, changes);
      } catch (error) {
        failure = error;
        transaction.abort();
      }
    };
    try {
      await done;
    } catch (error) {
      throw failure ?? error;
    }
  }

  async records(conversation, { before = Infinity, after = 0, limit }) {
    const range = IDBKeyRange.bound([conversation, after], [conversation, before], true, true);
    const table = this.database.transaction("records", "readonly").objectStore("records");
    if (before === Infinity && after > 0) {
      return settled(table.getAll(range, limit));
    }
    const found = [];
    const request = table.openCursor(range, "prev");
    return new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null || found.length >= limit) {
          resolve(found.reverse());
          return;
        }
        found.push(cursor.value);
        cursor.continue();
      };
    });
  }
}

function putNewer(table, id, record) {
  const key = [id, record.n];
  const stored = table.get(key);
  stored.onsuccess = () => {
    if (isNewer(record, stored.result)) {
      table.put(record, key);
    }
  };
}

/** Put `changes` into a transaction that is known to be ours. */
function apply(transaction, changes) {
  const table = (name) => transaction.objectStore(name);
  if (changes.wipe) {
    TABLES.filter((name) => name !== "meta").forEach((name) => table(name).clear());
    table("meta").delete("account");
    table("meta").delete("cursor");
  }
  for (const name of ["account", "cursor"]) {
    if (changes[name] !== undefined) {
      table("meta").put(changes[name], name);
    }
  }
  for (const id of changes.dropConversations ?? []) {
    table("conversations").delete(id);
    table("records").delete(logOf(id));
  }
  (changes.dropRecords ?? []).forEach((id) => table("records").delete(logOf(id)));
  (changes.conversations ?? []).forEach((row) => table("conversations").put(row));
  // Compared first and put then, which comes after all deletions: what these are about is left out here.
  const floors = new Map(changes.dropRecordsBelow ?? []);
  (changes.records ?? [])
    .filter(([id, { n }]) => n >= (floors.get(id) ?? 0))
    .forEach(([id, record]) => putNewer(table("records"), id, record));
  for (const [id, below] of changes.dropRecordsBelow ?? []) {
    table("records").delete(logOf(id, below));
  }
  (changes.dropCommands ?? []).forEach((position) => table("commands").delete(position));
  (changes.commands ?? []).forEach((command) => table("commands").put(command));
  (changes.users ?? []).forEach((user) => table("users").put(user));
}
