/**
 * A node in memory for the tests of the page's engine: enough of the protocol to judge a client by.
 *
 * `FakeNode.open()` gives a socket with the browser's interface. Every answer and event is delivered by a
 * timer of the given clock, and may be lost, with its socket, by `drop()`, `silence()` or the `mischief` hook.
 */

export class FakeNode {
  constructor(clock) {
    this.clock = clock;
    this.epoch = 7;
    this.users = new Map();
    this.logs = new Map();
    this.tokens = new Map();
    this.sockets = new Set();
    this.seen = [];
    /** `mischief(item)` -> an error map to refuse with, or undefined. */
    this.mischief = () => undefined;
    this.latency = () => 1;
    this.devices = 0;
  }

  addUser(user) {
    const inbox = { items: [], marks: new Map(), oldest: 1, display: user.toUpperCase() };
    this.users.set(user, inbox);
    return inbox;
  }

  open() {
    const socket = new FakeSocket(this);
    this.sockets.add(socket);
    this.clock.setTimer(() => socket.onopen?.(), 1);
    return socket;
  }

  log(conversation) {
    if (!this.logs.has(conversation)) {
      this.logs.set(conversation, { records: [], members: [], numbers: new Map(), title: "", kind: "direct" });
    }
    return this.logs.get(conversation);
  }

  /** Append a record by hand, as another user's device would cause it. */
  append(conversation, record) {
    const log = this.log(conversation);
    if (log.records.length === 0 && conversation.startsWith("d:")) {
      const pair = conversation.split(":").slice(1);
      log.members = pair;
      this.add(log, { type: "create", kind: "direct", title: "", members: pair.map((u) => [u, u, "member"]), by: record.by });
    }
    this.add(log, record);
    log.members.forEach((user) => this.tell(user, conversation));
    return log.records.at(-1);
  }

  add(log, record) {
    const ordinal = log.records.filter((r) => r.type === "message").length + 1;
    const more = record.type === "message" ? { ordinal } : {};
    log.records.push({ n: log.records.length + 1, at: 1000 + this.clock.time, ...more, ...record });
  }

  tell(user, conversation) {
    const inbox = this.users.get(user);
    if (inbox === undefined) {
      return;
    }
    const told = inbox.marks.get(conversation)?.last ?? 0;
    const records = this.log(conversation).records.slice(told);
    this.put(user, { type: "records", conversation, records, ...this.amendedBy(conversation, records) });
    const marks = inbox.marks.get(conversation) ?? { read: 0, delivered: 0 };
    inbox.marks.set(conversation, { ...marks, last: this.log(conversation).records.length });
  }

  /** The present records that touches among `records` are about, unless these are among them. */
  amendedBy(conversation, records) {
    const targets = new Set(records.map(({ target }) => target).filter((n) => n !== undefined));
    records.forEach(({ n }) => targets.delete(n));
    return targets.size ? { amended: [...targets].map((n) => this.log(conversation).records[n - 1]) } : {};
  }

  /** Put an item into an inbox and tell those who are attached. */
  put(user, item) {
    const inbox = this.users.get(user);
    const n = inbox.oldest + inbox.items.length;
    inbox.items.push({ n, ...item });
    for (const socket of this.sockets) {
      if (socket.user === user && socket.attached) {
        socket.push({ event: "updates", epoch: this.epoch, from: n, to: n, items: [inbox.items.at(-1)] });
      }
    }
  }

  head(user) {
    const inbox = this.users.get(user);
    return inbox.oldest + inbox.items.length - 1;
  }

  /** Forget the oldest items, as a bounded inbox does. */
  trim(user) {
    const inbox = this.users.get(user);
    inbox.oldest += inbox.items.length;
    inbox.items = [];
  }

  dropAll(code = 1006) {
    [...this.sockets].forEach((socket) => socket.drop(code));
  }

  status(user, epoch, number) {
    if (epoch !== undefined && epoch !== this.epoch) {
      return "other_epoch";
    }
    if (number > this.head(user)) {
      return "ahead";
    }
    return number + 1 < this.users.get(user).oldest ? "too_old" : "resumed";
  }

