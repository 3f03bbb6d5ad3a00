// What the page asks of the node.

import { headers } from "./session.js";

/** A refusal, or no answer at all: `status` is 0 then. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Get a document. Throws ApiError, or whatever the signal aborts with. */
export const get = (path, signal) => ask(path, { signal });

/** Send a document, get one back. */
export const post = (path, body, signal) =>
  ask(path, {
    signal,
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** Get an answer as a file. */
export async function getBlob(path) {
  const answer = await reach(path, {});
  if (!answer.ok) throw await refusal(answer);
  return answer.blob();
}

/** Open a stream; the answer as it is. */
export const open = (path, signal, more) => reach(path, { signal, headers: more });

async function ask(path, options) {
  const answer = await reach(path, options);
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
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
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "not_reachable", "the node does not answer: is it running?");
  }
}

export async function refusal(answer) {
  try {
    const { code, message } = await answer.json();
    return new ApiError(answer.status, String(code), String(message));
  } catch {
    return new ApiError(answer.status, "unknown", `the node answered ${answer.status}`);
  }
}

/** A path of parts that may hold anything. */
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;
