// How this node is: what it does a minute, how long verdicts take, what it refuses.

import { live } from "../live.js";
import { get } from "../api.js";
import { h } from "../dom.js";
import { bytes, count, counted, span } from "../format.js";
import { fact, facts, id, section } from "../parts.js";
import { lineChart } from "../charts.js";

const REFUSALS = { refusals_rpc: "RPC", refusals_gate: "gate", refusals_pace: "pace", refusals_net: "network" };

export function mount(root, { signal, setTitle }) {
  setTitle("Health");
  const now = h("div", {});
  root.append(h("h1", {}, "Health"), now);
  live(now, { load: () => get("/status", signal), render: condition, types: ["node", "peer"], every: 5_000 }, signal);

  const plots = h("div", { class: "plots" });
  root.append(plots);
  const draw = [
    plot(plots, "Throughput", "tasks a minute", [["tasks_new", "asked"], ["tasks_final", "final"]], signal, { scale: "minute" }),
    plot(plots, "Time to a verdict", "seconds", [["verdict_p50_s", "half within"], ["verdict_p95_s", "95 % within"]], signal, { dots: true }),
    plot(plots, "Peers", "nodes", [["peers_live", "live"], ["peers_connected", "connected"]], signal),
    plot(plots, "Refusals", "a minute", Object.entries(REFUSALS), signal, { scale: "minute" }),
    plot(plots, "Records by sync", "a minute", [["sync_fetched", "fetched"]], signal, { scale: "minute" }),
    plot(plots, "Model runs", "a minute", [["runs", "answered"], ["inference_queue", "waiting now"]], signal, { scale: "minute", plain: ["inference_queue"] }),
    plot(plots, "Longest stall of the loop", "milliseconds", [["loop_lag_peak_s", "stall"]], signal, { factor: 1000 }),
    plot(plots, "Memory", "MiB", [["memory_bytes", "this process"]], signal, { factor: 1 / 1048576 }),
  ];
  const kept = nothing();
  live(
    h("div", {}),
    {
      load: () => lately(kept, signal),
      render: (found) => {
        take(kept, found);
        for (const one of draw) one(kept);
        return null;
      },
      every: 5_000,
    },
    signal,
  );
}

const KEPT_MAX = 720;

const nothing = () => ({ at: [], spans: [], series: {} });

/**
 * Ask for what is not here yet, and for everything where the node's clock was set back behind it.
 *
 * The last sample is asked for once more: it comes if what follows it is of the same run of the node.
 */
async function lately(kept, signal) {
  const last = kept.at.at(-1);
  if (last !== undefined) {
    const found = await get(`/history?after=${last - 1}`, signal);
    if (found.now_ms >= last) return found;
  }
  const whole = await get("/history", signal);
  Object.assign(kept, nothing());
  return whole;
}

/** Join what came now to what is here; where the node was away or slept the lines are broken. */
function take(kept, { at_ms: at, every_ms: every, series }) {
  const note = (ms, span, value) => {
    kept.at.push(ms);
    kept.spans.push(span);
    for (const key of Object.keys(series)) (kept.series[key] ??= []).push(value(key));
  };
  at.forEach((ms, index) => {
    const last = kept.at.at(-1);
    if (ms === last) return; // asked for once more
    if (ms - last > 3 * every) note(ms - every, every, () => null);
    // An interval that the machine slept through is longer; how long the first was, nobody says.
    note(ms, index ? ms - at[index - 1] : every, (key) => series[key][index]);
  });
  const over = kept.at.length - KEPT_MAX;
  if (over > 0) for (const one of [kept.at, kept.spans, ...Object.values(kept.series)]) one.splice(0, over);
}

function plot(root, title, unit, lines, signal, { scale, factor = 1, dots = false, plain = [] } = {}) {
  const place = h("div", {});
  root.append(section(title, { aside: h("span", { class: "quiet" }, unit) }, place));
  const chart = lineChart(place, { labels: lines.map(([, words]) => words), title, dots, signal });
  return ({ at, spans, series }) => {
    const factors = (key) => (scale === "minute" && !plain.includes(key) ? spans.map((ms) => (factor * 60_000) / ms) : spans.map(() => factor));
    const scaled = (values, by) => values.map((one, index) => (one === null ? null : one * by[index]));
    chart.show(
      at,
      lines.map(([key]) => scaled(series[key] ?? [], factors(key))),
    );
  };
}

function condition(status) {
  const yes = (words) => h("span", { class: "tone good" }, words);
  const no = (words) => h("span", { class: "tone bad" }, words);
  const counters = Object.entries(status.counters).filter(([, value]) => value > 0).sort();
  return [
    facts(
      fact("Takes part", status.ready ? yes("in full") : no("not in full"), status.waiting),
      fact("Signs", status.signing ? yes("yes") : no("not yet")),
      fact("Disk", status.read_only ? no("read-only") : status.behind ? no("limit reached") : yes("writes"), status.read_only),
      fact("Model", status.model.split(":")[0], status.capabilities.map((one) => one.split(" ")[0]).join(", ")),
      fact("Up for", span(status.uptime_s)),
      fact("Runs waiting", count(status.inference_queue)),
      fact("Compared with peers", counted(status.sync.sessions, "time"), `${count(status.sync.fetched)} fetched, ${count(status.sync.pushed)} pushed`),
      fact("Peer id", id(status.peer_id, "peer id", { shown: `…${status.peer_id.slice(-8)}` })),
    ),
    h(
      "details",
      { key: "counters" },
      h("summary", {}, "Counters since the start"),
      counters.length ? h("dl", { class: "pairs" }, counters.map(([key, value]) => [h("dt", {}, key.replaceAll("_", " ")), h("dd", { class: "num" }, key.endsWith("bytes") ? bytes(value) : count(value))])) : h("p", { class: "quiet" }, "All are zero."),
    ),
    status.addresses.length > 0 && h("details", { key: "addresses" }, h("summary", {}, "Addresses others can dial"), h("ul", { class: "plain" }, status.addresses.map((one) => h("li", {}, id(one, "address", { shown: one }))))),
  ];
}
