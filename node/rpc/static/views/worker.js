// One worker: how it stands, with whom it agreed, where it dissented, and the arithmetic.

import { live } from "../live.js";
import { get, path } from "../api.js";
import { h } from "../dom.js";
import { count, counted, line, nickname, peerEnd, percent, span } from "../format.js";
import { answer, badge, bar, empty, fact, facts, id, name, num, section, sentences, table, to, when, who } from "../parts.js";
import { sparkline } from "../charts.js";

const PEER_ID = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/; // of an Ed25519 key, as all are here
const UNKNOWN = Symbol("unknown");
const MARKS = { agreed: "agreed", dissented: "dissented", excused: "excused", absent: "never opened" };

export function mount(root, { parameter, signal, setTitle }) {
  const body = h("div", {});
  root.append(body);
  let only = "all";
  const view = live(
    body,
    {
      load: () => known(parameter, signal),
      render: (found) => {
        if (found === UNKNOWN) {
          setTitle(`Worker ~${peerEnd(parameter)}`);
          return nothing(parameter);
        }
        if (!found) return h("p", { class: "note warn" }, "That is no worker.");
        setTitle(nickname(found.worker.worker_id));
        return page(found, only, (next) => ((only = next), view.reload()));
      },
      types: ["scores", "peer"],
      every: 15_000,
    },
    signal,
  );
}

/** Ask why somebody stands as it does; UNKNOWN where a peer id may be right, and this node holds nothing of it. */
async function known(worker, signal) {
  try {
    return (await get(path("explain", worker), signal)).worker;
  } catch (error) {
    if (error.status === 404 && PEER_ID.test(worker)) return UNKNOWN;
    throw error;
  }
}

/** Somebody who asked, or was here, and did nothing that is counted: no mistake, for links lead here. */
const nothing = (peerId) => [
  h("p", { class: "crumbs", key: "crumbs" }, h("a", { href: "#/leaderboard" }, "Leaderboard"), " / worker"),
  h("h1", { key: "h1" }, `Worker ~${peerEnd(peerId)}`),
  h("p", { class: "quiet", key: "ids" }, id(peerId, "peer id", { shown: `…${peerId.slice(-8)}` }), " ", h("span", { class: "tone quiet" }, "not here now")),
  empty(
    "Nothing is counted of it yet.",
    "It has no points here, never said how it is called, and is not here now. ",
    h("a", { href: `#/tasks?submitter=${encodeURIComponent(peerId)}` }, "What it asked"),
  ),
];

function page(found, only, choose) {
  const { worker } = found;
  const { standing } = worker;
  return [
    h("p", { class: "crumbs", key: "crumbs" }, h("a", { href: "#/leaderboard" }, "Leaderboard"), " / worker"),
    h("h1", { key: "h1" }, name(worker.worker_id)),
    h(
      "p",
      { class: "quiet", key: "ids" },
      id(worker.peer_id, "peer id", { shown: `…${worker.peer_id.slice(-8)}` }),
      " ",
      presence(worker),
    ),
    facts(
      fact("Rank", worker.rank === null ? "–" : `${worker.rank} of ${worker.ranked}`),
      fact("Points", count(standing.points), sparkline(history(found))),
      fact("Reputation", percent(standing.reputation), "lower bound"),
      fact("Submitters", count(standing.submitters), "agreed for"),
      fact("Dissented", count(standing.dissented), standing.excused ? `and ${standing.excused} excused` : ""),
      fact("Absent", count(standing.absent)),
    ),
    section("Why", { key: "why" }, sentences(found.because), arithmetic(found)),
    section(
      "Tasks it was seated for",
      { key: "recent", aside: chips(only, choose), hint: `Among the newest ${count(found.looked)} tasks.` },
      recent(found.recent, only),
    ),
    found.pairs.length > 0 && section("By submitter", { key: "pairs", hint: "Points from one submitter grow in the reputation only like a logarithm." }, pairs(found)),
    section("Itself", { key: "itself", hint: "What it says of itself; nobody checks this." }, itself(worker)),
  ];
}

function presence(worker) {
  const heard = worker.heard_s_ago === null ? "" : `, heard ${span(worker.heard_s_ago)} ago`;
  if (worker.connected) return h("span", { class: "tone good" }, `connected${heard}`);
  return worker.live ? h("span", { class: "tone good" }, `live${heard}`) : h("span", { class: "tone quiet" }, `not here now${heard}`);
}

