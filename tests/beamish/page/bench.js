/** An engine of alice's on a node in memory (`fake_node.js`), where bob lives too. */

import { Engine } from "./engine.js";
import { FakeClock } from "./fake_clock.js";
import { FakeNode } from "./fake_node.js";
import { MemoryStore } from "./store.js";

export class Bench {
  constructor() {
    this.clock = new FakeClock();
    this.node = new FakeNode(this.clock);
    this.node.addUser("bob");
    this.tags = 0;
  }

  engine(store = new MemoryStore()) {
    const { clock } = this;
    const engine = new Engine(store, "ws://fake/ws", {
      openSocket: () => this.node.open(),
      setTimer: clock.setTimer,
      clearTimer: clock.clearTimer,
      now: clock.now,
      wallClock: clock.now,
      random: () => 0.5,
      tag: () => `tag${(this.tags += 1)}`,
    });
    engine.notices = [];
    engine.listen((news) => news.notice && engine.notices.push(news.notice));
    return engine;
  }

  /** A registered and attached device of alice. */
  async alice() {
    const engine = this.engine();
    await engine.store.claim("tab");
    await engine.start();
    const done = engine.signIn("register", { user: "alice", password: "correct horse" });
    await this.clock.advance(50);
    await done;
    return engine;
  }

  say(text, by = "bob") {
    return this.node.append("d:alice:bob", { type: "message", by, text });
  }
}

export const DIRECT = "d:alice:bob";

export const textsOf = async (engine, id = DIRECT) =>
  (await engine.store.records(id, { limit: 1000 })).filter((r) => r.type === "message").map((r) => r.text);
