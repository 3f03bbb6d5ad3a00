// The secret of a run: how this page gets it, keeps it, and shares it with its other tabs.
//
// It comes behind the # of the address that `aimarket open` prints, which no browser sends anywhere;
// it is taken out of the address at once and kept for this tab alone. A tab without it asks the others.

const KEPT = "aimarket.token";
const ASK_MS = 300;

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
