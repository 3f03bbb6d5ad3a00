// The network as this node sees it: who is linked, who is in step, what happens now.

import { live } from "../live.js";
import { listen } from "../bus.js";
import { get } from "../api.js";
import { h, show } from "../dom.js";
import { count, counted, nickname, span } from "../format.js";
import { answer, badge, empty, fact, facts, id, name, num, say, section, table, to, when, who } from "../parts.js";
import { picture } from "./picture.js";
import { stateBadge } from "./tasks.js";

const PEERS_MAX = 400; // a table of more is for no one to read; those connected come first
const SCROLL_BAR_PX = 24; // the widest there is
const TOLD_MAX = 40; // lines of what happens
const BEFORE_MAX = 8; // lines of what happened before

export function mount(root, { signal, mayWrite, setTitle }) {
  setTitle("Network");
  const top = h("div", {});
  const drawn = h("div", {});
  const told = h("ol", { class: "feed", "aria-live": "off", "aria-label": "What happens now" });
  const list = h("div", {});
  root.append(
    h("h1", {}, "Network"),
    top,
    h(
      "div",
      { class: "two" },
      section("Peers", { hint: "Lines are connections of this node; dashes lead to those it only hears of." }, drawn),
      section("Now", { hint: "What happens in the market, as this node learns of it." }, told),
    ),
    list,
  );
  feed(told, signal);
  const draw = drawing(drawn, signal);

  live(
    top,
    {
      load: () => get("/status", signal),
      render: overview,
      types: ["verdict", "task", "peer", "node", "scores"],
      every: 5_000,
    },
    signal,
  );
  const peers = live(
    list,
    {
      load: async () => {
        const [status, found] = await Promise.all([get("/status", signal), get(`/peers?limit=${PEERS_MAX}`, signal)]);
        return { status, peers: found };
      },
      render: ({ status, peers: found }) => {
        nextFrame(() => draw(status, found));
        return peerTable(found, mayWrite);
      },
      types: ["peer", "scores"],
      every: 5_000,
    },
    signal,
  );
  return peers;
}

/** Answer whether there may be more peers than the node was asked for. */
const hasMore = (peers) => peers.length >= PEERS_MAX;

/** Do something once what is there now is painted: of hundreds of peers, table and picture take long enough alone. */
const nextFrame = (work) => requestAnimationFrame(() => setTimeout(work));

/** Draw the picture as wide as there is room, and again when that changes. */
function drawing(root, signal) {
  let latest = null;
  let drawn = 0;
  const wide = () => Math.floor(root.getBoundingClientRect().width);
  const draw = () => {
    if (!latest || signal.aborted) return;
    drawn = wide();
    show(root, picture(...latest, drawn, hasMore(latest[1])));
  };
  // Not for a scroll bar: with the width goes the height, so it would come and go for ever.
  const sized = new ResizeObserver(() => Math.abs(wide() - drawn) > SCROLL_BAR_PX && draw());
  sized.observe(root);
  signal.addEventListener("abort", () => sized.disconnect(), { once: true });
  return (status, peers) => ((latest = [status, peers]), draw());
}

function overview(status) {
  const tasks = status.tasks;
  const under = (tasks.open ?? 0) + (tasks.seated ?? 0);
  const level = status.sync.level_s_ago;
  return [
    status.ready ? null : h("p", { class: "note warn" }, `This node does not take part in full yet: ${status.waiting}`),
    status.read_only && h("p", { class: "note bad" }, `Nothing can be written: ${status.read_only}`),
    facts(
      fact("Peers", count(status.peers), "connected"),
      fact("Tasks final", count(tasks.final ?? 0), under ? `${count(under)} under way` : "none under way"),
      fact("Records", count(status.records), "in the log"),
      fact(
        "Sync",
        status.sync.state === "moving"
          ? `${count(status.sync.moved)} of ${count(status.sync.expected)}`
          : level === null
            ? "–"
            : level < 2
              ? "level now"
              : `level ${span(level)} ago`,
        status.sync.state === "moving" ? "records are moving" : level === null ? "not compared with a peer yet" : "with a peer",
      ),
      fact("State", id(status.state_digest, "state digest"), "equal on every node with this log"),
    ),
  ];
}

