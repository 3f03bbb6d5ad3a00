// The scores as this node computes them, and how they came about.

import { live } from "../live.js";
import { get, path } from "../api.js";
import { h } from "../dom.js";
import { count, counted } from "../format.js";
import { bar, empty, id, num, reputation, section, table, who } from "../parts.js";
import { stepChart } from "../charts.js";

const ROWS_MAX = 100;
const LINES = 6;
const TASKS_LOOKED = 500;

export function mount(root, { signal, mayWrite, setTitle }) {
  setTitle("Leaderboard");
  const board = h("div", {});
  const history = h("div", {});
  root.append(
    h("h1", {}, "Leaderboard"),
    h("p", { class: "lead" }, "A point for each answer that matched the verdict of three or more seats. Every node computes this by itself; where two hold the same log, the state digest is the same."),
    section("Scores", {}, board),
    section("Points over the newest tasks", { hint: `Up to ${TASKS_LOOKED} tasks back, for the best ${LINES}; a step for each that gave one of them a point.` }, history),
  );
  live(
    board,
    {
      load: async () => {
        const [rows, status] = await Promise.all([get(`/leaderboard?limit=${ROWS_MAX}`, signal), get("/status", signal)]);
        return { rows, status, own: rows.length < ROWS_MAX ? null : await placeOf(status.peer_id, signal) };
      },
      render: (found) => scores(found, mayWrite),
      types: ["scores"],
    },
    signal,
  );
  const chart = stepChart(history, { label: "Points", signal });
  live(
    h("div", {}),
    {
      load: () => get(`/leaderboard/history?tasks=${TASKS_LOOKED}&limit=${LINES}`, signal),
      render: (found) => (chart.show(found.workers), null),
      types: ["scores"],
    },
    signal,
  );
}

/** Where this node stands, and among how many; null if the node has too much to do to say so. */
async function placeOf(peerId, signal) {
  try {
    return await get(path("workers", peerId), signal);
  } catch (error) {
    if (!error.isPassing) throw error;
    return null;
  }
}

function scores({ rows, status, own }, mayWrite) {
  const digest = h("p", { class: "quiet", key: "digest" }, "State digest ", id(status.state_digest, "state digest"), `, ${counted(status.records, "record")}`);
  if (rows.length === 0)
    return [empty("No points yet.", "Points come with verdicts of at least three seats", mayWrite && [": ", h("a", { href: "#/tasks" }, "ask something")], "."), digest];
  const most = Math.max(1, ...rows.map((one) => one.points));
  const columns = [
    ["#", "num"],
    ["Worker"],
    ["Points"],
    ["Reputation", "", "lower bound of its agreement rate, after faults"],
    ["Submitters", "num", "how many different submitters it agreed for"],
    ["Dissented", "num wide", "opened another answer than the verdict"],
    ["Excused", "num wide", "dissented where those who agreed were nearly undecided"],
    ["Absent", "num wide", "sealed, seated, and never opened"],
    ["Faults", "num wide", "own tasks it made void by signing two juries"],
  ];
  const places = rows.map((one, at) => [one, at + 1]);
  const isBelow = own?.rank > rows.length && rows.every((one) => one.peer_id !== status.peer_id);
  if (isBelow) places.push([own.standing, own.rank]);
  const found = places.map(([one, place]) =>
    h(
      "tr",
      { key: one.peer_id, class: one.peer_id === status.peer_id ? "mine" : "" },
      num(place),
      h("th", { scope: "row" }, who(one), one.peer_id === status.peer_id && h("small", {}, " this node")),
      h("td", {}, bar(one.points / most, count(one.points), { tone: "good" })),
      h("td", {}, reputation(one.reputation)),
      num(one.submitters),
      num(one.dissented, "wide"),
      num(one.excused, "wide"),
      num(one.absent, "wide"),
      num(one.faults, one.faults ? "wide tone bad" : "wide"),
    ),
  );
  return [table("Leaderboard", columns, found), cut(rows.length, own, isBelow, mayWrite), digest];
}

/** Say that there are more than are shown; null if there are not. */
function cut(shown, own, isBelow, mayWrite) {
  if (shown < ROWS_MAX || own?.ranked <= shown) return null;
  const which = own ? `The first ${count(shown)} of ${count(own.ranked)}` : `The first ${count(shown)}; there may be more`;
  return h(
    "p",
    { class: "quiet", key: "more" },
    which,
    isBelow && ", and this node",
    mayWrite && ["; more with ", h("code", {}, "aimarket leaderboard")],
    ".",
  );
}
