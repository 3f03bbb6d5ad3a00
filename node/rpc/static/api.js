// What the page asks of the node.

import { headers } from "./session.js";

// How long the node may say nothing. A guess: the dearest question takes it a second or two, and it gives
// what is sent to it 10 s. Only a task may take longer where records cost work (of 20 bits, 9 s on average
// and a minute once in a thousand times): it is sent with an id, so that it may be sent again.
const SILENT_MS = 30_000;

/**
 * A refusal, or no answer at all: `status` is 0 then. `againMs` is when the node wants to be asked
 * again, 0 where it did not say. What is passing may go well the next time.
 */
export class ApiError extends Error {
  constructor(status, code, message, againMs = 0) {
    super(message);
    this.status = status;
    this.code = code;
    this.againMs = againMs;
  }

  get isPassing() {
    return [0, 401, 408, 429].includes(this.status) || this.status >= 500;
  }
}

/** Get a document. Throws ApiError, or whatever the signal aborts with. */
export const get = (path, signal) => ask(path, { signal });

/** Send a document, or the bytes of one; get one back. */
export const post = (path, body, signal) =>
  ask(path, {
    signal,
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: body instanceof ArrayBuffer ? body : JSON.stringify(body),
  });

/** Get an answer as a file; once it has begun it may take as long as it is large. */
export async function getBlob(path) {
  return read(await inTime(undefined, (limit) => reach(path, { signal: limit })), (answer) => answer.blob());
}

/** Open a stream; the answer as it is. */
export const open = (path, signal, more) => reach(path, { signal, headers: more });

const ask = (path, options) =>
  inTime(options.signal, async (limit, heard) => read(await reach(path, { ...options, signal: limit }), (answer) => noting(answer, heard).json(), limit));

/** An answer of which each piece is noted as it comes: a large one may take long over a slow line. */
const noting = (answer, heard) =>
  new Response(answer.body?.pipeThrough(new TransformStream({ transform: (piece, next) => (heard(), next.enqueue(piece)) })));

/**
 * Ask with a signal that also aborts when the node is silent for too long: what waits for it must go on.
 * `work` gets the signal, and what to call whenever something was heard.
 */
async function inTime(signal, work) {
  const limit = new AbortController();
  const late = new ApiError(0, "silent", `the node has said nothing for ${SILENT_MS / 1_000} seconds`);
  const give = () => limit.abort(signal.reason);
  let timer = 0;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => limit.abort(late), SILENT_MS);
  };
  heard();
  signal?.addEventListener("abort", give, { once: true });
  if (signal?.aborted) give();
  try {
    return await work(limit.signal, heard);
  } catch (error) {
    throw limit.signal.reason === late ? late : error; // a body that is cut off may throw a copy
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", give);
  }
}

/** Read an answer; one that is cut off, or another program's, is as good as none. */
async function read(answer, how, signal) {
  if (!answer.ok) throw await refusal(answer);
  try {
    return await how(answer);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreadable", "the answer broke off, or does not come from a node");
  }
}

async function reach(path, options) {
  try {
    return await fetch(path, {
      ...options,
      headers: { ...headers(), ...options.headers },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (options.signal?.aborted) throw error; // or what it was aborted with
    throw new ApiError(0, "not_reachable", "the node does not answer: is it running?");
  }
}

export async function refusal(answer) {
  const againMs = 1_000 * (Number(answer.headers.get("Retry-After")) || 0);
  try {
    const { code, message } = await answer.json();
    return new ApiError(answer.status, String(code), String(message), againMs);
  } catch {
    return new ApiError(answer.status, "unknown", `the node answered ${answer.status}`, againMs);
  }
}

/** A path of parts that may hold anything. `.` and `..` would lead elsewhere, however encoded. */
export const path = (...parts) => `/${parts.map((part) => encodeURIComponent(dotless(String(part)))).join("/")}`;

const dotless = (part) => (/^\.\.?$/.test(part) ? part.replaceAll(".", "%2E") : part);
