/**
 * The queue of unanswered commands of one conversation: numbers, resends, refusals (protocol, section 9).
 *
 * The commands themselves are kept by the store, in order, as
 * `{position, conversation, command, number, tag, fields, at}`; this class keeps only what a lost
 * connection may forget, and tells what to send and how to number. Pure: the caller stores and sends.
 *
 * A refusal uses no number, so what stands behind a refused command moves up, keeping its tags, once all
 * that is outstanding has been answered: the node knows a tag that it has carried out under any number.
 * After trouble one command goes out alone until one succeeds, so that an `expected` is never a late
 * echo of a state that has passed.
 */

/** How many commands of a conversation are outstanding at once (the protocol allows 64). */
export const WINDOW = 16;

/** The pause before a retryable refusal without `retry_after_ms` is tried again: random 0 to this, doubling. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export class CommandQueue {
  constructor(random = Math.random) {
    this.random = random;
    this.outstanding = new Set();
    this.freed = null;
    this.expected = null;
    this.alone = null;
    this.careful = false;
    this.isNumbering = false;
    this.pauseUntil = 0;
    this.troubles = 0;
  }

  /** Whether the caller must let `renumbering` speak before more is sent. */
  get isDue() {
    const isOpen = this.freed !== null || this.expected !== null;
    return this.outstanding.size === 0 && isOpen && !this.isNumbering;
  }

  get isHeld() {
    return this.freed !== null || this.expected !== null || this.isNumbering;
  }

  /**
   * Which of `commands` (those of this conversation, in order) to send now; they count as outstanding
   * until `answered`, `refused` or `lost`.
   */
  take(commands, now) {
    if (this.isHeld || now < this.pauseUntil) {
      return [];
    }
    const window = this.careful ? 1 : WINDOW;
    const taken = [];
    for (const command of commands.slice(0, window)) {
      if (!this.outstanding.has(command.tag)) {
        this.outstanding.add(command.tag);
        taken.push(command);
      }
    }
    if (taken.length) {
      this.alone = this.careful ? taken[0].tag : null;
    }
    return taken;
  }

  /** The command was carried out. */
  answered(tag) {
    this.outstanding.delete(tag);
    this.careful = false;
    this.troubles = 0;
  }

  /** The connection ended: what is outstanding will be sent again. */
  lost() {
    this.outstanding.clear();
  }

  /**
   * The node refused: "retry" (keep it), "number_used" (this store is no longer one device), or
   * "remove" (take the command out of the queue and tell the user).
   */
  refused(command, refusal, now) {
    this.outstanding.delete(command.tag);
    if (refusal.code === "number_used") {
      return "number_used";
    }
    if (refusal.code === "expected") {
      this.expected = { number: refusal.details.expected, isSure: command.tag === this.alone };
      return "retry";
    }
    this.careful = true;
    if (!refusal.retryable) {
      this.freed = Math.min(this.freed ?? Infinity, command.number);
      return "remove";
    }
    const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.troubles, 16));
    const pause = refusal.retryAfterMs ?? this.random() * ceiling;
    this.troubles += 1;
    this.pauseUntil = Math.max(this.pauseUntil, now + pause);
    return "retry";
  }

  /**
   * When `isDue`: the commands that need another number, already with it, and the next free number;
   * null when nothing changes. The caller stores both in one transaction and then calls `numbered`;
   * until then nothing is sent.
   */
  renumbering(commands, next) {
    const { freed, expected } = this;
    this.isNumbering = true;
    this.freed = null;
    this.expected = null;
    let from = freed;
    if (from === null && commands.length && expected.isSure) {
      from = expected.number;
    }
    this.careful = true;
    if (from === null) {
      return null;
    }
    const behind = commands.filter((command) => freed === null || command.number > freed);
    const changed = behind.map((command, index) => ({ ...command, number: from + index }));
    const same = changed.every((command, index) => command.number === behind[index].number);
    return same && next === from + behind.length ? null : { changed, next: from + behind.length };
  }

  numbered() {
    this.isNumbering = false;
  }
}
