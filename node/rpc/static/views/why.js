// Why a task is as it is: the rule, the count, the seats, and the records all of it rests on.

import { h } from "../dom.js";
import { after, count, counted, exact, line, percent } from "../format.js";
import { answer, bar, num, quoted, section, sentences, table, to, when, who } from "../parts.js";
import { commitment } from "./seats.js";

export function why(reasons) {
  return [
    section(
      "Why",
      { key: "why", aside: h("code", { class: "rule", title: "the rule that applied" }, reasons.rule) },
      sentences(reasons.because),
      reasons.counts.length > 0 && counts(reasons),
      reasons.jurors.length > 0 && jurors(reasons),
    ),
    section(
      "Records",
      { key: "records", hint: "What was said about it, in the order of its life; each is signed by its author." },
      h(
        "ol",
        { class: "records" },
        reasons.records.map((one, at) =>
          h(
            "li",
            { key: `${one.record_id}${one.kind}${at}` },
            h("span", { class: "kind" }, one.kind),
            who(one.author),
            one.record_id ? h("a", { href: to("records", one.record_id), title: one.record_id }, h("code", {}, one.record_id.slice(0, 8))) : h("span", { class: "quiet" }, "not found among the newest"),
            one.created_ms === null ? null : h("span", { class: "quiet num", title: exact(one.created_ms) }, one.kind === "task" ? when(one.created_ms) : after(one.created_ms - reasons.created_ms)),
          ),
        ),
      ),
      h("p", { class: "quiet" }, `${counted(reasons.records_looked, "record")} looked at.`),
    ),
  ];
}

function counts(reasons) {
  const seats = Math.max(reasons.seats, ...reasons.jury_sizes, 1);
  return h(
    "dl",
    { class: "counts" },
    reasons.counts.map((one) => [
      h("dt", { dir: "auto" }, answer(one.answer, { whole: true }), one.error && h("small", {}, " refused")),
      h("dd", {}, bar(one.jurors / seats, `${one.jurors} of ${seats}`, { tone: one.jurors >= reasons.quorum && !one.error ? "good" : "" })),
    ]),
    h("dt", { class: "quiet" }, "quorum"),
    h("dd", {}, bar(reasons.quorum / seats, count(reasons.quorum), { tone: "rule" })),
  );
}

function jurors(reasons) {
  const rows = reasons.jurors.map((one) =>
    h(
      "tr",
      { key: one.worker.peer_id },
      h("th", { scope: "row" }, who(one.worker)),
      h("td", { dir: "auto" }, one.answer === null ? h("span", { class: "quiet" }, "–") : answer(one.answer, { whole: true })),
      num(one.margin === null ? "–" : percent(one.margin), "wide"),
      h("td", {}, one.mark ?? h("span", { class: "quiet" }, "not counted")),
      num(one.points),
      h("td", { class: "because-cell", dir: "auto" }, quoted(line(one.because, 300))),
      h("td", { class: "wide" }, commitment(one)),
    ),
  );
  const columns = [["Juror"], ["Opened"], ["Lead", "num wide", "over its next answer"], ["Counts as"], ["Points", "num"], ["Because"], ["Sealed as", "wide"]];
  return table("Seats, and what each earned", columns, rows);
}
