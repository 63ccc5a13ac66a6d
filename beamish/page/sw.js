/**
 * The service worker: lets the page start when the node cannot be reached, from the files of its last good start.
 *
 * A load of the page is of one piece. Its first request decides: answered by the node within `PATIENCE_MS`, all of
 * its files come from the node and are put aside, in a cache of this load; else all come from the last load that was
 * whole. A page that has started says so and names its files ("started"): then its cache is whole and takes the
 * place of the one before. So versions are never mixed, and nothing need be listed or built.
 *
 * Only the page's own files pass through here; messages live in the page's database.
 */

const PREFIX = "page ";
const WHOLE = "/whole";
const PATIENCE_MS = 3_000;
const FILE = /\.(?:js|css|svg|html|webmanifest)$/u;

/** Clients whose load is served from what was kept. A worker that was ended asks the node, as if they were not. */
const served = new Set();

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) {
    return;
  }
  if (event.request.mode === "navigate") {
    event.respondWith(navigated(event));
  } else if (FILE.test(url.pathname)) {
    event.respondWith(file(event.request, event.clientId));
  }
});

self.addEventListener("message", (event) => {
  if (Array.isArray(event.data?.started)) {
    event.waitUntil(keep(event.source.id, event.data.started));
  }
});

async function navigated({ request, resultingClientId }) {
  const kept = await lastWhole();
  try {
    const answer = await withPatience(fetch(request), kept === null ? null : PATIENCE_MS);
    if (answer.ok || kept === null) {
      await put(resultingClientId, request, answer);
      return answer;
    }
  } catch (error) {
    if (kept === null) {
      throw error;
    }
  }
  served.add(resultingClientId);
  return (await kept.match(request, { ignoreSearch: true })) ?? fetch(request);
}

async function file(request, clientId) {
  if (served.has(clientId)) {
    return (await fromKept(request)) ?? fetch(request);
  }
  try {
    const answer = await fetch(request);
    await put(clientId, request, answer);
    return answer;
  } catch (error) {
    const kept = await fromKept(request);
    if (kept === undefined) {
      throw error;
    }
    return kept;
  }
}

/** Put an answer of the node aside for the load that asked for it. */
async function put(clientId, request, answer) {
  if (answer.ok && clientId) {
    const cache = await caches.open(PREFIX + clientId);
    await cache.put(request, answer.clone());
  }
}

async function fromKept(request) {
  return (await lastWhole())?.match(request, { ignoreSearch: true });
}

/** The cache of the last load that was whole, or null. */
async function lastWhole() {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    if (name.startsWith(PREFIX) && (await cache.match(WHOLE)) !== undefined) {
      return cache;
    }
  }
  return null;
}

/** The load of a client is whole: complete its cache, and let the others go. */
async function keep(clientId, urls) {
  if (served.has(clientId)) {
    return;
  }
  const name = PREFIX + clientId;
  const cache = await caches.open(name);
  for (const url of urls) {
    if ((await cache.match(url)) === undefined) {
      await cache.add(url);
    }
  }
  await cache.put(WHOLE, new Response(""));
  const others = (await caches.keys()).filter((other) => other.startsWith(PREFIX) && other !== name);
  await Promise.all(others.map((other) => caches.delete(other)));
}

/** The promise, or a rejection after `ms` (null: never). */
function withPatience(promise, ms) {
  if (ms === null) {
    return promise;
  }
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("the node does not answer")), ms));
  return Promise.race([promise, late]);
}
