/** One lasting connection made of many sockets: what it promises, on sockets without a network. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Connection,
  ConnectionLost,
  LONGEST_PAUSE_MS,
  MAX_UNANSWERED,
  QUIET_MS,
  RequestRefused,
  SILENCE_MS,
} from "./connection.js";
import { FakeClock, settle } from "./fake_clock.js";

/** A connection whose sockets are kept in `sockets`, opened and answered by hand. */
function bench(handlers = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const states = [];
  const events = [];
  const openSocket = () => {
    const socket = { sent: [], isClosed: false };
    socket.send = (text) => socket.sent.push(...JSON.parse(text));
    socket.close = () => {
      socket.isClosed = true;
    };
    socket.hear = (...items) => socket.onmessage({ data: JSON.stringify(items) });
    sockets.push(socket);
    return socket;
  };
  const link = new Connection(
    "ws://x/ws",
    {
      handshake: async () => {},
      onEvent: (event) => events.push(event),
      onState: ({ phase }) => states.push(phase),
      ...handlers,
    },
    { openSocket, now: clock.now, setTimer: clock.setTimer, clearTimer: clock.clearTimer, random: () => 1 },
  );
  return { clock, sockets, states, events, link };
}

async function online(test) {
  test.link.start();
  test.sockets.at(-1).onopen();
  await settle();
  assert.equal(test.link.state.phase, "online");
}

test("answers reach those who asked, in any order", async () => {
  const b = bench();
  await online(b);
  const [one, two] = [b.link.request("a"), b.link.request("b")];
  await settle();
  const [first, second] = b.sockets[0].sent;
  b.sockets[0].hear({ id: second.id, ok: { two: 2 } });
  b.sockets[0].hear({ id: first.id, error: { code: "forbidden", message: "no", retryable: false } });
  assert.deepEqual(await two, { two: 2 });
  await assert.rejects(one, (error) => error instanceof RequestRefused && error.code === "forbidden");
});

test("what is asked in one turn goes out in one frame", async () => {
  const b = bench();
  await online(b);
  let frames = 0;
  b.sockets[0].send = () => (frames += 1);
  for (let count = 0; count < 20; count += 1) {
    b.link.request("a").catch(() => {});
  }
  await settle();
  assert.equal(frames, 1);
});

test("a lost connection fails what was asked, and nobody listens to the old socket any more", async () => {
  const b = bench();
  await online(b);
  const asked = b.link.request("a");
  await settle();
  const [old] = b.sockets;
  const { id } = old.sent[0];
  old.onclose({ code: 1006, reason: "" });
  await assert.rejects(asked, ConnectionLost);
  await b.clock.advance(1000);
  assert.equal(b.sockets.length, 2);
  b.sockets[1].onopen();
  await settle();
  old.hear({ event: "updates" }, { id: id + 1, ok: {} });
  old.onclose({ code: 1006, reason: "" });
  assert.equal(b.link.state.phase, "online");
  assert.deepEqual(b.events, []);
});

test("pauses double up to a bound while the node cannot be reached", async () => {
  const b = bench();
  b.link.start();
  const pauses = [];
  for (let tries = 0; tries < 9; tries += 1) {
    b.sockets.at(-1).onclose({ code: 1006, reason: "" });
    pauses.push(b.link.state.retryAt - b.clock.time);
    await b.clock.advance(pauses.at(-1) + 1);
  }
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(LONGEST_PAUSE_MS, 30000);
});

test("a silent socket is abandoned after a ping without any answer", async () => {
  const b = bench();
  await online(b);
  await b.clock.advance(QUIET_MS + 10);
  assert.deepEqual(b.sockets[0].sent.map((item) => item.command), ["ping"]);
  assert.equal(b.link.state.phase, "online");
  await b.clock.advance(SILENCE_MS);
  assert.ok(b.sockets[0].isClosed);
  assert.equal(b.link.state.phase, "waiting");
});

test("anything heard is a sign of life, not only the answer to the ping", async () => {
  const b = bench();
  await online(b);
  for (let count = 0; count < 40; count += 1) {
    await b.clock.advance(5000);
    b.sockets[0].hear({ event: "something new" });
  }
  assert.equal(b.link.state.phase, "online");
  assert.equal(b.sockets.length, 1);
});

test("a slow answer on a connection that answers pings is waited for", async () => {
  const b = bench();
  await online(b);
  const slow = b.link.request("slow");
  for (let second = 0; second < 30; second += 1) {
    await b.clock.advance(1000);
    for (const { id, command } of b.sockets[0].sent.splice(0)) {
      if (command === "ping") {
        b.sockets[0].hear({ id, ok: {} });
      } else {
        b.slow = id;
      }
    }
  }
  b.sockets[0].hear({ id: b.slow, ok: { late: true } });
  assert.deepEqual(await slow, { late: true });
  assert.equal(b.sockets.length, 1);
});

test("a socket that never opens is given up", async () => {
  const b = bench();
  b.link.start();
  await b.clock.advance(20_000);
  assert.ok(b.sockets[0].isClosed);
  assert.equal(b.link.state.phase, "waiting");
});

test("close codes that forbid to come back are obeyed, and say why", async () => {
  for (const [code, why] of [[4401, "revoked"], [4409, "elsewhere"], [4403, "refused"], [1000, "closed"]]) {
    const b = bench();
    await online(b);
    b.sockets[0].onclose({ code, reason: "" });
    await b.clock.advance(120_000);
    assert.deepEqual([b.link.state.phase, b.link.state.reason, b.sockets.length], ["ended", why, 1]);
  }
});

test("one who was too fast waits at least ten seconds", async () => {
  const b = bench();
  await online(b);
  b.sockets[0].onclose({ code: 4429, reason: "" });
  assert.ok(b.link.state.retryAt - b.clock.time >= 10_000);
});

test("a handshake that is refused for a time is repeated after that time", async () => {
  const error = new RequestRefused({ code: "overloaded", retryable: true, retry_after_ms: 7000 });
  const b = bench({ handshake: () => Promise.reject(error) });
  b.link.start();
  b.sockets[0].onopen();
  await settle();
  assert.equal(b.link.state.retryAt - b.clock.time, 7000);
});

test("a frame that is none ends the connection, and another is opened", async () => {
  const b = bench();
  await online(b);
  b.sockets[0].onmessage({ data: "{" });
  assert.equal(b.link.state.phase, "waiting");
  await b.clock.advance(1000);
  assert.equal(b.sockets.length, 2);
});

test("what may be asked at once is bounded", async () => {
  const b = bench();
  await online(b);
  for (let count = 0; count < MAX_UNANSWERED; count += 1) {
    b.link.request("a").catch(() => {});
  }
  await assert.rejects(b.link.request("one more"), ConnectionLost);
});

test("a stopped connection stays stopped", async () => {
  const b = bench();
  await online(b);
  b.link.stop();
  b.link.doubt();
  b.link.retryNow();
  await b.clock.advance(120_000);
  assert.deepEqual([b.link.state.phase, b.sockets.length, b.clock.timers.length], ["stopped", 1, 0]);
});
