// Where everybody has a place in the picture of the network, and which words have room there.
//
// Places go by the order of the peer ids, so nobody changes sides when somebody else comes or leaves.

import { line } from "../format.js";

const MOST = 480; // pixels; a larger picture of few would be mostly empty
const LEAST = 240;
const SMALL = 360; // below this the dots shrink, too: there is less between them
const NAMED_MAX = 24; // of more, the dots alone say enough
const MARGIN = 44; // for half a name beside those furthest out
const LONE_MOST = 168; // where there is no outer ring
const INWARD = 0.6; // how far out those linked are, of those heard of
const INNERMOST = 60; // to the edge of a dot, so that the name of this node stays free
const APART_MOST = 17; // pixels, of many: from ring to ring, and on each
const CLOSER = 0.95; // a guess: how finely it is tried what fits
const DOT_MOST = 5;
const DOT_LEAST = 1.5;
const EDGE = 2; // what the line around a dot takes, and takes more when it is pointed at
const LINE_HEIGHT = 14;
export const NAME_PX = 12; // as views.css has them
export const LATENCY_PX = 11;
const NAME_SIGNS_MOST = 14;

/** The size of a picture, of its rings and dots, in pixels: one unit is one pixel, so words keep their size. */
export function measures(width, linked, heard) {
  const size = Math.max(LEAST, Math.min(MOST, Math.floor(width) || MOST));
  const me = size < SMALL ? 14 : 17;
  const isNamed = linked + heard <= NAMED_MAX;
  return { size, centre: size / 2, me, isNamed, ...(isNamed ? roomy(size, linked, heard) : crowded(size / 2, linked, heard)) };
}

/** One ring for those linked, whose dots shrink where they are many for it; one for those heard of. */
function roomy(size, linked, heard) {
  const outer = size / 2 - MARGIN;
  const [near, far] = size < SMALL ? [9, 7] : [11, 8];
  const free = Math.min(INNERMOST + near, outer - near - far - EDGE);
  const inner = heard ? Math.max(INWARD * outer, free) : Math.min(LONE_MOST, outer);
  const most = linked > 1 ? inner * Math.sin(Math.PI / linked) - EDGE / 2 : near;
  return { near: Math.min(near, most), far, rings: { linked: [inner], heard: heard ? [outer] : [] } };
}

/** As many rings as it takes, so close that all are in the picture; the dots shrink with what is between them. */
function crowded(half, linked, heard) {
  for (let apart = APART_MOST; ; apart *= CLOSER) {
    const dot = Math.max(DOT_LEAST, Math.min(DOT_MOST, apart / 2 - EDGE));
    const most = half - dot - EDGE;
    const least = INNERMOST + dot;
    const outer = inward(heard, most, least, apart);
    const left = heard ? outer?.at(-1) - 1.5 * apart : most;
    const inner = inward(linked, Math.min(left, heard ? INWARD * most : LONE_MOST), least, apart) ?? inward(linked, left, least, apart);
    if (outer && inner) return { near: dot, far: dot, rings: { linked: inner, heard: outer } };
  }
}

/** The radii of rings from one inwards that have room for so many; null where the least is passed before. */
function inward(many, from, least, apart) {
  const found = [];
  for (let radius = from; many > 0; radius -= apart) {
    if (!(radius >= least)) return null;
    found.push(radius);
    many -= Math.floor((2 * Math.PI * radius) / apart);
  }
  return found;
}

/** Give each a place: around the rings in the order of the ids, on each as many as its length has room for. */
export function places(linked, heard, { centre, rings }) {
  const found = new Map();
  const around = (peers, radii) => {
    const sorted = [...peers].sort((one, other) => (one.peer_id < other.peer_id ? -1 : 1));
    for (const [at, members] of dealt(sorted, radii).entries())
      members.forEach((one, turn) => {
        const angle = (2 * Math.PI * (turn + 0.5)) / members.length - Math.PI / 2;
        found.set(one.peer_id, { x: centre + radii[at] * Math.cos(angle), y: centre + radii[at] * Math.sin(angle) });
      });
  };
  around(linked, rings.linked);
  around(heard, rings.heard);
  return found;
}

/** Deal all to rings: each goes where most are missing by then. */
function dealt(peers, radii) {
  const found = radii.map(() => []);
  const whole = radii.reduce((sum, one) => sum + one, 0);
  peers.forEach((one, at) => {
    const missing = radii.map((radius, ring) => ((at + 1) * radius) / whole - found[ring].length);
    found[missing.indexOf(Math.max(...missing))].push(one);
  });
  return found;
}

const pen = document.createElement("canvas").getContext("2d");

/** How wide a line of words is, in the font of the page. */
function widthOf(text, px) {
  pen.font = `${px}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

/** A name as much as fits beside those furthest out. */
export function shortName(text) {
  let signs = NAME_SIGNS_MOST;
  while (signs > 1 && widthOf(line(text, signs), NAME_PX) > 2 * MARGIN) signs -= 1;
  return line(text, signs);
}

/** Keeps words off each other and off the dots. */
export class Room {
  #taken = [];

  /** Take the room of a dot. */
  dot({ x, y }, radius) {
    this.#taken.push({ left: x - radius, right: x + radius, top: y - radius, bottom: y + radius });
  }

  /** Take the first spot where a line of words is free, and return it; null where none is. */
  words(text, px, spots) {
    const half = widthOf(text, px) / 2 + 1;
    for (const { x, y } of spots) {
      const wanted = { left: x - half, right: x + half, top: y - LINE_HEIGHT + 3, bottom: y + 3 };
      if (this.#taken.some((one) => isOver(one, wanted))) continue;
      this.#taken.push(wanted);
      return { x, y };
    }
    return null;
  }
}

const isOver = (one, other) =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
