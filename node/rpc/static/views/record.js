// One record: who signed it, and what it says.

import { live } from "../live.js";
import { get, path } from "../api.js";
import { h } from "../dom.js";
import { bytes, line } from "../format.js";
import { fact, facts, id, section, sentences, to, when, who } from "../parts.js";

export function mount(root, { parameter, signal, setTitle }) {
  setTitle("Record");
  live(root, { load: async () => (await get(path("explain", parameter), signal)).record, render }, signal);
}

function render(record) {
  if (!record) return h("p", { class: "note warn" }, "That is no record.");
  return [
    h("h1", {}, "Record"),
    facts(
      fact("Id", id(record.record_id, "record id")),
      fact("Author", who(record.author)),
      fact("Written", when(record.created_ms), "by its author's clock"),
      fact("Size", bytes(record.size_bytes)),
    ),
    section(
      "What it says",
      {},
      h(
        "ol",
        { class: "records" },
        record.statements.map((one) =>
          h(
            "li",
            {},
            h("span", { class: "kind" }, one.kind),
            h("span", { dir: "auto" }, line(one.text, 400)),
            one.task_id && (one.known ? h("a", { href: to("tasks", one.task_id) }, h("code", {}, one.task_id.slice(0, 8))) : h("code", {}, one.task_id.slice(0, 8))),
          ),
        ),
      ),
    ),
    section("Where it is", {}, sentences(record.because)),
  ];
}
