/**
 * Small questions to the node that nobody waits for: names, members, last messages of the list.
 *
 * An errand has a key, so that the same is asked once; at most `AT_ONCE` run together and at most `MAX_WAITING`
 * wait, the oldest of which is forgotten first. Those that a lost connection interrupted run again; those that the
 * node refused do not.
 */

import { ConnectionLost } from "./connection.js";

const AT_ONCE = 4;
const MAX_WAITING = 500;

export class Errands {
  constructor() {
    this.waiting = new Map();
    this.running = new Set();
    this.isOnline = false;
  }

  /** Run `errand()`, which returns a promise, as soon as there is a connection and a free hand. */
  add(key, errand) {
    if (this.waiting.has(key) || this.running.has(key)) {
      return;
    }
    this.waiting.set(key, errand);
    if (this.waiting.size > MAX_WAITING) {
      this.waiting.delete(this.waiting.keys().next().value);
    }
    this.#next();
  }

  setOnline(isOnline) {
    this.isOnline = isOnline;
    this.#next();
  }

  clear() {
    this.waiting.clear();
  }

  #next() {
    while (this.isOnline && this.running.size < AT_ONCE && this.waiting.size) {
      const [key, errand] = this.waiting.entries().next().value;
      this.waiting.delete(key);
      this.running.add(key);
      this.#run(key, errand);
    }
  }

  async #run(key, errand) {
    let again = false;
    try {
      await errand();
    } catch (error) {
      again = error instanceof ConnectionLost;
    }
    this.running.delete(key);
    if (again) {
      this.waiting.set(key, errand);
      // Asked again when the connection is back, not at once.
      this.isOnline = false;
    }
    this.#next();
  }
}