/** Points after each of the recent tasks, the oldest first, ending at what it has now. */
function history({ recent, worker }) {
  let points = worker.standing.points;
  const after = [points];
  for (const one of recent) {
    points -= one.points;
    after.push(points);
  }
  return after.reverse();
}

const SHOWN = [
  ["all", "all", () => true],
  ["dissented", "dissented", (one) => one.mark === "dissented" || one.mark === "excused"],
  ["absent", "never opened", (one) => one.mark === "absent"],
];

const chips = (only, choose) =>
  h(
    "div",
    { class: "chips", role: "group", "aria-label": "Which tasks" },
    SHOWN.map(([key, words]) => h("button", { type: "button", class: "chip", key, "aria-pressed": key === only ? "true" : "false", onclick: () => choose(key) }, words)),
  );

function recent(all, only) {
  const wanted = all.filter(SHOWN.find(([key]) => key === only)[2]);
  if (wanted.length === 0) return h("p", { class: "quiet", key: "none" }, only === "all" ? "None yet." : "None of that kind among them.");
  const rows = wanted.map((one) =>
    h(
      "tr",
      { key: one.task_id },
      h("th", { scope: "row", class: "task-cell" }, h("a", { href: to("tasks", one.task_id), title: one.task_id }, h("bdi", {}, one.text ? line(one.text, 80) || "(white space)" : one.task_id.slice(0, 8)))),
      h("td", {}, badge(one.state)),
      h("td", {}, one.answer === null || one.answer === undefined ? h("span", { class: "quiet" }, "–") : answer(one.answer)),
      h("td", {}, one.mark ? h("span", { class: `tone ${{ agreed: "good", dissented: "bad", absent: "warn" }[one.mark] ?? ""}` }, MARKS[one.mark]) : h("span", { class: "quiet" }, "not counted")),
      num(one.points ? "+1" : "0"),
      h("td", { class: "wide" }, who(one.submitter)),
      h("td", { class: "num" }, one.created_ms === undefined ? "" : when(one.created_ms)),
    ),
  );
  return table("Tasks it was seated for", [["Task"], ["State"], ["Verdict"], ["It"], ["Points", "num"], ["Asked by", "wide"], ["Asked", "num"]], rows);
}

function pairs(found) {
  const rows = found.pairs.map((one) =>
    h(
      "tr",
      { key: one.submitter.peer_id },
      h("th", { scope: "row" }, who(one.submitter)),
      h("td", {}, bar(one.runs ? one.agreed / one.runs : 0, `${one.agreed} of ${one.runs}`, { tone: "good" })),
      num(one.dissented),
      num(one.excused, "wide"),
      num(one.absent),
      num((one.weight_ppm / 1e6).toFixed(2), "wide"),
    ),
  );
  return [
    table("By submitter", [["Submitter"], ["Agreed"], ["Dissented", "num"], ["Excused", "num wide"], ["Absent", "num"], ["Weight", "num wide", "what all its runs for that submitter count together"]], rows),
    found.pairs_left_out > 0 && h("p", { class: "quiet", key: "more" }, `${counted(found.pairs_left_out, "more submitter")} left out.`),
  ];
}

const arithmetic = (found) =>
  h(
    "details",
    { key: "arithmetic" },
    h("summary", {}, "The arithmetic"),
    h("pre", {}, h("code", {}, found.arithmetic.join("\n"))),
  );

function itself(worker) {
  return h(
    "dl",
    { class: "pairs" },
    [
      ["Program", line(worker.agent, 80) || "–"],
      ["Can run", worker.capabilities.map((one) => line(one.split(" ")[0], 40)).join(", ") || "–"],
      ["Runs waiting", count(worker.load)],
      ["State digest", worker.state_digest ? id(worker.state_digest, "state digest") : "–"],
      ["Key", id(worker.key, "public key")],
      ["Addresses", worker.addresses.length ? worker.addresses.map((one) => h("code", {}, line(one, 200))) : "–"],
    ].map(([label, value]) => [h("dt", {}, label), h("dd", {}, value)]),
  );
}
