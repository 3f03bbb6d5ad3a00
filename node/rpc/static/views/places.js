// Where everybody has a place in the picture of the network, and which words have room there.
//
// Places depend on the peer id alone, so nobody jumps when somebody else comes or leaves.

import { line } from "../format.js";

const MOST = 480; // pixels; a larger picture of few would be mostly empty
const LEAST = 240;
const SMALL = 360; // below this the dots shrink, too: there is less between them
const MARGIN = 44; // for half a name beside those furthest out
const LONE_MOST = 168; // where there is no outer ring
const ON_RING_MAX = 48;
const RINGS_APART = 17;
const LINE_HEIGHT = 14;
export const NAME_PX = 12; // as views.css has them
export const LATENCY_PX = 11;
const NAME_SIGNS_MOST = 14;

/** The size of a picture, of its rings and dots, in pixels: one unit is one pixel, so words keep their size. */
export function measures(width, hasFar) {
  const size = Math.max(LEAST, Math.min(MOST, Math.floor(width) || MOST));
  const outer = size / 2 - MARGIN;
  const radii = size < SMALL ? { me: 14, near: 9, far: 7 } : { me: 17, near: 11, far: 8 };
  return { size, centre: size / 2, outer, inner: hasFar ? 0.6 * outer : Math.min(LONE_MOST, outer), radii };
}

/** Give each a place: in the order of the ids around the ring, in more rings where one is full. */
export function places(linked, heard, { centre, inner, outer }) {
  const found = new Map();
  const around = (peers, radius, way) => {
    const sorted = [...peers].sort((one, other) => (one.peer_id < other.peer_id ? -1 : 1));
    const rings = Math.max(1, Math.ceil(sorted.length / ON_RING_MAX));
    sorted.forEach((one, at) => {
      const angle = (2 * Math.PI * (at + 0.5)) / sorted.length - Math.PI / 2;
      const r = radius + way * (at % rings) * RINGS_APART;
      found.set(one.peer_id, { x: centre + r * Math.cos(angle), y: centre + r * Math.sin(angle) });
    });
  };
  around(linked, inner, linked.length > ON_RING_MAX ? -1 : 0);
  around(heard, outer, heard.length > ON_RING_MAX ? 1 : 0);
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
