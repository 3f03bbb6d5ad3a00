// Checks a certificate that somebody gave us: drop the file, see what it proves and what not.

import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { bytes, count, counted, line, nickname } from "../format.js";
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
          refuse("That is no file: drop a certificate, as a task's page gives it.");
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

  const refuse = (words) => show(result, h("p", { class: "note bad", role: "alert" }, words));

  async function check(file) {
    const own = begin();
    input.value = "";
    if (file.size > BYTES_MAX) {
      refuse(`${line(file.name, 60)} has ${count(file.size)} bytes; a certificate has at most ${count(BYTES_MAX)}.`);
      return;
    }
    show(result, h("p", { class: "quiet" }, `Checking ${line(file.name, 60)}, ${bytes(file.size)} …`));
    const content = await file.arrayBuffer().catch(() => null); // as it is: as text it might grow
    if (own.aborted) return;
    if (content === null) {
      refuse(`${line(file.name, 60)} cannot be read; is it a folder?`);
      return;
    }
    try {
      const network = get("/network", own).catch(() => null); // whose it is matters less than what it proves
      const [proof, here] = await Promise.all([prove(content, own), network]);
      if (own.aborted) return;
      show(result, told(proof, file, here?.network_id));
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
async function prove(content, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await post("/certificates/verify", content, signal);
    } catch (error) {
      if (error.code !== "busy" || tries === BUSY_TRIES) throw error;
      await pause(BUSY_PAUSE_MS, signal);
    }
  }
}

function told(proof, file, here) {
  const answer = proof.answer === null ? null : typeof proof.answer === "string" ? proof.answer : proof.answer.hex;
  const other = () => h("span", { class: "tone warn" }, "another network than this node's");
  const whose = here === undefined ? null : proof.network_id === here ? "this node's network" : other();
  return h(
    "article",
    { class: "proof", key: proof.task_id + file.lastModified },
    h("p", { class: "verdict is-final" }, badge(proof.state), answer !== null && h("strong", {}, answerOf(answer, { whole: true })), h("span", { class: "quiet" }, `${line(file.name, 60)} is good`)),
    quote(typeof proof.text === "string" ? proof.text : null, "asked"),
    facts(
      fact("Task", id(proof.task_id, "task id")),
      fact("Seats", String(proof.seats), proof.single_seat ? "nobody checked it" : ""),
      fact("Records", counted(proof.records, "record"), "each with a good signature"),
      fact("Network", networkOf(proof), [id(proof.network_id, "network id"), " ", whose]),
    ),
    section("It proves", {}, sentences(proof.proves, "proves")),
    section("It does not prove", {}, sentences(proof.does_not_prove, "proves-not")),
  );
}

/** A private network calls itself whatever it likes, be it "public". */
const networkOf = (proof) => (proof.is_public_network ? "the public network" : ["private: ", h("bdi", {}, nickname(proof.network_name, 30))]);