  carryOut(socket, item) {
    this.seen.push(item);
    const error = this.mischief(item);
    if (error !== undefined) {
      return { error: { message: error.code, ...error } };
    }
    const isFree = ["hello", "register", "login", "resume", "ping"].includes(item.command);
    if (!isFree && socket.user === undefined) {
      return { error: { code: "unauthenticated", message: "log in first", retryable: false } };
    }
    const handler = this[`on_${item.command}`];
    return handler === undefined
      ? { error: { code: "unknown_command", message: "?", retryable: false } }
      : handler.call(this, socket, item);
  }

  on_hello() {
    return { ok: { version: 1, server: "fake", time: 1000 + this.clock.time, registration: "open", limits: {} } };
  }

  on_ping() {
    return { ok: { time: 0 } };
  }

  on_register(socket, { user }) {
    if (this.users.has(user)) {
      return { error: { code: "exists", message: "taken", retryable: false } };
    }
    this.addUser(user);
    return this.on_login(socket, { user });
  }

  on_login(socket, { user }) {
    this.devices += 1;
    const device = `dev${this.devices}`;
    const token = `token${this.devices}`;
    this.tokens.set(token, { user, device });
    Object.assign(socket, { user, device });
    return { ok: { user, display: user.toUpperCase(), device, token } };
  }

  on_resume(socket, { token }) {
    const known = this.tokens.get(token);
    if (known === undefined) {
      return { error: { code: "bad_credentials", message: "unknown token", retryable: false } };
    }
    Object.assign(socket, known);
    return { ok: { ...known, display: known.user.toUpperCase() } };
  }

  on_logout(socket) {
    this.clock.setTimer(() => socket.drop(1000), 2);
    return { ok: {} };
  }

  on_attach(socket, { epoch, number }) {
    const status = this.status(socket.user, epoch, number);
    if (status === "resumed") {
      socket.attached = true;
      const inbox = this.users.get(socket.user);
      const items = inbox.items.filter((entry) => entry.n > number);
      if (items.length) {
        const to = items.at(-1).n;
        queueMicrotask(() =>
          socket.push({ event: "updates", epoch: this.epoch, from: number + 1, to, items }),
        );
      }
    }
    return { ok: { status, epoch: this.epoch, number: this.head(socket.user) } };
  }

  on_fetch(socket, { epoch, from, limit = 500 }) {
    const status = this.status(socket.user, epoch, from - 1);
    const common = { status, epoch: this.epoch, number: this.head(socket.user), from };
    if (status !== "resumed") {
      return { ok: { ...common, to: from - 1, items: [] } };
    }
    const items = this.users.get(socket.user).items.filter((entry) => entry.n >= from).slice(0, limit);
    return { ok: { ...common, to: items.at(-1)?.n ?? from - 1, items } };
  }

  on_ack() {
    return { ok: {} };
  }

  on_snapshot(socket) {
    const inbox = this.users.get(socket.user);
    const conversations = [...this.logs]
      .filter(([, log]) => log.members.includes(socket.user))
      .map(([conversation, log]) => ({
        conversation,
        kind: log.kind,
        title: log.title,
        open: false,
        member: true,
        joined: 1,
        last: log.records.length,
        ordinal: log.records.filter((r) => r.type === "message").length,
        delivered: 0,
        read: inbox.marks.get(conversation)?.read ?? 0,
        unread: this.unread(socket.user, conversation),
        receipts: [],
      }));
    const { account } = inbox;
    return { ok: { epoch: this.epoch, number: this.head(socket.user), conversations, ...(account ? { account } : {}) } };
  }

  unread(user, conversation) {
    const read = this.users.get(user).marks.get(conversation)?.read ?? 0;
    const records = this.log(conversation).records;
    return records.filter((r) => r.type === "message" && r.by !== user && r.n > read && !r.deleted).length;
  }

  on_history(socket, { conversation, before = Infinity, after, limit = 50 }) {
    if (after !== undefined) {
      const later = this.log(conversation).records.filter((record) => record.n > after);
      return { ok: { records: later.slice(0, limit), more: later.length > limit } };
    }
    const found = this.log(conversation).records.filter((record) => record.n < before);
    const records = found.slice(-limit);
    return { ok: { records, more: found.length > limit, ...this.amendedBy(conversation, records) } };
  }

