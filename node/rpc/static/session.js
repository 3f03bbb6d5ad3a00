// The secret of a run: how this page gets it, keeps it, and shares it with its other tabs.
//
// It comes behind the # of the address that `aimarket open` prints, which no browser sends anywhere;
// it is taken out of the address at once and kept for this tab alone. A tab without it, or with one of
// an earlier run, asks the others.

const KEPT = "aimarket.token";
const ASK_MS = 300;
const ANSWER_MS = 5_000; // the node needs some; who holds its port may never answer
const AGAIN_MS = 1_000; // a guess, after no answer; the question costs the node a millisecond

const channel = new BroadcastChannel("aimarket.session");
let token = null;
// By this a later run knows the page. In memory alone: after a reload the script here may be that of
// a program which holds the port meanwhile.
let known = null;
const waiting = new Set();
const refused = new Set(); // what the node took for none of its own: neither given nor taken again
let isAsking = false;
let isIn = false; // the node has let this page in: a wrong secret must not cost it that
let latest = null; // of those that came since

export const hasToken = () => token !== null;
export const headers = () => (token === null ? {} : { Authorization: `Bearer ${token}` });

/** Call back whenever another secret is known. */
export function onToken(callback, signal) {
  waiting.add(callback);
  signal?.addEventListener("abort", () => waiting.delete(callback));
}

/** Find the secret: in the address, in what this tab kept, or in another tab. */
export async function begin() {
  const given = taken();
  token = given ?? kept();
  channel.onmessage = ({ data }) => {
    if (data === "ask") {
      if (token !== null && !refused.has(token)) channel.postMessage({ token, isReply: true });
      return;
    }
    if (typeof data?.token !== "string" || data.token === token || refused.has(data.token)) return;
    // A reply may come from a tab that slept, and only who asks has nothing better.
    if (!data.isReply || isAsking) keep(data.token);
  };
  if (given !== null) keepHere(given);
  else if (token === null) await fromOthers();
  addEventListener("hashchange", () => {
    const later = taken();
    if (later !== null && isIn) prove(later);
    else if (later !== null) attempt(later);
  });
}

/** The secret this page has, to say later which one was refused. */
export const held = () => token;

/** Find another secret than this one, which the node refused: a tab that was open may have been given it. */
export async function another(than) {
  if (than !== null) {
    refused.add(than);
    if (token === than) await fromOthers();
  }
  return token !== than;
}

/** Give the other tabs the secret of this one, once the node has taken it. */
export function share() {
  isIn = true;
  if (token !== null) channel.postMessage({ token });
}

/**
 * Have the node give this page a secret of its own, by which a later run of it is known again.
 * Without WebCrypto (a page that is neither local nor HTTPS) there is none, and no token either.
 */
export async function remember() {
  if (token === null || !crypto.subtle || known) return;
  try {
    const answer = await ask("/session", {}, headers());
    if (answer.ok) known = await answer.json();
  } catch {
    // no answer: it is asked again when the node is back
  }
}

/**
 * Get the token of the node's next run. Our secret is not sent: what comes is encrypted with it, and
 * for a page of the address the node serves at. A program that took the node's place there can
 * neither have made the proof nor got it from the node, which serves elsewhere then.
 *
 * @returns "renewed"; "over" where only the user can help; "later" where it may be asked again:
 *   there was no answer, the node could give none now, or somebody else answered.
 */
export async function renew(signal) {
  if (!known || !crypto.subtle) return "over";
  try {
    const nonce = crypto.getRandomValues(new Uint8Array(32));
    const { session_id, expires_ms } = known;
    const answer = await ask("/session/renew", { session_id, expires_ms, nonce: hexOf(nonce) }, {});
    const found = await answer.json();
    if (answer.status === 401 && found.code === "session_over") known = null;
    if (!answer.ok) return known ? "later" : "over";
    const given = await opened(found, nonce);
    if (given === null || signal.aborted) return "later";
    use(given);
    return "renewed";
  } catch {
    return "later"; // whoever answers may say anything, or nothing
  }
}

/** Take an answer apart; null if the node did not make it for a page of this address. */
async function opened(found, nonce) {
  const key = await crypto.subtle.importKey("raw", bytesOf(known.secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  const nonces = [...nonce, ...bytesOf(found.nonce)];
  const sealed = bytesOf(found.token);
  const utf8 = (text) => new TextEncoder().encode(text);
  const told = (word, more) => new Uint8Array([...utf8(word), ...nonces, ...more, ...utf8(location.origin)]);
  const isOurs = await crypto.subtle.verify("HMAC", key, bytesOf(found.proof), told("aimarket/proof/2", sealed));
  if (!isOurs) return null;
  const pad = new Uint8Array(await crypto.subtle.sign("HMAC", key, told("aimarket/pad/2", [])));
  return hexOf(sealed.map((one, at) => one ^ pad[at]));
}

const PLAIN = { cache: "no-store", credentials: "omit", redirect: "error" };

const ask = (path, body, more) =>
  fetch(path, {
    ...PLAIN,
    method: "POST",
    headers: { ...more, "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });

const hexOf = (all) => Array.from(all, (one) => one.toString(16).padStart(2, "0")).join("");
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (one) => parseInt(one, 16));

/** Take a secret that is right; the other tabs get it, too. */
function use(given) {
  keep(given);
  share();
}

/** Take a secret if the node does; until then, and if it does not, this tab and the others keep theirs. */
async function prove(given) {
  latest = given;
  while (latest === given) {
    const status = await statusFor(given);
    if (latest !== given || status === 401) return;
    if (status === 200) return use(given);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** What the node answers to who has that secret; 0 if nothing. */
async function statusFor(given) {
  try {
    const answer = await fetch("/status", { ...PLAIN, headers: { Authorization: `Bearer ${given}` }, signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.status;
  } catch {
    return 0;
  }
}

/** Take a secret for this tab alone, until it is known to be right. */
export const attempt = (given) => keep(given);

/** Read a secret out of what `aimarket open` printed, or the bare secret; null if it is neither. */
export function secretIn(text) {
  const found = /#token=([A-Za-z0-9_-]{16,128})\s*$/.exec(text) ?? /^\s*([A-Za-z0-9_-]{16,128})\s*$/.exec(text);
  return found ? found[1] : null;
}

function taken() {
  if (!location.hash.startsWith("#token=")) return null;
  const found = secretIn(location.hash);
  history.replaceState(null, "", `${location.pathname}#/`);
  return found;
}

function keep(given) {
  token = given;
  isAsking = false;
  keepHere(given);
  for (const callback of waiting) callback();
}

/** What this tab kept; nothing where the user lets a page keep nothing, which throws. */
function kept() {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keepHere(given) {
  try {
    sessionStorage.setItem(KEPT, given);
  } catch {
    // it is known until the page is loaded again
  }
}

function fromOthers() {
  return new Promise((resolve) => {
    const here = new AbortController();
    const end = () => (clearTimeout(timer), here.abort(), resolve());
    const timer = setTimeout(end, ASK_MS);
    onToken(end, here.signal);
    isAsking = true; // also after that time: somebody may wake up
    channel.postMessage("ask");
  });
}
