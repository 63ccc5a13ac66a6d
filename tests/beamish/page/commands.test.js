/** The queue of commands against a node that loses, repeats and refuses: numbers stay dense, order holds. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CommandQueue, WINDOW } from "./commands.js";
import { RequestRefused } from "./connection.js";

const refusal = (code, more = {}) => new RequestRefused({ code, retryable: false, message: code, ...more });
const commands = (count) =>
  Array.from({ length: count }, (_, index) => ({ position: index, tag: `t${index}`, number: index + 1 }));

test("at most a window of commands is outstanding, each sent once for each connection", () => {
  const queue = new CommandQueue();
  const all = commands(40);
  assert.equal(queue.take(all, 0).length, WINDOW);
  assert.equal(queue.take(all, 0).length, 0);
  queue.answered("t0");
  assert.deepEqual(queue.take(all.slice(1), 0).map((c) => c.tag), [`t${WINDOW}`]);
  queue.lost();
  assert.deepEqual(queue.take(all.slice(1), 0).map((c) => c.tag).slice(0, 2), ["t1", "t2"]);
});

test("behind a refused command the others move up once all is answered", () => {
  const queue = new CommandQueue();
  const all = commands(3);
  queue.take(all, 0);
  assert.equal(queue.refused(all[0], refusal("forbidden"), 0), "remove");
  assert.equal(queue.isDue, false);
  const late = refusal("expected", { retryable: true, expected: 1 });
  queue.refused(all[1], late, 0);
  queue.refused(all[2], late, 0);
  assert.equal(queue.isDue, true);
  const plan = queue.renumbering(all.slice(1), 4);
  assert.deepEqual(plan.changed.map((c) => [c.tag, c.number]), [["t1", 1], ["t2", 2]]);
  assert.equal(plan.next, 3);
  assert.deepEqual(queue.take(plan.changed, 0), []);
  queue.numbered();
  assert.deepEqual(queue.take(plan.changed, 0).map((c) => c.tag), ["t1"]);
});

test("an expected that answers one of many is asked for again before it is believed", () => {
  const queue = new CommandQueue();
  const all = commands(2);
  queue.take(all, 0);
  const strange = refusal("expected", { retryable: true, expected: 7 });
  queue.refused(all[0], strange, 0);
  queue.answered("t1");
  assert.equal(queue.renumbering([all[0]], 3), null);
  queue.numbered();
  assert.deepEqual(queue.take([all[0]], 0), [all[0]]);
  queue.refused(all[0], strange, 0);
  assert.deepEqual(queue.renumbering([all[0]], 3), { changed: [{ ...all[0], number: 7 }], next: 8 });
});

test("pauses are those the node names, else random and growing, and an answer ends them", () => {
  const queue = new CommandQueue(() => 1);
  const [one] = commands(1);
  queue.take([one], 0);
  queue.refused(one, refusal("overloaded", { retryable: true, retry_after_ms: 70 }), 1000);
  assert.equal(queue.pauseUntil, 1070);
  assert.deepEqual(queue.take([one], 1069), []);
  assert.deepEqual(queue.take([one], 1070), [one]);
  queue.refused(one, refusal("internal", { retryable: true }), 2000);
  const first = queue.pauseUntil - 2000;
  queue.take([one], 9000);
  queue.refused(one, refusal("internal", { retryable: true }), 9000);
  assert.equal(queue.pauseUntil - 9000, 2 * first);
});

test("a used number is never retried", () => {
  const queue = new CommandQueue();
  const [one] = commands(1);
  queue.take([one], 0);
  assert.equal(queue.refused(one, refusal("number_used"), 0), "number_used");
});

/** The node's rules for one device and conversation (protocol, section 9). */
class Numbers {
  constructor(random) {
    this.random = random;
    this.done = [];
  }

  answer({ tag, number, isBad }) {
    if (this.done.includes(tag)) {
      return null;
    }
    if (this.random() < 0.1) {
      return refusal("overloaded", { retryable: true, retry_after_ms: 1 });
    }
    if (number <= this.done.length) {
      return refusal("number_used");
    }
    if (number > this.done.length + 1) {
      return refusal("expected", { retryable: true, expected: this.done.length + 1 });
    }
    if (isBad) {
      return refusal("forbidden");
    }
    this.done.push(tag);
    return null;
  }
}

function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("whatever is lost, repeated late or refused, all good commands are done once and in order", () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    play(random(seed), seed);
  }
});

function play(dice, seed) {
  const node = new Numbers(dice);
  const queue = new CommandQueue(dice);
  const state = { commands: [], next: 1, now: 0, wire: [], composed: 0 };
  const good = [];
  for (let step = 0; step < 4000 && (state.composed < 30 || state.commands.length); step += 1) {
    state.now += 5;
    const kind = dice();
    if (kind < 0.2 && state.composed < 30) {
      const isBad = dice() < 0.2;
      const tag = `c${state.composed}`;
      state.commands.push({ tag, number: state.next, isBad, position: state.composed });
      state.next += 1;
      state.composed += 1;
      if (!isBad) {
        good.push(tag);
      }
    } else if (kind < 0.25) {
      // The connection ends; what is on the wire may still reach the node, its answers do not come back.
      state.wire.filter(() => dice() < 0.5).forEach((command) => node.answer(command));
      state.wire = [];
      queue.lost();
    } else if (kind < 0.6 && state.wire.length) {
      deliver(state, queue, node, seed);
    }
    renumber(state, queue);
    state.wire.push(...queue.take(state.commands, state.now));
  }
  assert.deepEqual(node.done, good, `seed ${seed}`);
  assert.equal(state.next, good.length + 1, `seed ${seed}: the next number`);
}

function deliver(state, queue, node, seed) {
  const command = state.wire.shift();
  const error = node.answer(command);
  const drop = () => {
    state.commands = state.commands.filter(({ tag }) => tag !== command.tag);
  };
  if (error === null) {
    drop();
    queue.answered(command.tag);
    return;
  }
  const verdict = queue.refused(command, error, state.now);
  assert.notEqual(verdict, "number_used", `seed ${seed}`);
  if (verdict === "remove") {
    drop();
  }
}

function renumber(state, queue) {
  if (!queue.isDue) {
    return;
  }
  const plan = queue.renumbering(state.commands, state.next);
  if (plan !== null) {
    const numbers = new Map(plan.changed.map(({ tag, number }) => [tag, number]));
    state.commands = state.commands.map((c) => ({ ...c, number: numbers.get(c.tag) ?? c.number }));
    state.next = plan.next;
  }
  queue.numbered();
}
