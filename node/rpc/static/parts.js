// Pieces that every view is made of.

import { ago, count, exact, line, nickname, peerEnd, percent, short, stateHint, stateWord, visible } from "./format.js";
import { h, s } from "./dom.js";
import { path } from "./api.js";

/** An address within this page. */
export const to = (...parts) => `#${path(...parts)}`;

/** What a view shows until it has something. */
export const loading = () => h("p", { class: "quiet", key: "loading" }, "Asking the node …");

/** Say what went wrong, and what to do. */
export function failure(error) {
  return h(
    "div",
    { class: "note bad", role: "alert", key: "failure" },
    h("strong", {}, error.status ? `Refused (${error.status})` : "No answer"),
    h("p", {}, line(error.message, 300)),
  );
}

/** Nothing is here yet: say what to do. */
export const empty = (title, ...advice) =>
  h("div", { class: "empty", key: "empty" }, emptyMark(), h("p", { class: "strong" }, title), h("p", {}, advice));

const emptyMark = () =>
  s(
    "svg",
    { class: "empty-mark", viewBox: "0 0 72 24", "aria-hidden": "true" },
    [0, 1, 2].map((at) => s("rect", { x: 3 + 24 * at, y: 3, width: 18, height: 18, rx: 4 })),
  );

/** A state in a word with its mark; never in colour alone. */
export const badge = (state, title = stateHint(state), word = stateWord(state)) =>
  h("span", { class: `badge is-${state}`, title }, h("i", { "aria-hidden": "true" }), word);

/** A moment: how long ago, and exactly when the pointer rests on it. `keepTime` renews it. */
export function when(ms) {
  const said = exact(ms);
  if (said === null) return h("span", { class: "num" }, "no date");
  return h("time", { class: "num", datetime: new Date(ms).toISOString(), title: said, "data-ms": ms }, ago(ms));
}

/** Renew all moments on the page. */
export function keepTime() {
  for (const one of document.querySelectorAll("time[data-ms]")) {
    const said = ago(Number(one.dataset.ms));
    if (one.textContent !== said) one.textContent = said;
  }
}

/** Somebody, as a link to its page; the end of the peer id tells those of one name apart. */
export const who = (worker, extra) =>
  h(
    "a",
    { class: `who ${extra ?? ""}`, href: to("workers", worker.peer_id), title: worker.peer_id },
    name(worker.worker_id),
    h("small", {}, `~${peerEnd(worker.peer_id)}`),
  );

/** A nickname: whatever a stranger wrote, on its own and on one line. */
export const name = (text) => h("bdi", { class: "name" }, nickname(text));

/** Several, one after the other. */
export const whos = (workers) => workers.map((one, at) => [at > 0 && ", ", who(one)]);

/** An id that copies itself when it is pressed. */
export function id(full, what, { shown = short(full) } = {}) {
  return h(
    "button",
    { class: "id", type: "button", title: `${full} – press to copy`, "aria-label": `Copy ${what} ${shown}`, onclick: (event) => copy(event.currentTarget, full) },
    h("code", {}, shown),
    s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z" })),
  );
}

async function copy(button, text) {
  let isDone = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    isDone = copyOld(text); // no clipboard outside a secure context
  }
  button.dataset.said = isDone ? "copied" : "cannot copy here";
  say(isDone ? "Copied" : "Cannot copy here");
  setTimeout(() => delete button.dataset.said, 1_500);
}

function copyOld(text) {
  const before = document.activeElement;
  const field = h("textarea", { class: "unseen", value: text });
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  before?.focus({ preventScroll: true }); // the field took it
  return isDone;
}

/** Tell something to those who listen to the page rather than see it. */
export function say(words) {
  document.getElementById("said").textContent = words;
}

const ANSWER_CUT = 40; // signs of an answer in a list: a guess at what leaves room for the rest

/** An answer in words, with a mark for each sign that cannot be seen; cut where so many signs are asked for. */
export function answerWords(text, most = Infinity) {
  if (text === "") return "(empty)";
  return line(text) === "" ? "(nothing to be seen)" : nickname(text, most);
}

/** An answer, cut as lists need it, or `whole`; of a long digest the first digits, which copy the rest. */
export function answer(text, { whole = false } = {}) {
  if (/^[0-9a-f]{32,}$/.test(text)) {
    const shown = `${text.slice(0, 12)}…`;
    return whole ? id(text, "answer", { shown }) : h("code", { title: text }, shown);
  }
  const all = answerWords(text);
  const shown = answerWords(text, ANSWER_CUT);
  if (line(text) === "") return h("span", { class: "quiet" }, all);
  if (shown === all) return h("bdi", { class: "name" }, all);
  return whole ? h("bdi", { class: "name long" }, all) : h("bdi", { class: "name", title: all }, shown);
}

/** A share as a bar with its number. */
export const bar = (share, text, { title, tone = "" } = {}) =>
  h(
    "span",
    { class: `bar ${tone}`, title },
    s(
      "svg",
      { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "bar-ground", width: 100, height: 8 }),
      s("rect", { class: "bar-fill", width: Math.max(0, Math.min(100, 100 * share)), height: 8 }),
    ),
    h("span", { class: "num" }, text),
  );

export const reputation = (value) => bar(value, percent(value), { title: "lower bound of its agreement rate" });

/** One figure with its meaning. */
export const fact = (label, value, more) =>
  h("div", { class: "fact" }, h("dt", {}, label), h("dd", {}, value, more && h("small", {}, more)));

export const facts = (...all) => h("dl", { class: "facts" }, all);

/** A part of a page with its heading. */
export const section = (title, { key = title, aside, hint } = {}, ...children) =>
  h(
    "section",
    { key, class: "part", "aria-label": title },
    h("header", {}, h("h2", {}, title), aside),
    hint && h("p", { class: "hint" }, hint),
    children,
  );

/** A table that scrolls by itself where it is too wide; columns are `[label, class]`. */
export const table = (caption, columns, rows) =>
  h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, columns.map(([label, kind, title]) => h("th", { scope: "col", class: kind, title }, label)))),
      h("tbody", {}, rows),
    ),
  );

export const num = (value, extra = "") => h("td", { class: `num ${extra}` }, typeof value === "number" ? count(value) : value);

/** What somebody wrote, as text in its own box. */
export const quote = (text, extra = "") =>
  text === null
    ? h("p", { class: "quiet" }, "(bytes that are no text)")
    : h("blockquote", { class: `said ${extra}`, dir: "auto" }, visible(text));

/** Sentences, one below the other. */
export const sentences = (all, kind = "because") => h("ul", { class: kind }, all.map((one) => h("li", { dir: "auto" }, quoted(one))));

/** A sentence of the node, with what it quotes set apart. */
export const quoted = (text) =>
  visible(text)
    .split("`")
    .map((piece, at, all) => (at % 2 && at < all.length - 1 ? h("code", {}, piece) : at % 2 ? `\`${piece}` : piece));
