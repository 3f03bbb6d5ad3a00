// Keeps how far down each entry of the history was read, for whoever goes back to it.

const ENTRIES_MAX = 100; // a guess; a browser keeps fifty
const offsets = new Map();
let entry = null; // the one that is shown
let stop = () => {};

history.scrollRestoration = "manual"; // a view is long enough only once it is loaded
addEventListener("scroll", () => entry !== null && keep(entry, scrollY), { passive: true });

/** Begin a view at its top, or where it was left once it is as long again and nobody has scrolled. */
export function arrive(root) {
  stop();
  entry = history.state?.entry ?? crypto.getRandomValues(new Uint32Array(2)).join("-");
  if (history.state?.entry !== entry) history.replaceState({ entry }, "");
  const wanted = offsets.get(entry) ?? 0;
  scrollTo(0, 0);
  if (!wanted) return;
  const grown = new ResizeObserver(() => {
    scrollTo(0, wanted);
    if (scrollY >= wanted - 1) stop();
  });
  const own = new AbortController();
  stop = () => (grown.disconnect(), own.abort());
  for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"])
    addEventListener(kind, () => stop(), { passive: true, signal: own.signal });
  grown.observe(root);
}

function keep(which, offset) {
  offsets.delete(which);
  offsets.set(which, offset);
  if (offsets.size > ENTRIES_MAX) offsets.delete(offsets.keys().next().value);
}
