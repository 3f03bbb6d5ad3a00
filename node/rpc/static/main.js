// Begins the page: who we are, which view is shown, and how the connection to the node is.

import * as bus from "./bus.js";
import * as session from "./session.js";
import { get } from "./api.js";
import { arrive } from "./scroll.js";
import { pause } from "./stream.js";
import { h, show } from "./dom.js";
import { line } from "./format.js";
import { id, keepTime, name, say, to } from "./parts.js";
import { entry } from "./views/entry.js";

const VIEWS = [
  [/^\/$/, "network", "Network"],
  [/^\/tasks$/, "tasks", "Tasks"],
  [/^\/tasks\/([^/]+)$/, "task", "Task"],
  [/^\/leaderboard$/, "leaderboard", "Leaderboard"],
  [/^\/workers\/([^/]+)$/, "worker", "Worker"],
  [/^\/records\/([^/]+)$/, "record", "Record"],
  [/^\/health$/, "health", "Health"],
  [/^\/verify$/, "verify", "Verify"],
];
const NAMED = { task: "tasks", record: "tasks", worker: "leaderboard" }; // whose place in the menu
const CLOCK_MS = 1_000;
const ASK_AGAIN_MIN_MS = 1_000; // a guess, as the other; the question costs the node a millisecond
const ASK_AGAIN_MAX_MS = 30_000;

const main = document.getElementById("main");
const banner = document.getElementById("banner");
let current = new AbortController();
let asking = new AbortController();
let isMoved = false;
let turn = 0;

await session.begin();
await enter();
bus.begin();
bus.watchState(onState);
addEventListener("hashchange", () => ((isMoved = true), route()));
document.querySelector(".skip").addEventListener("click", (event) => (event.preventDefault(), main.focus()));
setInterval(() => document.hidden || keepTime(), CLOCK_MS);
route();

/** Find out who this node is; without an answer ask for the secret, or wait for the node. */
async function enter() {
  for (let why = "old"; ; ) {
    const tried = session.held();
    try {
      introduce(await get("/status"), await get("/network"));
      session.share();
      return;
    } catch (error) {
      if (!(error.status >= 0)) throw error;
      if (error.status === 401) {
        if (await session.another(tried)) why = "old";
        else why = await entry(main, tried === null ? "none" : why);
      } else {
        warn(line(error.message, 200));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    }
  }
}

function introduce(status, network) {
  const isReader = !session.hasToken();
  document.documentElement.dataset.reader = isReader ? "yes" : "no";
  show(
    document.getElementById("me"),
    isReader ? h("span", { class: "quiet" }, "read only · ") : null,
    h("a", { href: to("workers", status.peer_id), title: status.peer_id }, name(status.worker_id)),
  );
  show(
    document.getElementById("which"),
    network.public ? "The public network" : ["Network ", h("bdi", {}, line(network.name, 40) || "without a name")],
    ", ",
    id(network.network_id, "network id"),
    `, aimarket ${status.version}`,
  );
}

async function route() {
  const address = location.hash.startsWith("#/") ? location.hash.slice(1) : "/";
  const [where, query] = address.split("?");
  const found = VIEWS.find(([pattern]) => pattern.test(where)) ?? VIEWS[0];
  const [pattern, file, title] = found;
  const parameter = pattern.exec(where)?.[1];
  const own = (turn += 1);
  const view = await codeOf(file).catch(() => UNREADABLE);
  if (own !== turn) return; // somebody has gone on meanwhile
  current.abort();
  const here = (current = new AbortController());
  mark(NAMED[file] ?? (file === "network" ? "" : file));
  const root = h("div", { class: `view view-${file}` });
  show(main);
  main.append(root);
  main.dataset.view = address;
  arrive(root);
  let wanted;
  try {
    wanted = parameter === undefined ? undefined : decodeURIComponent(parameter);
  } catch {
    wanted = parameter;
  }
  view.mount(root, {
    parameter: wanted,
    query: new URLSearchParams(query ?? ""),
    signal: here.signal,
    mayWrite: session.hasToken(),
    setTitle: (words) => (document.title = `${line(words, 60)} · AI Market`),
  });
  document.title = `${title} · AI Market`;
  if (isMoved) {
    main.focus({ preventScroll: true });
    say(title);
  }
}

/** What is shown in a view's stead whose code did not come; a browser never asks for it again. */
const UNREADABLE = {
  mount: (root) =>
    show(
      root,
      h(
        "div",
        { class: "note bad", role: "alert" },
        h("strong", {}, "This part of the page did not come"),
        h("p", {}, "The node did not answer, or had too much to do."),
        h("p", {}, h("button", { type: "button", onclick: () => location.reload() }, "Load the page again")),
      ),
    ),
};

function codeOf(file) {
  return import(`./views/${file}.js`);
}

function mark(where) {
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === `#/${where}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function onState({ name: how, line: words }) {
  document.documentElement.dataset.link = how;
  asking.abort();
  if (how === "opening") return;
  if (how === "live") {
    warn("");
    await greet();
  } else if (how === "lost") warn(`Not connected: ${line(words, 160)}. Trying again; what is shown is as it was.`);
  else {
    asking = new AbortController();
    await askAgain(asking.signal);
  }
}

/** Say whose page this is, and have the node know it again. */
async function greet() {
  try {
    introduce(await get("/status"), await get("/network"));
  } catch (error) {
    if (!(error.status >= 0)) throw error; // it is all asked again when the stream is back
  }
  // All code is here before there is a secret: a program that holds the port later can send none.
  // And who only reads finds every view, however busy the node is by then.
  const all = await Promise.allSettled(VIEWS.map(([, file]) => codeOf(file)));
  if (!session.hasToken()) return;
  if (all.every((one) => one.status === "fulfilled")) await session.remember();
}

/** The node has another secret now: it knows this page again, or the user must say who it is. */
async function askAgain(signal) {
  session.onToken(() => asking.abort(), signal);
  for (let pauseMs = ASK_AGAIN_MIN_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, ASK_AGAIN_MAX_MS)) {
    const found = await session.renew(signal);
    if (signal.aborted) return;
    warn(
      "This node was started anew and has another secret. ",
      h("strong", {}, "Run "),
      h("code", {}, "aimarket open"),
      h("strong", {}, " again"),
      ": this page goes on by itself once any tab has it.",
    );
    if (found === "over") return;
    await pause(pauseMs * (0.75 + Math.random() / 2), signal);
  }
}

function warn(...words) {
  banner.hidden = words.join("") === "";
  show(banner, ...words);
}
