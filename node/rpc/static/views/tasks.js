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
  root.append(section("All tasks", { aside: filters(asked) }, list));
  live(
    list,
    {
      load: () => get(`/tasks?${terms({ ...asked, limit: PAGE })}`, signal),
      render: (page) => rows(page, asked),
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

function filters(asked) {
  const link = (words, more) => {
    const wanted = { ...asked, cursor: "", ...more };
    const isOn = Object.entries(more).every(([key, value]) => asked[key] === value);
    return h("a", { class: "chip", href: here(wanted), "aria-current": isOn ? "true" : null }, words);
  };
  return h(
    "div",
    { class: "chips", role: "group", "aria-label": "Which tasks" },
    link("all", { state: "", mine: "", submitter: "", type: "" }),
    link("mine", { mine: asked.mine ? "" : "true" }),
    STATES.map((state) => link(state, { state })),
    asked.submitter && link(`of ${line(asked.submitter, 20)} ×`, { submitter: "" }),
  );
}

function rows(page, asked) {
  if (page.tasks.length === 0 && !page.next) {
    const isFiltered = ["state", "mine", "submitter", "type", "cursor"].some((key) => asked[key]);
    return isFiltered
      ? empty("No task fits.", h("a", { href: "#/tasks" }, "Show all of them"))
      : empty("No task was asked yet.", "Ask above, or with ", h("code", {}, 'aimarket submit "a lovely film"'), ".");
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
      h("td", {}, task.cancelled && task.state === "open" ? badge("void", "given up by its submitter here") : badge(task.state)),
      h("td", {}, task.answer === null ? h("span", { class: "quiet" }, "–") : answer(task.answer)),
      h("td", { class: "wide" }, line(task.task_type, 30)),
      num(task.seats, "wide"),
      h("td", { class: "wide" }, task.mine ? "this node" : who(task.submitter)),
      h("td", { class: "num" }, when(task.created_ms)),
    ),
  );
  return [
    table("Tasks", columns, found),
    h(
      "p",
      { class: "pages", key: "pages" },
      asked.cursor && h("a", { href: here({ ...asked, cursor: "" }) }, "← newest"),
      page.next && h("a", { href: here({ ...asked, cursor: page.next }) }, "older →"),
    ),
  ];
}
