/**
 * One tab of a browser profile is the device; the others offer to take over.
 *
 * `acquire()` resolves with whether this tab is the one; `take()` makes it the one, whoever was; `onLost()` is
 * called when another tab took over. Web Locks tell who lives where the browser has them (pages on localhost
 * or https), else tabs ask each other over a BroadcastChannel. Both are hints that keep two tabs from getting in
 * each other's way: what keeps the data whole is the fence inside the store (`store.js`).
 */

const NAME = "beamish";
const ANSWER_WITHIN_MS = 300;

export class Tabs {
  constructor({ locks = navigator.locks, openChannel = () => new BroadcastChannel(NAME) } = {}) {
    this.locks = locks;
    this.isHolder = false;
    this.onLost = () => {};
    this.channel = null;
    if (locks === undefined) {
      this.channel = openChannel();
      this.channel.onmessage = ({ data }) => this.#onMessage(data);
    }
  }

  acquire() {
    return this.locks === undefined ? this.#ask() : this.#request({ ifAvailable: true });
  }

  async take() {
    if (this.locks === undefined) {
      this.channel.postMessage("mine");
      this.isHolder = true;
    } else {
      await this.#request({ steal: true });
    }
  }

  #request(options) {
    return new Promise((resolve) => {
      const held = this.locks.request(NAME, options, (lock) => {
        this.isHolder = lock !== null;
        resolve(this.isHolder);
        // Held until the tab closes or another one steals it.
        return lock === null ? undefined : new Promise(() => {});
      });
      held.catch(() => this.#lose());
    });
  }

  #lose() {
    if (this.isHolder) {
      this.isHolder = false;
      this.onLost();
    }
  }

  async #ask() {
    this.isAnswered = false;
    this.channel.postMessage("anybody?");
    await new Promise((resolve) => setTimeout(resolve, ANSWER_WITHIN_MS));
    this.isHolder = !this.isAnswered;
    return this.isHolder;
  }

  #onMessage(word) {
    if (word === "anybody?" && this.isHolder) {
      this.channel.postMessage("here");
    } else if (word === "here") {
      this.isAnswered = true;
    } else if (word === "mine") {
      this.#lose();
    }
  }
}
