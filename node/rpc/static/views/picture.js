// Draws this node, those it is connected to around it, and outside those it only hears of.
//
// Places depend on the peer id alone, so nobody jumps when somebody else comes or leaves.

import { h, s } from "../dom.js";
import { counted, line, span } from "../format.js";
import { empty, to } from "../parts.js";

const SIZE = 480;
const CENTRE = SIZE / 2;
const INNER = 118;
const OUTER = 196;
const LONE = 168; // there is no outer ring
const NAMED_MAX = 24; // more names would cover each other
const ON_RING_MAX = 48;
const RINGS_APART = 17;

export function picture(status, peers) {
  if (peers.length === 0) return empty("Alone so far.", "The picture fills as nodes join.");
  const linked = peers.filter((one) => one.connected);
  const heard = peers.filter((one) => !one.connected);
  const places = new Map();
  const inner = heard.length > 0 ? INNER : LONE;
  place(places, linked, inner, linked.length > ON_RING_MAX ? -1 : 0);
  place(places, heard, OUTER, heard.length > ON_RING_MAX ? 1 : 0);
  const isNamed = peers.length <= NAMED_MAX;
  const inStep = peers.filter((one) => one.same_state).length;
  const said = `${counted(linked.length, "connection")}, ${counted(heard.length, "more peer")} heard of, ${inStep} in step with this node`;
  return [
    s(
      "svg",
      { class: "picture", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group", "aria-label": `Picture of the network: ${said}` },
      s("circle", { class: "orbit", cx: CENTRE, cy: CENTRE, r: inner, key: "inner" }),
      heard.length > 0 && s("circle", { class: "orbit", cx: CENTRE, cy: CENTRE, r: OUTER, key: "outer" }),
      s("g", { key: "links", "aria-hidden": "true" }, peers.map((one) => linkOf(one, places))),
      s("g", { key: "peers" }, peers.map((one) => dot(one, places.get(one.peer_id), isNamed))),
      s(
        "a",
        { key: "me", class: "node me", href: to("workers", status.peer_id), "aria-label": `This node, ${line(status.worker_id, 40)}` },
        s("circle", { cx: CENTRE, cy: CENTRE, r: 17 }),
        s("text", { x: CENTRE, y: CENTRE + 34, "text-anchor": "middle" }, line(status.worker_id, 16)),
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
    h("p", { class: "quiet", key: "said" }, `${said}.`),
  ];
}

/** Give each a place: in the order of the ids around the ring, in more rings where one is full. */
function place(places, peers, radius, way) {
  const sorted = [...peers].sort((one, other) => (one.peer_id < other.peer_id ? -1 : 1));
  const rings = Math.max(1, Math.ceil(sorted.length / ON_RING_MAX));
  sorted.forEach((one, at) => {
    const ring = at % rings;
    const angle = (2 * Math.PI * (at + 0.5)) / sorted.length - Math.PI / 2;
    const r = radius + way * ring * RINGS_APART;
    places.set(one.peer_id, { x: CENTRE + r * Math.cos(angle), y: CENTRE + r * Math.sin(angle) });
  });
}

function linkOf(peer, places) {
  const at = places.get(peer.peer_id);
  const from = peer.connected ? { x: CENTRE, y: CENTRE } : places.get(peer.heard_through);
  if (!from) return null;
  const kind = peer.connected ? (peer.in_mesh ? "mesh" : "link") : "heard";
  const latency = peer.connected && peer.latency_ms !== null && peer.latency_ms !== undefined;
  return [
    s("line", { key: `l${peer.peer_id}`, class: `wire ${kind}`, x1: from.x.toFixed(1), y1: from.y.toFixed(1), x2: at.x.toFixed(1), y2: at.y.toFixed(1) }),
    latency &&
      places.size <= NAMED_MAX &&
      s(
        "text",
        { key: `t${peer.peer_id}`, class: "latency", x: ((from.x + at.x) / 2).toFixed(1), y: ((from.y + at.y) / 2 - 4).toFixed(1), "text-anchor": "middle" },
        span(peer.latency_ms / 1000),
      ),
  ];
}

function dot(peer, at, isNamed) {
  const how = !peer.state_digest ? "unknown" : peer.same_state ? "step" : "off";
  const step = { unknown: "has not told its state", step: "in step", off: "differs" }[how];
  const link = peer.connected ? "connected" : "heard of";
  const label = line(peer.worker_id, 14);
  return s(
    "a",
    { key: peer.peer_id, class: `node ${how} ${peer.connected ? "" : "far"}`, href: to("workers", peer.peer_id), "aria-label": `${line(peer.worker_id, 40)}: ${link}, ${step}` },
    s("title", {}, `${line(peer.worker_id, 40)} – ${link}, ${step}`),
    s("circle", { cx: at.x.toFixed(1), cy: at.y.toFixed(1), r: isNamed ? (peer.connected ? 11 : 8) : 5 }),
    isNamed &&
      s(
        "text",
        { x: at.x.toFixed(1), y: (at.y + (at.y >= CENTRE ? 26 : -17)).toFixed(1), "text-anchor": "middle" },
        label,
      ),
  );
}
