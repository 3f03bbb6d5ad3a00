// Reads the node's events, over connections that break.
//
// EventSource cannot send headers, so the stream is fetched. The format is that of the HTML standard,
// as far as the node uses it.

import { ApiError, open, refusal } from "./api.js";

const SILENT_MS = 40_000; // the node says something every 15 s
const PAUSE_MIN_MS = 250;
const PAUSE_MAX_MS = 5_000;

/** Take a stream of text apart into events: feed it pieces, get `{id, data}` back; an id may come alone. */
export class EventReader {
  #rest = "";
  #fields = {};

  take(piece) {
    const found = [];
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop();
    for (const raw of lines) {
      const text = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (text === "") {
        if (this.#fields.data !== undefined || this.#fields.id !== undefined) found.push(this.#fields);
        this.#fields = {};
      } else if (!text.startsWith(":")) {
        const at = text.indexOf(":");
        const name = at < 0 ? text : text.slice(0, at);
        this.#fields[name] = at < 0 ? "" : text.slice(at + 1).replace(/^ /, "");
      }
    }
    return found;
  }
}

/**
 * Follow the node until the signal aborts.
 *
 * @param on.event Called with each event's document; `gap` comes whenever some may be missing, and at
 *   the beginning: what is shown may be older than the stream.
 * @param on.state Called with "live", "lost" (no answer; it is tried again) or "refused" (the secret
 *   is wrong), and a line for people.
 */
export async function follow(on, signal) {
  let last = null;
  let pauseMs = PAUSE_MIN_MS;
  while (!signal.aborted) {
    try {
      const more = last === null ? {} : { "Last-Event-ID": last };
      const answer = await within(signal, SILENT_MS, (limit) => open("/events", limit, more));
      if (!answer.ok) throw await refusal(answer);
      on.state("live", "");
      if (last === null) on.event({ type: "gap", missed: null });
      pauseMs = PAUSE_MIN_MS;
      await read(answer.body, signal, ({ id, data }) => {
        if (id !== undefined) last = id;
        if (data !== undefined) on.event(JSON.parse(data));
      });
      if (!signal.aborted) on.state("lost", "the node ended the stream");
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) return on.state("refused", error.message);
      on.state("lost", error.message);
    }
    await pause(pauseMs * (0.75 + Math.random() / 2), signal);
    pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
  }
}

async function read(body, signal, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  try {
    for (;;) {
      const { done, value } = await within(signal, SILENT_MS, (limit) => {
        limit.addEventListener("abort", () => reader.cancel().catch(() => {}), { once: true });
        return reader.read();
      });
      if (done) return;
      for (const event of events.take(value)) take(event);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Do something that must end in time, of which it is told by the signal it gets; else throw. */
async function within(signal, ms, work) {
  const limit = new AbortController();
  const late = new ApiError(0, "silent", "the node says nothing");
  const give = () => limit.abort();
  const timer = setTimeout(() => limit.abort(late), ms);
  signal.addEventListener("abort", give, { once: true });
  try {
    const found = await work(limit.signal);
    if (limit.signal.reason === late) throw late;
    return found;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", give);
  }
}

/** Wait, but no longer than until the signal aborts. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => (clearTimeout(timer), signal.removeEventListener("abort", end), resolve());
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