  on_read(socket, { conversation, upto }) {
    const inbox = this.users.get(socket.user);
    const marks = inbox.marks.get(conversation) ?? { last: 0, read: 0 };
    marks.read = Math.max(marks.read, upto);
    inbox.marks.set(conversation, marks);
    return { ok: { read: marks.read, unread: this.unread(socket.user, conversation) } };
  }

  on_user(socket, { user }) {
    return this.users.has(user)
      ? { ok: { user, display: user.toUpperCase() } }
      : { error: { code: "not_found", message: "no such user", retryable: false } };
  }

  on_conversation(socket, { conversation }) {
    const log = this.log(conversation);
    const roles = new Map((log.records[0]?.members ?? []).map((row) => [row[0], row[2]]));
    const members = log.members.map((user) => ({ user, display: user, role: roles.get(user), joined: 1 }));
    const { kind, title } = log;
    return { ok: { conversation, kind, title, open: false, members, version: log.records.length } };
  }

  on_create_group(socket, { tag, number, title, open, members }) {
    const conversation = `g:${tag.toLowerCase().replace(/[^a-z]/g, "a")}`;
    const log = this.log(conversation);
    const { user, device } = socket;
    return this.numbered(socket, log, { number, tag, conversation }, () => {
      log.kind = "group";
      log.title = title;
      log.members = [user, ...members];
      const rows = log.members.map((name) => [name, name, name === user ? "owner" : "member"]);
      return { type: "create", kind: "group", title, open, members: rows, by: user, device, number, tag };
    });
  }

  on_send(socket, { conversation, number, tag, text, reply, mentions, action }) {
    const { user, device } = socket;
    const item = { number, tag, conversation };
    const more = Object.fromEntries(Object.entries({ reply, mentions, action }).filter(([, value]) => value !== undefined));
    return this.numbered(socket, this.log(conversation), item, () => ({
      type: "message",
      by: user,
      device,
      number,
      tag,
      text,
      ...more,
    }));
  }

  on_edit(socket, item) {
    return this.#touch(socket, item, (record, n) => ({ ...record, text: item.text, edited: n, rev: n }));
  }

