/**
 * Registers the service worker (`sw.js`), where the browser has them: pages on localhost or https.
 *
 * Called when the page has started. It tells the worker which files that took, so that the page starts from them
 * when the node cannot be reached.
 */

const FILE = /\.(?:js|css|svg)$/u;

export async function keepForOffline() {
  const { serviceWorker } = navigator;
  if (serviceWorker === undefined) {
    return;
  }
  try {
    await serviceWorker.register("sw.js", { updateViaCache: "none" });
    const { active } = await serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name));
    const files = loaded.filter(({ origin, pathname }) => origin === location.origin && FILE.test(pathname));
    const page = new URL(location.pathname, location.origin).href;
    active.postMessage({ started: [...new Set([page, ...files.map(({ href }) => href)])] });
  } catch {
    // A browser that allows none of this (a private mode, a policy) starts from the node only.
  }
}