function peerTable(peers, mayWrite) {
  if (peers.length === 0)
    return section("All peers", {}, empty("Nobody is here yet.", "Start a node elsewhere with ", h("code", {}, "aimarket-node --bootstrap ADDRESS"), "; ", h("code", {}, "aimarket invite"), " prints a link that holds the address."));
  const rows = peers.map((one) =>
    h(
      "tr",
      { key: one.peer_id },
      h("th", { scope: "row" }, who(one), h("small", { class: "narrow" }, linkWord(one))),
      h("td", { class: "wide one-line" }, linkWord(one)),
      h("td", { class: "one-line" }, stepWord(one)),
      num(one.latency_ms === null || one.latency_ms === undefined ? "–" : span(one.latency_ms / 1000)),
      num(one.load),
      h("td", { class: "wide" }, one.capabilities.length ? one.capabilities.map((what, at) => [at > 0 && ", ", name(what.split(" ")[0])]) : "–"),
    ),
  );
  const columns = [
    ["Peer"],
    ["Link", "wide"],
    ["Log", "", "whether the state it last told is one that this node had within the last minute"],
    ["Latency", "num"],
    ["Runs waiting", "num"],
    ["Can run", "wide"],
  ];
  const isCut = hasMore(peers);
  return section(
    "All peers",
    { aside: h("span", { class: "quiet" }, isCut && "at least ", counted(peers.length, "peer")) },
    table("All peers", columns, rows),
    isCut && h("p", { class: "quiet", key: "more" }, `The first ${count(peers.length)}, those connected before others`, mayWrite && ["; more with ", h("code", {}, "aimarket peers")], "."),
  );
}

function linkWord(peer) {
  if (!peer.connected) return h("span", { class: "quiet" }, "heard of");
  const way = peer.outbound ? "dialled" : "came in";
  return peer.in_mesh ? `${way}, in the mesh` : way;
}

export function stepWord(peer) {
  if (!peer.state_digest) return h("span", { class: "quiet" }, "not told yet");
  return peer.same_state
    ? h("span", { class: "tone good" }, "in step")
    : h("span", { class: "tone warn" }, "differs");
}

/** Tell what happens, the newest first; the list has an end. */
function feed(root, signal) {
  show(root, h("li", { class: "quiet", key: "none" }, "Nothing has happened yet."));
  before(root, signal);
  const add = (event) => {
    const words = event.type === "task" && root.querySelector(`[data-asked="${event.task_id}"]`) ? null : inWords(event);
    if (!words) return;
    root.querySelector("li.quiet")?.remove();
    // Not the time of now: whoever reads on after a silence is told much that is old. A gap has none.
    root.prepend(item(event, event.at_ms ?? Date.now(), words));
    while (root.children.length > TOLD_MAX) root.lastChild.remove();
    if (event.type === "peer") say(`${nickname(event.worker.worker_id)} ${event.connected ? "joined" : "left"}`);
  };
  let waiting = [];
  listen(
    ["task", "jury", "verdict", "peer", "node", "cancel"],
    (event) => {
      if (waiting.push(event) > TOLD_MAX) waiting.shift();
      if (waiting.length === 1) setTimeout(() => (waiting.splice(0).forEach(add)), 150);
    },
    signal,
  );
}

/** One line of what happened. */
const item = (event, ms, ...words) =>
  h("li", { "data-asked": event.type === "task" ? event.task_id : null }, when(ms), h("span", {}, words));

/** End with what happened last before this page was opened, but for tasks of which more was told meanwhile. */
async function before(root, signal) {
  try {
    const { tasks } = await get(`/tasks?limit=${BEFORE_MAX}`, signal);
    const known = new Set(Array.from(root.querySelectorAll("a"), (one) => one.hash));
    const older = tasks.filter((one) => !known.has(to("tasks", one.task_id)));
    if (older.length) root.querySelector("li.quiet")?.remove();
    for (const one of older.slice(0, TOLD_MAX - root.children.length)) {
      const event = { type: "task", ...one };
      root.append(item(event, one.created_ms, inWords(event), ": ", stateBadge(one), one.answer !== null && [" ", answer(one.answer)]));
    }
  } catch (error) {
    if (!signal.aborted && !(error.status >= 0)) throw error;
  }
}

function inWords(event) {
  const task = event.task_id && h("a", { href: to("tasks", event.task_id) }, h("code", {}, event.task_id.slice(0, 8)));
  switch (event.type) {
    case "task":
      return [who(event.submitter), event.attempt ? " tries again, as " : " asks ", task, " (", name(event.task_type), `, ${counted(event.seats, "seat")})`];
    case "jury":
      return ["A jury of ", count(event.jurors.length), " is signed for ", task];
    case "verdict":
      return event.state === "seated" ? null : [task, " is ", badge(event.state), event.answer !== null && [": ", answer(event.answer)]];
    case "cancel":
      return [task, " is given up here"];
    case "peer":
      return [who(event.worker), event.connected ? " joined" : " left"];
    case "node":
      return event.ready ? "This node takes part in full" : ["This node waits: ", event.waiting || event.read_only];
    case "gap":
      return event.missed === null ? null : `${counted(event.missed, "event")} missed`;
    default:
      return null;
  }
}
