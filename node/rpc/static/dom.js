// Builds elements and brings those on the page up to date. Text only ever becomes text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element: `h("a", {href: "#/", class: "x", onclick: f}, "text", child)`.
 * Attributes that are null, undefined or false are left out; true is an empty one.
 * `key` names an element among its siblings; `onX` listens.
 */
export const h = (tag, attributes, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** The same for SVG. */
export const s = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "key") element.key = String(value);
    else if (name === "value" || name === "checked") element[name] = value;
    else if (name.startsWith("on")) listen(element, name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function listen(element, name, handler) {
  element[name] = handler;
  (element.handlers ??= new Set()).add(name);
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((one) => one !== null && one !== undefined && one !== false && one !== "")
    .map((one) => (one instanceof Node ? one : document.createTextNode(String(one))));
}

/**
 * Make the children of an element like those given, changing as little as possible: what has the
 * focus keeps it, what moves on keeps moving, and what has `data-own` is left to who made it.
 */
export function show(parent, ...children) {
  const wanted = flat(children);
  const keyed = new Map();
  const keys = new Set(wanted.map((next) => next.key));
  for (const child of [...parent.childNodes]) {
    if (!child.key) continue;
    if (keys.has(child.key)) keyed.set(child.key, child);
    else child.remove(); // at once, or all that follow would have to move before it
  }
  let here = parent.firstChild;
  for (const next of wanted) {
    let fits = null;
    if (next.key) fits = keyed.get(next.key) ?? null;
    else if (here && !here.key && isAlike(here, next)) fits = here;
    if (fits && isAlike(fits, next)) {
      keyed.delete(next.key);
      if (fits === here) here = here.nextSibling;
      else move(parent, fits, here);
      renew(fits, next);
    } else {
      parent.insertBefore(next, here);
    }
  }
  while (here) {
    const gone = here;
    here = here.nextSibling;
    gone.remove();
  }
}

/** Put a child before another; as it is where the browser can, else at least with the focus. */
function move(parent, child, before) {
  if (parent.moveBefore && parent.isConnected) return parent.moveBefore(child, before);
  const focused = child.contains(document.activeElement) ? document.activeElement : null;
  parent.insertBefore(child, before);
  focused?.focus({ preventScroll: true });
}

const isAlike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName;

function renew(old, next) {
  if (old === next) return;
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS"))
      old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of old.handlers ?? []) if (!next.handlers?.has(name)) old[name] = null;
  for (const name of next.handlers ?? []) listen(old, name, next[name]);
  if (old.dataset?.own === undefined) show(old, ...next.childNodes);
}
