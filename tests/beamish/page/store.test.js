/** The contract of the stores, shown on the one in memory; `store_contract.js` runs in the browser too. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryStore, openStore } from "./store.js";
import { CLAIMS } from "./store_contract.js";

for (const [claim, check] of Object.entries(CLAIMS)) {
  test(claim, async () => {
    const shared = new MemoryStore().shared;
    await check(async () => new MemoryStore(shared));
  });
}

test("a browser without a database gets a store that says that it does not last", async () => {
  const store = await openStore("tab", undefined);
  assert.equal(store.lasting, false);
  await store.commit({ account: { user: "a" } });
  assert.equal((await store.load()).account.user, "a");
});
