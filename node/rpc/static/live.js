// Keeps a part of the page true: loads, shows, and does both again when something happened.

import { listen } from "./bus.js";
import { show } from "./dom.js";
import { failure, loading } from "./parts.js";

const REST_MS = 200; // between two loads; a busy market would have the page ask without end
const REST_MOST_MS = 3_000;
const AGAIN_MS = 2_000; // after what may pass; twice as long each time
const AGAIN_MOST_MS = 30_000;

/**
 * Show what `load` brings, and again whenever an event of `types` came that `wants` takes.
 *
 * While the tab is hidden nothing is loaded; once it is seen again, everything is. Loading takes at
 * most a fifth of the time, so that neither the node nor the page is kept busy by a view. What fails
 * for now leaves what is shown, and is tried again by itself.
 *
 * @param root Whose children are shown.
 * @param what.load `(signal) => data`; what.render `(data) => children`
 * @param what.every Milliseconds after which it is loaded in any case; none without.
 * @returns `{reload}`
 */
export function live(root, { load, render, types = [], wants = () => true, every }, signal) {
  let isStale = true;
  let isBusy = false;
  let timer = 0;
  let restMs = REST_MS;
  let againMs = AGAIN_MS;
  let beat = 0;

  const soon = (ms) => {
    if (!timer && !isBusy) timer = setTimeout(go, ms);
  };
  const spoil = () => {
    isStale = true;
    if (!document.hidden) soon(restMs);
  };
  const back = () => (clearTimeout(timer), (timer = 0), (againMs = AGAIN_MS), spoil());
  async function go() {
    timer = 0;
    if (signal.aborted || document.hidden) return;
    isBusy = true;
    isStale = false;
    const started = performance.now();
    let waitMs = 0;
    try {
      const data = await load(signal);
      if (signal.aborted) return;
      show(root, render(data));
      root.dataset.shown = "1";
      againMs = AGAIN_MS;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error.status >= 0)) throw error;
      if (error.isPassing) {
        isStale = true;
        waitMs = Math.max(againMs, error.againMs);
        againMs = Math.min(2 * againMs, AGAIN_MOST_MS);
      }
      if (!error.isPassing || !root.dataset.shown) show(root, failure(error));
    } finally {
      isBusy = false;
      root.removeAttribute("aria-busy");
      restMs = Math.min(Math.max(REST_MS, 4 * (performance.now() - started)), REST_MOST_MS);
      if (isStale && !signal.aborted) soon(Math.max(restMs, waitMs));
    }
  }

  if (!root.dataset.shown) {
    root.setAttribute("aria-busy", "true");
    show(root, loading());
  }
  // Of no type: told only of a gap, as when the node is back.
  listen(types, (event) => (event.type === "gap" ? back() : wants(event) && spoil()), signal);
  if (every) beat = setInterval(spoil, every);
  const seen = () => !document.hidden && isStale && soon(0);
  document.addEventListener("visibilitychange", seen, { signal });
  signal.addEventListener("abort", () => (clearTimeout(timer), clearInterval(beat)), { once: true });
  go();
  return { reload: () => (clearTimeout(timer), (timer = 0), (isStale = true), isBusy || go()) };
}
