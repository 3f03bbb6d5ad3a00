// The seats of a task as a row of envelopes: empty, sealed, opened.

import { h, s } from "../dom.js";
import { counted, percent } from "../format.js";
import { answer as answerOf, id, section, who } from "../parts.js";
import { isForNothing, isGivenUp } from "./tasks.js";

const MARKS = { agreed: "agreed", dissented: "another answer", excused: "excused: a near tie", absent: "never opened" };

/** One tile for each seat: before the jury, those who sealed; after it, the jurors. A void task seats nobody. */
export function seatTiles(task, reasons, standBys) {
  if (task.state === "void") return h("ul", { class: "seats" }, task.committed.map((one) => voidTile(one, openersOf(reasons))));
  if (reasons.jurors.length)
    return h("ul", { class: "seats" }, reasons.jurors.map((juror) => jurorTile(juror, task, standBys)));
  const free = Math.max(0, task.seats - task.committed.length);
  const [sealed, waits] = isGivenUp(task) ? ["sealed, and stays so", "stays free"] : ["sealed", "waits for an answer"];
  return h(
    "ul",
    { class: "seats" },
    task.committed.map((one) => tile(one.peer_id, "sealed", who(one), sealed, standBys.has(one.peer_id) && stoodIn())),
    Array.from({ length: free }, (_, at) => tile(`free${at}`, "free", h("span", { class: "quiet" }, "free"), waits)),
  );
}

/** The peer ids of those who opened an answer, whether it counts or not. */
export const openersOf = (reasons) => new Set(reasons.records.filter((one) => one.kind === "reveal").map((one) => one.author.peer_id));

const voidTile = (one, openers) =>
  openers.has(one.peer_id)
    ? tile(one.peer_id, "opened", who(one), "opened, and counts for nothing")
    : tile(one.peer_id, "sealed", who(one), "sealed, and counts for nothing");

function jurorTile(juror, task, standBys) {
  const { worker, answer } = juror;
  const stood = standBys.has(worker.peer_id) && stoodIn();
  if (answer === null) {
    const isOver = juror.mark === "absent";
    return tile(worker.peer_id, isOver ? "absent" : "sealed", who(worker), isOver ? "never opened" : "sealed, not opened yet", stood);
  }
  const kind = juror.error ? "error" : (juror.mark ?? "opened");
  const opened = task.answers.find((one) => one.worker.peer_id === worker.peer_id);
  return tile(
    worker.peer_id,
    kind,
    who(worker),
    juror.error ? "refused the input" : (MARKS[juror.mark] ?? "opened"),
    stood,
    h("p", { class: "answer", dir: "auto" }, answerOf(answer, { whole: true })),
    opened && !juror.error && h("small", { class: "num" }, `sure ${percent(opened.confidence)}`),
    juror.points > 0 && h("small", { class: "point" }, "+1 point"),
  );
}

const stoodIn = () => h("small", { class: "stood" }, "stand-by, stepped in");

const tile = (key, kind, title, words, ...more) =>
  h("li", { key, class: `seat ${kind}` }, envelope(kind), h("div", {}, title, h("small", { class: "how" }, words), more));

function envelope(kind) {
  const isSealed = kind === "sealed";
  const isOpen = !["free", "sealed", "absent"].includes(kind);
  return s(
    "svg",
    { class: "envelope", viewBox: "0 0 32 24", "aria-hidden": "true" },
    s("rect", { x: 1.5, y: 5, width: 29, height: 17.5, rx: 3 }),
    s("path", { d: isOpen ? "M2 7 L16 1 L30 7 L16 15 Z" : "M2 6.5 L16 15.5 L30 6.5" }),
    isSealed && s("circle", { cx: 16, cy: 14.5, r: 4 }),
    kind === "agreed" && s("path", { class: "sign", d: "M11 14 l4 4 l7 -8" }),
    ["dissented", "excused", "error"].includes(kind) && s("path", { class: "sign", d: "M11.5 11.5 h9 M11.5 16 h9 M19 8.5 l-6 10.5" }),
    kind === "absent" && s("path", { class: "sign", d: "M12 19 L20 8" }),
  );
}

/** Who may still come in, while it has no jury. */
export function runners(task, reasons, standBys) {
  const sealed = new Set(task.committed.map((one) => one.peer_id));
  const waiting = [...standBys.values()].filter((one) => !sealed.has(one.peer_id));
  if (isForNothing(task) || reasons.jurors.length || (waiting.length === 0 && reasons.missing.length === 0)) return null;
  const late = reasons.missing.filter((one) => !standBys.has(one.worker.peer_id));
  return section(
    "Asked, not sealed yet",
    { key: "runners" },
    h(
      "ul",
      { class: "runners" },
      late.map((one) => h("li", { key: one.worker.peer_id }, who(one.worker), h("small", {}, one.live ? `live, ${counted(one.load, "run")} ${one.load === 1 ? "waits" : "wait"} there` : "gone quiet"))),
      waiting.map((one) => h("li", { key: `s${one.peer_id}` }, who(one), h("small", { class: "stood" }, "stand-by: may start if others stay away"))),
    ),
  );
}

/** The sealed answer a juror is held to. */
export const commitment = (juror) => id(juror.commitment, "commitment");
