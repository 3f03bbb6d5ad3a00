// All tasks, the newest first, by page and filter; and the box that asks.

import { live } from "../live.js";
import { get } from "../api.js";
import { h } from "../dom.js";
import { line } from "../format.js";
import { answer, badge, empty, num, section, table, to, when, who } from "../parts.js";
import { submitBox } from "./submit.js";

const PAGE = 30;
const STATES = ["open", "seated", "final", "split", "void"];

export function mount(root, { signal, query, mayWrite, setTitle }) {
  setTitle("Tasks");
  const asked = Object.fromEntries(["state", "mine", "submitter", "type", "cursor"].map((key) => [key, query.get(key) ?? ""]));
  const list = h("div", {});
  root.append(h("h1", {}, "Tasks"));
  if (mayWrite) root.append(submitBox(signal));
  root.append(section("All tasks", { aside: filters(asked, mayWrite) }, list));
  live(
    list,
    {
      load: () => get(`/tasks?${terms({ ...asked, limit: PAGE })}`, signal),
      render: (page) => rows(page, asked, mayWrite),
      types: asked.cursor ? [] : ["task", "verdict", "jury", "cancel"],
    },
    signal,
  );
}

function terms(asked) {
  const kept = Object.entries(asked).filter(([, value]) => value !== "" && value !== false);
  return new URLSearchParams(kept).toString();
}

const here = (asked) => `#/tasks?${terms(asked)}`;

/** Answer whether a task was given up while it was open: nobody will seat it. */
export const isGivenUp = (task) => task.cancelled && task.state === "open";

/** Answer whether no verdict can come of a task, whatever is opened. */
export const isForNothing = (task) => task.state === "void" || isGivenUp(task);

export const givenUpBadge = () => badge("cancelled", "given up by its submitter here", "given up");

/** The badge of a task, of one that was given up, too. */
export const stateBadge = (task) => (isGivenUp(task) ? givenUpBadge() : badge(task.state));

function filters(asked, mayWrite) {
  const none = { state: "", mine: "", submitter: "", type: "" };
  const link = (words, isOn, more) =>
    h("a", { class: "chip", href: here({ ...asked, cursor: "", ...more }), "aria-current": isOn ? "true" : null }, words);
  return h(
    "div",
    { class: "chips", role: "group", "aria-label": "Which tasks" },
    link("all", Object.keys(none).every((key) => !asked[key]), none),
    (mayWrite || asked.mine) && link("mine", asked.mine, { mine: asked.mine ? "" : "true" }),
    STATES.map((state) => link(state, asked.state === state, { state })),
    asked.submitter && link(`of ${line(asked.submitter, 20)} ×`, true, { submitter: "" }),
  );
}

function rows(page, asked, mayWrite) {
  if (page.tasks.length === 0 && !page.next) {
    const isFiltered = ["state", "mine", "submitter", "type", "cursor"].some((key) => asked[key]);
    return isFiltered
      ? empty("No task fits.", h("a", { href: "#/tasks" }, "Show all of them"))
      : empty("No task was asked yet.", mayWrite ? "Ask above, or with " : "Whoever runs a node asks with ", h("code", {}, 'aimarket submit "a lovely film"'), ".");
  }
  if (page.tasks.length === 0) {
    const which = asked.cursor ? "None of the older tasks looked through fits." : "None of the newest tasks fits.";
    return [empty(which, "A node looks through so many at a time; there are older ones."), pages(page, asked)];
  }
  const columns = [["Task"], ["State"], ["Answer"], ["Type", "wide"], ["Seats", "num wide"], ["Asked by", "wide"], ["Asked", "num"]];
  const found = page.tasks.map((task) =>
    h(
      "tr",
      { key: task.task_id, class: "fresh" },
      h(
        "th",
        { scope: "row", class: "task-cell" },
        h("a", { href: to("tasks", task.task_id), title: task.task_id }, h("bdi", {}, task.text === null ? "(bytes that are no text)" : line(task.text, 90) || "(white space)")),
        task.attempt > 0 && h("small", {}, ` try ${task.attempt + 1}`),
      ),
      h("td", {}, stateBadge(task)),
      h("td", {}, task.answer === null ? h("span", { class: "quiet" }, "–") : answer(task.answer)),
      h("td", { class: "wide" }, line(task.task_type, 30)),
      num(task.seats, "wide"),
      h("td", { class: "wide" }, task.mine ? "this node" : who(task.submitter)),
      h("td", { class: "num" }, when(task.created_ms)),
    ),
  );
  return [table("Tasks", columns, found), pages(page, asked)];
}

const pages = (page, asked) =>
  h(
    "p",
    { class: "pages", key: "pages" },
    asked.cursor && h("a", { href: here({ ...asked, cursor: "" }) }, "← newest"),
    page.next && h("a", { href: here({ ...asked, cursor: page.next }) }, "older →"),
  );
