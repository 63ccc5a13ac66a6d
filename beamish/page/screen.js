/**
 * What is on screen, and what the node tells because of it: presence, last seen, who is typing.
 *
 * `show({users, conversations})` says what the views show now; the node is told by `look` once it has not changed
 * for `SETTLE_MS`, and again every `RENEW_MS`, since it forgets. All that comes back is a hint: kept in memory, at
 * most `MOST_KNOWN` people, and forgotten with the connection. Who types is shown for `TYPING_MS` after the last
 * hint; `typing(conversation)` tells the others of oneself, at most every `TELL_EVERY_MS`.
 */

const SETTLE_MS = 150;
export const RENEW_MS = 45_000;
export const TYPING_MS = 6_000;
export const TELL_EVERY_MS = 4_000;
const MOST_USERS = 64;
const MOST_CONVERSATIONS = 8;
const MOST_KNOWN = 512;

export class Screen {
  /** `onChange()`: presence or typing changed; `onPerson({user, display})`: a name as others see it now. */
  constructor({ link, setTimer, clearTimer, now, onChange, onPerson }) {
    Object.assign(this, { link, setTimer, clearTimer, now, onChange, onPerson });
    this.shown = { users: [], conversations: [] };
    this.people = new Map();
    this.typists = new Map();
    this.timer = null;
    this.toldAt = new Map();
  }

  show({ users = [], conversations = [] }) {
    const shown = {
      users: [...new Set(users)].slice(0, MOST_USERS),
      conversations: [...new Set(conversations)].slice(0, MOST_CONVERSATIONS),
    };
    if (JSON.stringify(shown) !== JSON.stringify(this.shown)) {
      this.shown = shown;
      this.#lookIn(SETTLE_MS);
    }
  }

  setOnline(isOnline) {
    if (isOnline) {
      this.#lookIn(SETTLE_MS);
      return;
    }
    this.clear();
  }

  clear() {
    this.clearTimer(this.timer);
    this.timer = null;
    this.toldAt.clear();
    this.typists.forEach((timers) => timers.forEach((timer) => this.clearTimer(timer)));
    this.typists.clear();
    this.people.clear();
    this.onChange();
  }

  /** `{online, last_seen?, status}` of a user, or null when nothing is known. */
  presenceOf(user) {
    return this.people.get(user) ?? null;
  }

  /** The users who are typing in a conversation. */
  typistsIn(conversation) {
    return [...(this.typists.get(conversation)?.keys() ?? [])];
  }

  /** The user types in `conversation`. */
  typing(conversation) {
    const before = this.toldAt.get(conversation);
    if (before === undefined || this.now() - before >= TELL_EVERY_MS) {
      this.toldAt.clear();
      this.toldAt.set(conversation, this.now());
      this.link.tell("typing", { conversation });
    }
  }

  /** A message was sent: the next letter is news again. */
  said(conversation) {
    this.toldAt.delete(conversation);
  }

  /** An event of the node; returns whether it was one of these. */
  receive(event) {
    if (event.event === "presence") {
      this.#learn(event.users ?? []);
    } else if (event.event === "typing") {
      this.#type(event.conversation, event.user);
    } else {
      return false;
    }
    this.onChange();
    return true;
  }

  /** A message of `user` came: they are not typing any more. */
  spoke(conversation, user) {
    const timers = this.typists.get(conversation);
    if (timers?.has(user)) {
      this.clearTimer(timers.get(user));
      timers.delete(user);
      this.onChange();
    }
  }

  #lookIn(ms) {
    this.clearTimer(this.timer);
    this.timer = this.setTimer(() => this.#look(), ms);
  }

  async #look() {
    this.timer = null;
    if (this.link.state.phase !== "online") {
      return;
    }
    this.#lookIn(RENEW_MS);
    try {
      const { presence } = await this.link.request("look", this.shown);
      this.#learn(presence ?? []);
      this.onChange();
    } catch {
      // A hint that was lost or refused: the next renewal asks again.
    }
  }

  #learn(told) {
    for (const person of told) {
      this.people.delete(person.user);
      this.people.set(person.user, person);
      if (this.people.size > MOST_KNOWN) {
        this.people.delete(this.people.keys().next().value);
      }
      if (typeof person.display === "string") {
        this.onPerson(person);
      }
    }
  }

  #type(conversation, user) {
    if (typeof conversation !== "string" || typeof user !== "string") {
      return;
    }
    const timers = this.typists.get(conversation) ?? new Map();
    this.typists.set(conversation, timers);
    this.clearTimer(timers.get(user));
    timers.set(
      user,
      this.setTimer(() => {
        timers.delete(user);
        this.onChange();
      }, TYPING_MS),
    );
  }
}
