// Plots, drawn by uPlot in the colours of the page, and sparklines of our own.

import uPlot from "./vendor/uPlot.esm.js";
import { h, s, show } from "./dom.js";
import { exact, nickname, peerEnd } from "./format.js";

const HEIGHT = 150;
const TALL = 240;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const stroke = (at) => colour(`--line-${at % 6}`);
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [1, 2], [10, 4]]; // not by colour alone

/** A moment on an axis, as exact as the distance to the next one asks for. */
function clock(seconds, step) {
  const [day, time] = (exact(1000 * seconds) ?? " ").split(" ");
  if (step >= 86_400) return day.slice(5);
  return step < 60 ? time : time.slice(0, 5);
}

const FONT = "12px system-ui, sans-serif";
const quiet = () => ({ stroke: colour("--quiet"), grid: { stroke: colour("--hair"), width: 1 }, ticks: { stroke: colour("--hair"), width: 1 }, font: FONT });
const upright = () => ({ ...quiet(), size: 52, values: (_, ticks) => ticks.map((one) => (one >= 10_000 ? `${one / 1000}k` : one)) });
const ACROSS = {
  time: () => ({ ...quiet(), grid: { show: false }, space: 60, values: (_, ticks, axis, space, step) => ticks.map((one) => clock(one, step)) }),
  place: () => ({ ...quiet(), grid: { show: false }, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], size: 28, label: "tasks that gave a point, the oldest first", labelFont: FONT, labelSize: 20 }),
};

/** Draw lines over time. `show(at_ms, series)` renews them. */
export function lineChart(root, { labels, title, dots, signal }) {
  return chart(root, { height: HEIGHT, title, signal }, (at, series) => ({
    data: [at.map((ms) => ms / 1000), ...series],
    across: "time",
    series: [{}, ...labels.map((label, index) => lineOf(label, index, { spanGaps: false, points: { show: Boolean(dots), size: 4 } }))],
    labels,
    isEmpty: series.every((one) => one.every((value) => value === null || value === undefined)),
    summary: labels.map((label, index) => `${label} ${last(series[index])}`).join(", "),
  }));
}

/** Draw how points of workers grew, as stairs: a step for each task. `show(workers)` renews it. */
export function stepChart(root, { label, signal }) {
  const stairs = uPlot.paths.stepped({ align: 1 });
  return chart(root, { height: TALL, title: label, signal }, (workers) => {
    const found = workers.filter((one) => one.at_ms.length > 0);
    const names = found.map(({ worker }) => `${nickname(worker.worker_id, 24)}~${peerEnd(worker.peer_id)}`);
    return {
      data: byPlace(found),
      across: "place",
      series: [{}, ...names.map((name, index) => lineOf(name, index, { paths: stairs, points: { show: false } }))],
      labels: names,
      isEmpty: found.length === 0,
      summary: found.map((one, index) => `${names[index]} ${one.points}`).join(", "),
    };
  });
}

/**
 * Points after each task that gave one of them a point, and before the first. When a task was asked is
 * what its submitter says, any time of 285,000 years: it gives tasks their order, and no distance.
 */
function byPlace(found) {
  if (found.length === 0) return [[]];
  const most = new Map(); // of each moment, how many points of one worker: so many tasks at least
  for (const { at_ms } of found)
    at_ms.forEach((ms, at) => most.set(ms, Math.max(most.get(ms) ?? 0, at - at_ms.indexOf(ms) + 1)));
  const order = [...most.keys()].sort((one, other) => one - other).flatMap((ms) => Array(most.get(ms)).fill(ms));
  const lines = found.map(({ at_ms, after }) => {
    let had = 0;
    return [after[0] - 1, ...order.map((ms) => (at_ms[had] === ms && (had += 1), had > 0 ? after[had - 1] : after[0] - 1))];
  });
  return [[0, ...order.map((_, at) => at + 1)], ...lines];
}

const last = (values) => {
  const found = [...values].reverse().find((one) => one !== null && one !== undefined);
  return found === undefined ? "none" : String(Math.round(found * 100) / 100);
};

const lineOf = (label, index, more) => ({ label, stroke: stroke(index), dash: DASHES[index % 6], width: 1.75, ...more });

// The engine may keep the last plot there was, and with it whatever its functions can see: not the page.
const fromZero = (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1];
const planOf = (width, height, series, across) => ({ width, height, series, axes: [ACROSS[across](), upright()], legend: { show: false }, cursor: { show: false }, scales: { x: { time: across === "time" }, y: { range: fromZero } } });

function chart(root, { height, title, signal }, plan) {
  let drawn = null;
  let key = "";
  let latest = null;
  const place = h("div", { class: "plot", "data-own": true });
  const words = h("p", { class: "unseen" });
  const legend = h("ul", { class: "plot-legend" });
  show(root, place, legend, words);

  function draw() {
    if (!latest || signal.aborted) return;
    const { data, across, series, labels, isEmpty, summary } = plan(...latest);
    show(words, `${title}: ${isEmpty ? "nothing to show yet" : summary}`);
    show(legend, isEmpty ? h("li", { class: "quiet" }, "Nothing to show yet.") : labels.map((one, index) => h("li", { key: index }, swatch(index), h("bdi", {}, one))));
    const wanted = labels.join("\n");
    if (drawn && wanted === key) {
      drawn.setData(data);
      return;
    }
    drawn?.destroy();
    key = wanted;
    const width = Math.max(200, place.clientWidth);
    drawn = new uPlot(planOf(width, height, series, across), data, place);
    drawn.root.querySelector("canvas").setAttribute("aria-hidden", "true");
  }

  const again = () => ((key = "\0"), draw()); // other colours, or another width
  const sized = new ResizeObserver(() => drawn && Math.abs(drawn.width - place.clientWidth) > 1 && drawn.setSize({ width: Math.max(200, place.clientWidth), height }));
  sized.observe(place);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", again);
  const end = () => {
    sized.disconnect();
    scheme.removeEventListener("change", again);
    drawn?.destroy();
    drawn = null;
    place.remove(); // from what it was in: the plot knows it
  };
  signal.addEventListener("abort", end, { once: true });
  return { show: (...given) => ((latest = given), draw()) };
}

const swatch = (index) =>
  s("svg", { class: `swatch line-${index % 6}`, viewBox: "0 0 24 8", "aria-hidden": "true" }, s("line", { x1: 0, y1: 4, x2: 24, y2: 4, "stroke-dasharray": DASHES[index % 6].join(" ") || null }));

/** A small line beside a number. */
export function sparkline(values) {
  if (values.length < 3) return null;
  const low = Math.min(...values);
  const rise = Math.max(1, Math.max(...values) - low);
  const points = values.map((one, at) => `${((80 * at) / (values.length - 1)).toFixed(1)},${(18 - (16 * (one - low)) / rise).toFixed(1)}`);
  return s("svg", { class: "spark", viewBox: "0 0 80 20", role: "img", "aria-label": `from ${values[0]} to ${values.at(-1)}` }, s("polyline", { points: points.join(" ") }));
}
