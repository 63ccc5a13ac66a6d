/** Time for the tests of the page's engine: it passes when it is told to. */

export class FakeClock {
  constructor() {
    this.time = 0;
    this.timers = [];
    this.count = 0;
    this.now = () => this.time;
    this.setTimer = (fn, ms) => {
      this.count += 1;
      this.timers.push({ id: this.count, at: this.time + ms, fn });
      return this.count;
    };
    this.clearTimer = (id) => {
      this.timers = this.timers.filter((timer) => timer.id !== id);
    };
  }

  /** Let promises settle, then run timers in order, until `ms` have passed. */
  async advance(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const due = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (due === undefined) {
        break;
      }
      this.timers = this.timers.filter((timer) => timer !== due);
      this.time = Math.max(this.time, due.at);
      due.fn();
    }
    this.time = end;
  }
}

/** Every promise that can settle without a timer has settled. */
export async function settle() {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
