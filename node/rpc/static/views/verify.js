// Checks a certificate that somebody gave us: drop the file, see what it proves and what not.

import { post } from "../api.js";
import { h, show } from "../dom.js";
import { bytes, counted, line } from "../format.js";
import { answer as answerOf, badge, failure, fact, facts, id, quote, say, section, sentences } from "../parts.js";
import { pause } from "../stream.js";

const BYTES_MAX = 32 * 1024 * 1024;
const BUSY_TRIES = 8; // the largest takes the node a second, and it ends none before its time
const BUSY_PAUSE_MS = 400;

export function mount(root, { signal, mayWrite, setTitle }) {
  setTitle("Verify");
  const result = h("div", { "aria-live": "polite" });
  let current = new AbortController(); // of the file that was given last: nobody waits for one before
  signal.addEventListener("abort", () => current.abort(), { once: true });
  root.append(
    h("h1", {}, "Verify a certificate"),
    h("p", { class: "lead" }, "A certificate holds the signed records of one task. What it claims is worked out again from them, so it does not matter who gave it to you."),
  );
  if (!mayWrite) {
    root.append(h("p", { class: "note" }, "This screen only shows. Check a certificate with ", h("code", {}, "aimarket verify FILE"), "; it needs no node."));
    return;
  }
  const input = h("input", { type: "file", id: "file", accept: ".json,application/json", class: "unseen", onchange: () => input.files[0] && check(input.files[0]) });
  const zone = h(
    "div",
    {
      class: "drop",
      ondragover: (event) => (event.preventDefault(), zone.classList.add("over")),
      ondragleave: () => zone.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        zone.classList.remove("over");
        const file = event.dataTransfer.files[0];
        if (file) check(file);
        else {
          begin();
          show(result, h("p", { class: "note bad", role: "alert" }, "That is no file: drop a certificate, as a task's page gives it."));
        }
      },
    },
    h("p", { class: "strong" }, "Drop a certificate here"),
    h("p", {}, "or"),
    h("label", { for: "file", class: "button" }, "Choose a file"),
    input,
  );
  root.append(zone, result);
  // A file dropped beside the zone would have the browser leave this page for it.
  for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault(), { signal });

  /** Have what was given before end, for its answer would take the place of the next one's. */
  function begin() {
    current.abort();
    current = new AbortController();
    return current.signal;
  }

  async function check(file) {
    const own = begin();
    input.value = "";
    if (file.size > BYTES_MAX) {
      show(result, h("p", { class: "note bad", role: "alert" }, `${line(file.name, 60)} has ${bytes(file.size)}; a certificate has at most ${bytes(BYTES_MAX)}.`));
      return;
    }
    show(result, h("p", { class: "quiet" }, `Checking ${line(file.name, 60)}, ${bytes(file.size)} …`));
    try {
      const proof = await prove(await file.text(), own);
      if (own.aborted) return;
      show(result, told(proof, file));
      say("The certificate is good");
    } catch (error) {
      if (own.aborted) return;
      if (!(error.status >= 0)) throw error;
      const words = error.code === "not_proven" ? "It does not prove what it claims" : "It could not be checked";
      show(result, h("div", { class: "note bad", role: "alert" }, h("strong", {}, words), h("p", {}, line(error.message, 300))), error.status >= 500 || error.status === 0 ? failure(error) : null);
    }
  }
}

/** Have the node check it. It takes one at a time, and may be at one that nobody waits for any more. */
async function prove(text, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await post("/certificates/verify", text, signal);
    } catch (error) {
      if (error.code !== "busy" || tries === BUSY_TRIES) throw error;
      await pause(BUSY_PAUSE_MS, signal);
    }
  }
}

function told(proof, file) {
  const answer = proof.answer === null ? null : typeof proof.answer === "string" ? proof.answer : proof.answer.hex;
  return h(
    "article",
    { class: "proof", key: proof.task_id + file.lastModified },
    h("p", { class: "verdict is-final" }, badge(proof.state), answer !== null && h("strong", {}, answerOf(answer)), h("span", { class: "quiet" }, `${line(file.name, 60)} is good`)),
    quote(typeof proof.text === "string" ? proof.text : null, "asked"),
    facts(
      fact("Task", id(proof.task_id, "task id")),
      fact("Seats", String(proof.seats), proof.single_seat ? "nobody checked it" : ""),
      fact("Records", counted(proof.records, "record"), "each with a good signature"),
      fact("Network", proof.is_public_network ? "public" : line(proof.network_name, 30) || "private", id(proof.network_id, "network id")),
    ),
    section("It proves", {}, sentences(proof.proves, "proves")),
    section("It does not prove", {}, sentences(proof.does_not_prove, "proves-not")),
  );
}
