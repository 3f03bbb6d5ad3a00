// Draws this node, those it is connected to around it, and outside those it only hears of.

import { h, s } from "../dom.js";
import { count, counted, nickname, span } from "../format.js";
import { empty, to } from "../parts.js";
import { LATENCY_PX, NAME_PX, Room, measures, places, shortName } from "./places.js";

const ALONG = [0.5, 0.62, 0.4]; // where a latency may stand on its line
const BESIDE = [-4, 13]; // above the line, or below

/** Draw so wide a picture, in pixels; there may be more peers than are given. */
export function picture(status, peers, width, hasMore) {
  if (peers.length === 0) return empty("Alone so far.", "The picture fills as nodes join.");
  const linked = peers.filter((one) => one.connected);
  const heard = peers.filter((one) => !one.connected);
  const measured = measures(width, linked.length, heard.length);
  const { size, centre, me, isNamed, near, far, rings } = measured;
  const at = places(linked, heard, measured);
  const radius = (peer) => (peer.connected ? near : far);
  const own = { text: shortName(called(status)), spot: { x: centre, y: centre + me + 17 } };
  const room = new Room();
  room.dot({ x: centre, y: centre }, me);
  room.words(own.text, NAME_PX, [own.spot]);
  for (const one of peers) room.dot(at.get(one.peer_id), radius(one));
  const names = isNamed ? namesOf([...linked, ...heard], at, centre, radius, room) : new Map();
  const latencies = isNamed ? latenciesOf(linked, at, centre, room) : new Map();
  const said = inWords(linked.length, heard.length, peers.filter((one) => one.same_state).length, hasMore);
  return [
    s(
      "svg",
      { class: `picture ${isNamed ? "" : "many"}`, viewBox: `0 0 ${size} ${size}`, width: size, height: size, role: "group", "aria-label": `Picture of the network: ${said}` },
      [...rings.linked, ...rings.heard].map((r, ring) => s("circle", { class: "orbit", cx: centre, cy: centre, r, key: `o${ring}` })),
      s("g", { key: "links", "aria-hidden": "true" }, [...peers].sort(meshLast).map((one) => linkOf(one, at, centre, latencies))),
      s("g", { key: "peers" }, peers.map((one) => dot(one, at.get(one.peer_id), radius(one), names.get(one.peer_id)))),
      s(
        "a",
        { key: "me", class: "node me", href: to("workers", status.peer_id) },
        s("title", {}, `This node, ${called(status)}`),
        s("circle", { cx: centre, cy: centre, r: me }),
        written(own),
      ),
    ),
    h(
      "ul",
      { class: "legend", key: "legend" },
      h("li", { class: "l-step" }, "in step"),
      h("li", { class: "l-off" }, "differs"),
      h("li", { class: "l-mesh" }, "gossips with us"),
      h("li", { class: "l-link" }, "connected"),
      h("li", { class: "l-heard" }, "heard of through"),
    ),
    h("p", { class: "quiet", key: "said" }, `${said[0].toUpperCase()}${said.slice(1)}.`),
  ];
}

/** Say how many there are; those connected come first, so where there are more, they are heard of or all are connected. */
function inWords(linked, heard, inStep, hasMore) {
  const [links, others] = [counted(linked, "connection"), `${counted(heard, "more peer")} heard of`];
  if (!hasMore) return `${links}, ${others}, ${inStep} in step with this node`;
  const most = heard === 0 ? `at least ${links}` : `${links}, at least ${others}`;
  return `${most}; of the ${count(linked + heard)} drawn, ${count(inStep)} are in step with this node`;
}

const called = (worker) => nickname(worker.worker_id);

/** Find a spot for each name that covers nothing else; a name without one is in the table, and said. */
function namesOf(peers, at, centre, radius, room) {
  const found = new Map();
  for (const one of peers) {
    const text = shortName(called(one));
    const { x, y } = at.get(one.peer_id);
    const below = { x, y: y + radius(one) + 15 };
    const above = { x, y: y - radius(one) - 6 };
    const spot = room.words(text, NAME_PX, y >= centre ? [below, above] : [above, below]);
    if (spot) found.set(one.peer_id, { text, spot });
  }
  return found;
}

/** The same for latencies, each at its line. */
function latenciesOf(peers, at, centre, room) {
  const found = new Map();
  for (const one of peers) {
    if (one.latency_ms === null || one.latency_ms === undefined) continue;
    const text = span(one.latency_ms / 1000);
    const { x, y } = at.get(one.peer_id);
    const along = (share, beside) => ({ x: centre + share * (x - centre), y: centre + share * (y - centre) + beside });
    const spot = room.words(text, LATENCY_PX, BESIDE.flatMap((beside) => ALONG.map((share) => along(share, beside))));
    if (spot) found.set(one.peer_id, { text, spot });
  }
  return found;
}

const written = (words, more) =>
  words && s("text", { ...more, x: words.spot.x.toFixed(1), y: words.spot.y.toFixed(1), "text-anchor": "middle" }, words.text);

/** Lines of the mesh over all others. */
const meshLast = (one, other) => Number(one.in_mesh) - Number(other.in_mesh);

function linkOf(peer, places, centre, latencies) {
  const at = places.get(peer.peer_id);
  const from = peer.connected ? { x: centre, y: centre } : places.get(peer.heard_through);
  if (!from) return null;
  const kind = peer.connected ? (peer.in_mesh ? "mesh" : "link") : "heard";
  return [
    s("line", { key: `l${peer.peer_id}`, class: `wire ${kind}`, x1: from.x.toFixed(1), y1: from.y.toFixed(1), x2: at.x.toFixed(1), y2: at.y.toFixed(1) }),
    written(latencies.get(peer.peer_id), { key: `t${peer.peer_id}`, class: "latency" }),
  ];
}

/** A peer; its title is what it is called aloud, and what is shown where the pointer rests. */
function dot(peer, at, radius, name) {
  const how = !peer.state_digest ? "unknown" : peer.same_state ? "step" : "off";
  const step = { unknown: "has not told its state", step: "in step", off: "differs" }[how];
  const link = peer.connected ? "connected" : "heard of";
  return s(
    "a",
    { key: peer.peer_id, class: `node ${how} ${peer.connected ? "" : "far"}`, href: to("workers", peer.peer_id) },
    s("title", {}, `${called(peer)}: ${link}, ${step}`),
    s("circle", { cx: at.x.toFixed(1), cy: at.y.toFixed(1), r: radius }),
    written(name),
  );
}