  on_delete(socket, item) {
    return this.#touch(socket, item, ({ n: at, type, by, at: time, ordinal }, n) => ({
      n: at,
      type,
      by,
      at: time,
      ordinal,
      deleted: n,
      deleted_by: socket.user,
      rev: n,
    }));
  }

  on_react(socket, item) {
    return this.#touch(socket, item, (record, n) => {
      const others = (record.reactions ?? []).filter(([user]) => user !== socket.user);
      const mine = item.emoji === "" ? [] : [[socket.user, item.emoji, n]];
      return { ...record, reactions: [...others, ...mine], rev: n };
    });
  }

  #touch(socket, { command, conversation, number, tag, target }, amend) {
    const log = this.log(conversation);
    const { user, device } = socket;
    return this.numbered(socket, log, { number, tag, conversation }, () => {
      const record = log.records[target - 1];
      if (record === undefined || record.deleted !== undefined) {
        return { error: { code: "not_found", message: "no such message", retryable: false } };
      }
      log.records[target - 1] = amend(record, log.records.length + 1);
      return { type: command, by: user, device, number, tag, target };
    });
  }

  /** Change a message as another user's device would: "edit", "delete" or "react". */
  touch(conversation, user, command, target, fields = {}) {
    this.hands = (this.hands ?? 0) + 1;
    const socket = { user, device: `hand${this.hands}` };
    return this[`on_${command}`](socket, { command, conversation, number: 1, tag: "t", target, ...fields });
  }

  /** A numbered command of the account's lane becomes an item of the inbox. */
  #account(socket, { number, tag }, item) {
    const { user, device } = socket;
    this.lanes ??= new Map();
    const used = this.lanes.get(device) ?? [];
    const known = used.find((entry) => entry.tag === tag);
    if (known !== undefined) {
      return { ok: known.ok };
    }
    if (number !== used.length + 1) {
      return { error: { code: "expected", message: "gap", retryable: true, expected: used.length + 1 } };
    }
    const ok = { conversation: "@", n: this.head(user) + 1, at: 1000 + this.clock.time };
    this.lanes.set(device, [...used, { tag, ok }]);
    this.put(user, { ...item, device, number, tag });
    return { ok };
  }

  on_set_profile(socket, item) {
    const { display = socket.user.toUpperCase(), status = "" } = item;
    return this.#account(socket, item, { type: "profile", display, status });
  }

  on_set_privacy(socket, item) {
    const { last_seen = "everyone", read_marks = true } = item;
    return this.#account(socket, item, { type: "privacy", last_seen, read_marks });
  }

  on_block(socket, item) {
    return this.#account(socket, item, { type: "block", user: item.user, on: true });
  }

  on_set_conversation(socket, item) {
    const { target, muted_until = 0, archived = false, pinned = false } = item;
    return this.#account(socket, item, { type: "settings", conversation: target, muted_until, archived, pinned });
  }

  on_subscribe(socket, item) {
    const { n: since, ordinal } = this.newest(item.target);
    return this.#account(socket, item, { type: "subscription", channel: item.target, on: true, since, read: since, ordinal });
  }

  on_unsubscribe(socket, item) {
    return this.#account(socket, item, { type: "subscription", channel: item.target, on: false, since: 0 });
  }

  on_look(socket, { users }) {
    return { ok: { presence: users.map((user) => ({ user, online: true, display: user, status: "" })) } };
  }

  on_typing() {
    return { ok: {} };
  }

  on_follow(socket, { channels }) {
    socket.followed = new Map(channels.map(({ channel, after }) => [channel, after]));
    queueMicrotask(() => socket.followed.forEach((after, channel) => this.#post(socket, channel)));
    return { ok: { channels: channels.map(({ channel }) => this.newest(channel)) } };
  }

  /** What `follow` answers of a channel. */
  newest(channel) {
    const { records, epoch = 1 } = this.log(channel);
    const ordinal = records.filter(({ type }) => type === "message").length;
    return { channel, epoch, n: records.length, ordinal, title: records[0]?.title ?? "" };
  }

  #post(socket, channel) {
    const after = socket.followed.get(channel);
    const records = this.log(channel).records.slice(after);
    if (records.length) {
      const to = after + records.length;
      socket.followed.set(channel, to);
      const more = this.amendedBy(channel, records);
      const { epoch } = this.newest(channel);
      socket.push({ event: "posts", channel, epoch, from: after + 1, to, records, ...more });
    }
  }

  /** Append a post to a channel and give it to those who follow. */
  post(channel, record) {
    this.add(this.log(channel), record);
    for (const socket of this.sockets) {
      if (socket.followed?.has(channel)) {
        this.#post(socket, channel);
      }
    }
  }

  numbered(socket, log, { number, tag, conversation }, make) {
    const used = log.numbers.get(socket.device) ?? [];
    const known = used.find((entry) => entry.tag === tag);
    if (known !== undefined) {
      return { ok: known.ok };
    }
    if (number <= used.length) {
      return { error: { code: "number_used", message: "used", retryable: false } };
    }
    if (number > used.length + 1) {
      const expected = used.length + 1;
      return { error: { code: "expected", message: "gap", retryable: true, expected } };
    }
    const record = make();
    if (record.error !== undefined) {
      return record;
    }
    const { n, ordinal, at } = this.append(conversation, record);
    const ok = { conversation, n, ordinal, at };
    log.numbers.set(socket.device, [...used, { tag, ok }]);
    return { ok };
  }
}

class FakeSocket {
  constructor(node) {
    this.node = node;
    this.isSilent = false;
    this.isClosed = false;
    this.attached = false;
  }

  send(text) {
    if (this.isSilent || this.isClosed) {
      return;
    }
    for (const item of JSON.parse(text)) {
      this.node.clock.setTimer(() => this.#carryOut(item), this.node.latency());
    }
  }

  #carryOut(item) {
    if (this.isSilent || this.isClosed) {
      return;
    }
    const answer = this.node.carryOut(this, item);
    if (item.id !== undefined && answer !== undefined) {
      this.push({ id: item.id, ...answer });
    }
  }

  push(item) {
    const text = JSON.stringify([item]);
    this.node.clock.setTimer(() => {
      if (!this.isSilent && !this.isClosed) {
        this.onmessage?.({ data: text });
      }
    }, this.node.latency());
  }

  drop(code) {
    if (!this.isClosed) {
      this.isClosed = true;
      this.node.sockets.delete(this);
      this.onclose?.({ code, reason: "" });
    }
  }

  close() {
    this.isClosed = true;
    this.node.sockets.delete(this);
  }
}
