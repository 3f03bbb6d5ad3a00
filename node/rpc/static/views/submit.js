// The box that asks the market: a text, what kind of question, how many jurors.

import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { counted, line } from "../format.js";
import { say, to } from "../parts.js";

const SEATS = [1, 3, 5, 7];
const HINTS = {
  sentiment: "One or more sentences; the answer is positive or negative.",
  echo: "Any text; the answer is the text. Good for trying things out.",
  "text-classification": "A text; the answer is the model's label.",
  "token-classification": "A text; the answer names the entities in it.",
  "zero-shot-classification": "A JSON document with a text and the labels to choose from.",
};
const TEXT_BYTES_MAX = 16 * 1024;
const UNSURE = ". It may have been asked all the same: Ask again sends the same task, not a second.";
const LOADING = "The model that runs it is loading: ask in a moment.";
const LIGHT = "This node runs nothing, so it cannot ask either: open the page of another one.";

/** Make the box. It stays as it is while the page around it is renewed. */
export function submitBox(signal) {
  const text = h("textarea", {
    id: "ask-text",
    rows: 3,
    placeholder: "I absolutely love how this works!",
    "aria-describedby": "ask-hint",
    onkeydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    },
    oninput: () => show(problem),
  });
  const type = h("select", { id: "ask-type", onchange: () => ((wanted = type.value), hint()) });
  const seats = h(
    "select",
    { id: "ask-seats", onchange: () => hint() },
    SEATS.map((one) => h("option", { value: one, selected: one === 3 }, one === 1 ? "1 (nobody checks it)" : String(one))),
  );
  const button = h("button", { class: "primary", type: "submit" }, "Ask");
  const problem = h("p", { class: "problem", role: "alert" });
  const advice = h("p", { class: "hint", id: "ask-hint" });
  const form = h(
    "form",
    { class: "ask", "aria-label": "Ask the market", onsubmit: send },
    h("label", { for: "ask-text" }, "Ask the market"),
    text,
    h(
      "div",
      { class: "ask-row" },
      h("label", {}, "Type ", type),
      h("label", {}, "Seats ", seats),
      button,
    ),
    advice,
    problem,
  );
  let capable = {};
  let absent = LOADING; // why a type cannot be asked for
  let wanted = ""; // the type that was chosen: it stays while the model that runs it is loaded anew
  let isSending = false;
  let asking = null; // what was sent and is not known to be taken in, with its request id

  const isLoading = () => !Object.hasOwn(capable, wanted);

  function hint() {
    button.disabled = isSending || isLoading();
    const others = capable[wanted] ?? 0;
    const most = Number(seats.value);
    const quorum = Math.floor(most / 2) + 1;
    show(
      advice,
      HINTS[wanted] ?? "",
      " ",
      isLoading()
        ? absent
        : others >= most
          ? `${counted(others, "other node")} can run it.`
          : others >= quorum
            ? `Only ${counted(others, "other node")} can run it: enough for a verdict (${quorum}), not for every seat.`
            : `Only ${counted(others, "other node")} can run it; a verdict needs ${quorum}. It will wait for more.`,
    );
  }

  async function renew() {
    try {
      const status = await get("/status", signal);
      capable = status.capable;
      absent = status.model === "off" ? LIGHT : LOADING;
      offer(Object.keys(capable).sort());
      hint();
    } catch (error) {
      if (!signal.aborted && !(error.status >= 0)) throw error;
    }
  }

  /** Offer these types and the one that was chosen; while there are none, those there were. */
  function offer(types) {
    if (types.length === 0) return;
    wanted ||= types.includes("sentiment") ? "sentiment" : types[0];
    const all = types.includes(wanted) ? types : [...types, wanted].sort();
    if (all.join() === [...type.options].map((one) => one.value).join()) return;
    type.replaceChildren(...all.map((one) => h("option", { value: one, selected: one === wanted }, one)));
  }

  async function send(event) {
    event.preventDefault();
    const size = new TextEncoder().encode(text.value).length;
    if (isSending) return; // Ctrl+Enter does not ask the button
    if (isLoading()) return refuse(absent);
    if (!text.value.trim()) return refuse("there is nothing to ask yet: write a text first");
    if (size > TEXT_BYTES_MAX) return refuse(`the text has ${size} bytes, at most ${TEXT_BYTES_MAX} fit`);
    isSending = button.disabled = true;
    try {
      const { task_id: taskId } = await post("/tasks", named({ text: text.value, type: wanted, seats: Number(seats.value) }));
      asking = null;
      text.value = "";
      say("Asked");
      if (!signal.aborted) location.hash = to("tasks", taskId); // whoever went elsewhere stays there
    } catch (error) {
      if (!(error.status >= 0)) throw error;
      refuse(line(error.message, 300) + (error.code === "silent" && asking.id ? UNSURE : ""));
    } finally {
      isSending = false;
      hint();
    }
  }

  /** Give a question a request id, the same until it is answered: the node may have heard it though nobody was told so. */
  function named(question) {
    const same = JSON.stringify(question);
    if (asking?.same !== same) asking = { same, id: crypto.randomUUID?.() };
    return { ...question, request_id: asking.id };
  }

  function refuse(words) {
    show(problem, words);
    text.focus();
  }

  renew();
  const beat = setInterval(() => document.hidden || renew(), 5_000);
  signal.addEventListener("abort", () => clearInterval(beat), { once: true });
  return form;
}
