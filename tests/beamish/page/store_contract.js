/** What every store promises: claims by name, each checked with `open()`, which opens the same data again. */

function same(actual, expected, what) {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== other) {
    throw new Error(`${what}: ${one} instead of ${other}`);
  }
}

async function fails(promise, name) {
  try {
    await promise;
  } catch (error) {
    same(error.constructor.name, name, "the error");
    return;
  }
  throw new Error(`nothing failed where ${name} was due`);
}

async function claimed(open, owner = "tab") {
  const store = await open();
  await store.claim(owner);
  return store;
}

const record = (n) => ({ n, type: "message", text: `text ${n}` });
const numbers = async (store, id, range) => (await store.records(id, range)).map(({ n }) => n);

export const CLAIMS = {
  "a fresh store is empty": async (open) => {
    const store = await claimed(open);
    await store.commit({ wipe: true });
    const empty = { account: null, cursor: null, conversations: [], commands: [], users: [] };
    same(await store.load(), empty, "the state");
  },

  "what was committed is there for whoever opens the data again": async (open) => {
    const store = await claimed(open);
    await store.commit({
      wipe: true,
      account: { user: "anna", token: "t" },
      cursor: { epoch: 3, number: 9 },
      conversations: [{ id: "c", unread: 1 }],
      records: [["c", record(1)]],
      commands: [{ position: 2, tag: "b" }, { position: 1, tag: "a" }],
      users: [{ user: "ben", display: "Ben" }],
    });
    const again = await open();
    const { account, cursor, conversations, commands, users } = await again.load();
    same(account, { user: "anna", token: "t" }, "account");
    same(cursor, { epoch: 3, number: 9 }, "cursor");
    same(conversations, [{ id: "c", unread: 1 }], "conversations");
    same(commands.map(({ tag }) => tag), ["a", "b"], "commands, in order of position");
    same(users, [{ user: "ben", display: "Ben" }], "users");
    same(await numbers(again, "c", { limit: 9 }), [1], "records");
  },

  "records come in order of number, from either end, of one conversation only": async (open) => {
    const store = await claimed(open);
    const records = [12, 3, 100, 7, 2].map((n) => ["c", record(n)]);
    await store.commit({ wipe: true, records: [...records, ["d", record(5)], ["b", record(6)]] });
    same(await numbers(store, "c", { limit: 3 }), [7, 12, 100], "the newest");
    same(await numbers(store, "c", { before: 12, limit: 2 }), [3, 7], "before");
    same(await numbers(store, "c", { after: 3, limit: 2 }), [7, 12], "after");
    same(await numbers(store, "c", { after: 2, before: 12, limit: 9 }), [3, 7], "between");
    same(await numbers(store, "nothing", { limit: 3 }), [], "of an unknown one");
  },

  "a record put again is one record": async (open) => {
    const store = await claimed(open);
    await store.commit({ wipe: true, records: [["c", record(1)]] });
    await store.commit({ records: [["c", { ...record(1), text: "same" }]] });
    same((await store.records("c", { limit: 9 })).map(({ text }) => text), ["same"], "texts");
  },

  "of two contents of a record the one with the higher rev is kept": async (open) => {
    const store = await claimed(open);
    const texts = async () => (await store.records("c", { limit: 9 })).map(({ text }) => text);
    const content = (text, rev, more = {}) => ["c", { n: 1, type: "message", text, rev, ...more }];
    await store.commit({ wipe: true, records: [content("second", 5)] });
    await store.commit({ records: [content("first", 3)] });
    same(await texts(), ["second"], "an older one");
    await store.commit({ records: [content("third", 7)] });
    same(await texts(), ["third"], "a newer one");
    await store.commit({ records: [content(undefined, 7, { withheld: true })] });
    same(await texts(), ["third"], "a withheld one");
    await store.commit({ records: [["c", { n: 1, type: "message", deleted: 9, rev: 9 }]] });
    same(await texts(), [undefined], "a deleted one");
  },

  "dropping comes before putting": async (open) => {
    const store = await claimed(open);
    await store.commit({
      wipe: true,
      conversations: [{ id: "c" }, { id: "d" }],
      records: [["c", record(1)], ["d", record(1)]],
      commands: [{ position: 1 }],
    });
    await store.commit({
      dropRecords: ["c"],
      records: [["c", record(2)]],
      dropConversations: ["d"],
      dropCommands: [1],
    });
    same(await numbers(store, "c", { limit: 9 }), [2], "records of c");
    same(await numbers(store, "d", { limit: 9 }), [], "records of d");
    const { conversations, commands } = await store.load();
    same([conversations, commands], [[{ id: "c" }], []], "the rest");
  },

  "the oldest records can be let go": async (open) => {
    const store = await claimed(open);
    const records = [1, 2, 3, 4].map((n) => ["c", record(n)]);
    await store.commit({ wipe: true, records: [...records, ["d", record(1)]] });
    await store.commit({ dropRecordsBelow: [["c", 3]] });
    same(await numbers(store, "c", { limit: 9 }), [3, 4], "records of c");
    same(await numbers(store, "d", { limit: 9 }), [1], "records of d");
    await store.commit({ records: [["c", record(3)], ["c", record(5)]], dropRecordsBelow: [["c", 4]] });
    same(await numbers(store, "c", { limit: 9 }), [4, 5], "what is put below is not kept");
  },

  "only the last who claimed the data can write": async (open) => {
    const first = await claimed(open, "first tab");
    await first.commit({ wipe: true, cursor: { epoch: 1, number: 1 } });
    const second = await claimed(open, "second tab");
    await fails(first.commit({ cursor: { epoch: 1, number: 2 } }), "StoreTaken");
    same((await second.load()).cursor, { epoch: 1, number: 1 }, "nothing of it is stored");
    await second.commit({ cursor: { epoch: 1, number: 3 } });
    await first.claim("first tab again");
    await fails(second.commit({ cursor: { epoch: 1, number: 4 } }), "StoreTaken");
  },

  "a commit is all or nothing": async (open) => {
    const store = await claimed(open);
    await store.commit({ wipe: true, cursor: { epoch: 1, number: 1 } });
    const unstorable = { id: "c", broken: () => {} };
    let failed = false;
    try {
      await store.commit({ cursor: { epoch: 1, number: 2 }, conversations: [unstorable] });
    } catch {
      failed = true;
    }
    same(failed, true, "it fails");
    same((await store.load()).cursor, { epoch: 1, number: 1 }, "the cursor");
  },

  "what is given later does not change what was committed": async (open) => {
    const store = await claimed(open);
    const row = { id: "c", receipts: { ben: 1 } };
    await store.commit({ wipe: true, conversations: [row] });
    row.receipts.ben = 2;
    same((await store.load()).conversations, [{ id: "c", receipts: { ben: 1 } }], "the row");
  },
};
