// One stream for all tabs: a browser opens six connections to a node, and a seventh tab would hang.
//
// The tab that holds a lock reads the stream and tells the others; when it closes, another has the
// lock. Where there are no locks (a page that is neither local nor HTTPS) every visible tab reads a
// stream of its own.

import { follow } from "./stream.js";
import { onToken } from "./session.js";

const listeners = new Set();
const watchers = new Set();
const channel = new BroadcastChannel("aimarket.events");
let state = { name: "opening", line: "" };
let stop = new AbortController();

/** Call back with every event of these types (all without), and with `gap`. */
export function listen(types, callback, signal) {
  const one = { types, callback };
  listeners.add(one);
  signal.addEventListener("abort", () => listeners.delete(one), { once: true });
}

/** Call back with how the connection is, now and whenever that changes. */
export function watchState(callback, signal) {
  watchers.add(callback);
  callback(state);
  signal?.addEventListener("abort", () => watchers.delete(callback), { once: true });
}

export function begin() {
  channel.onmessage = ({ data }) => {
    if (data.event) tell(data.event);
    else if (data.state) note(data.state);
    else if (data.ask && isLeading) channel.postMessage({ state });
  };
  onToken(() => {
    const old = stop;
    stop = new AbortController();
    old.abort();
    if (!mayLock) alone();
  });
  if (mayLock) lead();
  else alone();
  channel.postMessage({ ask: true });
}

let isLeading = false;
let mayLock = Boolean(navigator.locks);

async function lead() {
  try {
    await navigator.locks.request("aimarket.stream", async () => {
      isLeading = true;
      for (;;) await once(stop.signal, true); // until the tab is closed
    });
  } catch (error) {
    if (isLeading) throw error;
    mayLock = false; // the user lets this page keep nothing
    alone();
  }
}

function alone() {
  const here = stop.signal;
  let reading = null;
  const look = () => {
    if (document.hidden) {
      reading?.abort();
      reading = null;
    } else if (!reading && !here.aborted) {
      reading = new AbortController();
      here.addEventListener("abort", () => reading?.abort(), { once: true });
      once(reading.signal, false);
      tell({ type: "gap", missed: null });
    }
  };
  document.addEventListener("visibilitychange", look, { signal: here });
  look();
}

async function once(signal, isShared) {
  const refused = { yes: false };
  await follow(
    {
      event: (event) => {
        if (isShared) channel.postMessage({ event });
        tell(event);
      },
      state: (name, line) => {
        refused.yes = name === "refused";
        if (isShared) channel.postMessage({ state: { name, line } });
        note({ name, line });
      },
    },
    signal,
  );
  if (refused.yes && !signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

function tell(event) {
  for (const { types, callback } of listeners) {
    if (event.type === "gap" || !types || types.includes(event.type)) callback(event);
  }
}

function note(next) {
  const isBack = next.name === "live" && state.name !== "live";
  state = next;
  for (const callback of watchers) callback(state);
  if (isBack) tell({ type: "gap", missed: null }); // what is shown may be older than the silence
}
