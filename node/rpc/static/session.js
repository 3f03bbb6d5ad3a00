// The secret of a run: how this page gets it, keeps it, and shares it with its other tabs.
//
// It comes behind the # of the address that `aimarket open` prints, which no browser sends anywhere;
// it is taken out of the address at once and kept for this tab alone. A tab without it asks the others.

const KEPT = "aimarket.token";
const ASK_MS = 300;

const KEPT_SESSION = "aimarket.session";

const channel = new BroadcastChannel("aimarket.session");
let token = null;
const waiting = new Set();

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
  token = given ?? sessionStorage.getItem(KEPT);
  channel.onmessage = ({ data }) => {
    if (data === "ask" && token !== null) channel.postMessage({ token });
    else if (typeof data?.token === "string" && data.token !== token) keep(data.token);
  };
  if (given !== null) {
    sessionStorage.setItem(KEPT, given);
    channel.postMessage({ token: given });
  } else if (token === null) {
    await fromOthers();
  }
  addEventListener("hashchange", () => {
    const later = taken();
    if (later !== null) use(later);
  });
}

/**
 * Have the node give this page a secret of its own, by which a later run of it is known again.
 * Without WebCrypto (a page that is neither local nor HTTPS) there is none, and no token either.
 */
export async function remember() {
  if (token === null || !crypto.subtle || sessionStorage.getItem(KEPT_SESSION)) return;
  const answer = await fetch("/session", {
    method: "POST",
    headers: { ...headers(), "Content-Type": "application/json" },
    body: "{}",
  });
  if (answer.ok) sessionStorage.setItem(KEPT_SESSION, await answer.text());
}

/**
 * Get the token of the node's next run; answers whether there is one. Our secret is not sent: what
 * comes is encrypted with it, and a program that took the node's place cannot have made the proof.
 */
export async function renew() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT_SESSION) ?? "null");
  if (!kept || !crypto.subtle) return false;
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  const answer = await fetch("/session/renew", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ session_id: kept.session_id, expires_ms: kept.expires_ms, nonce: hexOf(nonce) }),
  });
  if (!answer.ok) {
    sessionStorage.removeItem(KEPT_SESSION);
    return false;
  }
  const found = await answer.json();
  const key = await crypto.subtle.importKey("raw", bytesOf(kept.secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  const nonces = [...nonce, ...bytesOf(found.nonce)];
  const sealed = bytesOf(found.token);
  const told = (word, more) => new Uint8Array([...new TextEncoder().encode(word), ...nonces, ...more]);
  const isOurs = await crypto.subtle.verify("HMAC", key, bytesOf(found.proof), told("aimarket/proof/1", sealed));
  if (!isOurs) return false;
  const pad = new Uint8Array(await crypto.subtle.sign("HMAC", key, told("aimarket/pad/1", [])));
  use(hexOf(sealed.map((one, at) => one ^ pad[at])));
  return true;
}

const hexOf = (all) => Array.from(all, (one) => one.toString(16).padStart(2, "0")).join("");
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (one) => parseInt(one, 16));

/** Take a secret the user gave; the other tabs get it, too. */
export function use(given) {
  keep(given);
  channel.postMessage({ token: given });
}

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
  sessionStorage.setItem(KEPT, given);
  for (const callback of waiting) callback();
}

function fromOthers() {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ASK_MS);
    onToken(() => {
      clearTimeout(timer);
      resolve();
    });
    channel.postMessage("ask");
  });
}
