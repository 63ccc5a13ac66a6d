/** The start of the page: one tab is the device; its state decides which view is shown. */

import { Engine } from "./engine.js";
import { keepForOffline } from "./offline.js";
import { randomTag } from "./protocol.js";
import { openStore } from "./store.js";
import { Tabs } from "./tabs.js";
import { fill, h } from "./views/dom.js";
import { elsewhere } from "./views/elsewhere.js";
import { Shell } from "./views/shell.js";
import { SignIn } from "./views/sign_in.js";

const NOTICE_MS = 5_000;

class App {
  constructor(root) {
    this.root = root;
    this.toasts = h("div.toasts", { role: "status", "aria-live": "polite" });
    document.body.append(this.toasts);
    this.tabs = new Tabs();
    this.tabs.onLost = () => this.engine?.yield();
    this.engine = null;
    this.view = null;
    this.shown = null;
    this.isUpdateDue = false;
  }

  async run() {
    if (await this.tabs.acquire()) {
      await this.#begin();
    } else {
      this.#show(elsewhere(() => this.#takeOver()));
    }
    addEventListener("online", () => this.#wake());
    addEventListener("offline", () => this.engine?.link.doubt());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") {
        this.#wake();
      }
    });
  }

  /** The browser, or the user, came back: find out at once how the connection is. */
  #wake() {
    this.engine?.link.retryNow();
    this.engine?.link.doubt();
  }

  async #takeOver() {
    await this.tabs.take();
    await this.#begin();
  }

  async #begin() {
    const store = await openStore(randomTag());
    const url = `${location.origin.replace(/^http/, "ws")}${new URL("ws", location.href).pathname}`;
    this.shown = null;
    this.engine = new Engine(store, url);
    this.engine.listen((news) => this.#onNews(news));
    // Ask the browser not to clear the store when space is short; it may say no.
    navigator.storage?.persist?.().catch(() => {});
    await this.engine.start();
    keepForOffline();
  }

  #onNews(news) {
    if (news.notice !== undefined) {
      this.#say(news.notice);
    }
    if (!this.isUpdateDue) {
      this.isUpdateDue = true;
      // Together for all that changes in this turn; not by frame: hidden tabs have none.
      queueMicrotask(() => this.#update());
    }
  }

  #update() {
    this.isUpdateDue = false;
    const { phase, why } = this.engine.state;
    const wanted = `${phase} ${why} ${phase === "signed_in" ? this.engine.me : ""}`;
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.#change(phase);
    }
    this.view?.update();
  }

  #change(phase) {
    this.view?.close();
    this.view = null;
    document.title = "Beamish";
    if (phase === "signed_out") {
      this.view = new SignIn(this.engine);
    } else if (phase === "signed_in") {
      this.view = new Shell(this.engine, { say: (text) => this.#say(text) });
    } else if (phase === "elsewhere") {
      this.#show(elsewhere(() => this.#takeOver()));
    }
    if (this.view !== null) {
      this.#show(this.view.element);
      this.view.focus();
    }
  }

  #show(element) {
    fill(this.root, element);
  }

  #say(text) {
    const toast = h("div.toast", {}, text);
    this.toasts.append(toast);
    setTimeout(() => toast.remove(), NOTICE_MS);
  }
}

new App(document.getElementById("app")).run();
