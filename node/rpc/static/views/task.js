// The life of one task, as it happens: asked, sealed, seated, opened, judged; and why.

import { live } from "../live.js";
import { get, getBlob, path, post } from "../api.js";
import { h, show } from "../dom.js";
import { after, counted, line, short, span } from "../format.js";
import { answer, answerWords, badge, failure, id, name, quote, say, section, to, when, who } from "../parts.js";
import { openersOf, runners, seatTiles } from "./seats.js";
import { givenUpBadge, isForNothing, isGivenUp, stateBadge } from "./tasks.js";
import { why } from "./why.js";

const AT_WORK_MS = 1_000; // while it is under way, waits count down
const ALONE = "one worker alone answered: nobody checked it";

export function mount(root, { parameter, signal, mayWrite, setTitle }) {
  const problem = h("p", { class: "problem", role: "alert" });
  const body = h("div", {});
  root.append(body, problem);
  const seen = { standBys: new Map(), words: "" };
  const view = live(
    body,
    {
      load: () => load(parameter, signal),
      render: (found) => {
        remember(seen, found);
        body.dataset.chain = [found.task.task_id, ...found.task.attempts.map((one) => one.task_id)].join(" ");
        setTitle(found.task.text === null ? short(found.task.task_id) : line(found.task.text, 40));
        return page(found, seen, { mayWrite, problem, reload: () => view.reload() });
      },
      types: ["task", "commit", "jury", "reveal", "verdict", "cancel"],
      wants: (event) => isOfChain(event, body),
      every: 15_000,
    },
    signal,
  );
  const beat = setInterval(() => document.hidden || countDown(body), AT_WORK_MS);
  signal.addEventListener("abort", () => clearInterval(beat), { once: true });
}

async function load(parameter, signal) {
  const task = await get(path("tasks", parameter), signal);
  const { task: reasons } = await get(path("explain", task.task_id), signal);
  return { task, reasons, at: performance.now() };
}

/** Whether an event is about this task, another attempt at it, or one that begins now. */
function isOfChain(event, body) {
  const chain = body.dataset.chain;
  return !chain || chain.includes(event.task_id) || (event.retry_of && chain.includes(event.retry_of));
}

/** Keep who was a stand-by while this page was open, and tell what changed to those who listen. */
function remember(seen, { task, reasons }) {
  for (const step of reasons.next) if (step.kind === "stand_by") for (const one of step.workers) seen.standBys.set(one.peer_id, one);
  const words = inWords(task);
  if (seen.words && seen.words !== words) say(words);
  seen.words = words;
}

/** What has become of a task, all attempts at it taken together. */
function inWords(task) {
  const other = findOther(task);
  const what = other ? `Try ${other.attempt + 1}` : "The task";
  const { state } = other ?? task;
  if (state === "final") return `${what} is final: ${answerWords(task.answer ?? "", 60)}`;
  return `${what} is ${(other ? isAttemptGivenUp(task, other) : isGivenUp(task)) ? "given up" : state}`;
}

/** The attempt whose answer counts, or else the last one; null if it is the one the page is of. */
function findOther(task) {
  const one = task.attempts.findLast(({ state }) => state === "final") ?? task.attempts.at(-1);
  return one === undefined || one.task_id === task.task_id ? null : one;
}

/** Nothing is expected of a chain whose last attempt is open: it was given up. */
const isAttemptGivenUp = (task, one) => task.settled && task.chain_state === "open" && one === task.attempts.at(-1);

function attemptBadge(task, one) {
  if (one.task_id === task.task_id) return stateBadge(task);
  return isAttemptGivenUp(task, one) ? givenUpBadge() : badge(one.state);
}

function page(found, seen, doing) {
  const { task, reasons } = found;
  const isLast = task.attempts.at(-1)?.task_id === task.task_id;
  return [
    h(
      "header",
      { class: "task-head", key: "head" },
      h("p", { class: "crumbs" }, h("a", { href: "#/tasks" }, "Tasks"), " / ", id(task.task_id, "task id")),
      h("h1", { class: "unseen" }, `Task ${short(task.task_id)}`),
      quote(task.text, "asked"),
      h(
        "p",
        { class: "quiet" },
        "asked by ",
        who(task.submitter),
        task.mine && " (this node)",
        " ",
        when(task.created_ms),
        ", ",
        name(task.task_type),
        `, ${counted(task.seats, "seat")}`,
        task.attempt > 0 && `, try ${task.attempt + 1}`,
      ),
      outcome(task, reasons),
    ),
    stages(task, reasons),
    section(
      task.state === "void" ? "Who sealed an answer" : "Seats",
      { key: "seats", hint: seatHint(task) },
      seatTiles(task, reasons, seen.standBys),
    ),
    runners(task, reasons, seen.standBys),
    next(task, reasons, found.at, isLast),
    task.attempts.length > 1 && attempts(task),
    why(reasons),
    doings(task, doing),
  ];
}

/** What came of it; where another attempt has the answer, or goes on, that comes first. */
function outcome(task, reasons) {
  const other = findOther(task);
  const isFinal = (other ?? task).state === "final";
  const main = (...children) => h("p", { class: `verdict ${isFinal ? "is-final" : ""}`, key: "verdict" }, children);
  if (other === null) return main(ownOutcome(task, reasons));
  return [
    main(
      h("span", {}, h("a", { href: to("tasks", other.task_id) }, `try ${other.attempt + 1}`), " is ", attemptBadge(task, other), isFinal && ":"),
      isFinal && task.answer !== null && said(task.answer),
      isFinal && task.unreplicated && h("span", { class: "quiet" }, ALONE), // told of the chain, not of this attempt
    ),
    h("p", { class: "quiet", key: "own" }, `This is try ${task.attempt + 1}: `, ownOutcome(task, reasons).map((one) => [one, " "])),
  ];
}

const said = (text) => h("strong", { dir: "auto" }, answer(text, { whole: true }));

function ownOutcome(task, reasons) {
  if (task.state !== "final") return [stateBadge(task), h("span", {}, line(whyUndecided(task, reasons), 200))];
  const agreed = `${reasons.most} of ${counted(task.seats, "seat")} agree; ${task.quorum} had to`;
  return [badge("final"), reasons.answer !== null && said(reasons.answer), h("span", { class: "quiet" }, reasons.jurors.length === 1 ? ALONE : agreed)];
}

function whyUndecided(task, reasons) {
  if (isGivenUp(task)) return "this node does nothing more for it";
  const decisive = reasons.because.find((one) => one.endsWith(`: ${reasons.state}`)) ?? reasons.because.at(-1);
  return task.state !== "void" && task.waiting ? `waits for ${task.waiting}` : decisive;
}

const ENDS = { void: "Void", split: "Split" };

/** The five steps of a life, each with the moment it was reached as far as records tell. */
function stages(task, reasons) {
  const moment = (kind) => {
    const all = reasons.records.filter((one) => one.kind === kind && one.created_ms !== null).map((one) => one.created_ms);
    return all.length ? all : null;
  };
  const seals = moment("commit");
  const opens = moment("reveal");
  const jury = moment("jury");
  const isSeated = reasons.jury_sizes.length > 0;
  const jurors = reasons.jurors.length; // none where it is void
  const opened = jurors ? reasons.jurors.filter((one) => one.answer !== null).length : openersOf(reasons).size;
  const list = [
    ["Asked", true, task.created_ms],
    ["Sealed", task.committed.length > 0 || isSeated, seals && Math.min(...seals), `${task.committed.length}`],
    ["Jury signed", isSeated, jury && Math.min(...jury), reasons.jury_sizes.join(" and ")],
    ["Opened", opened > 0, opens && Math.max(...opens), jurors ? `${opened} of ${jurors}` : opened > 0 && `${opened}`],
    [ENDS[task.state] ?? (isGivenUp(task) ? "Given up" : "Verdict"), isGivenUp(task) || ["final", "split", "void"].includes(task.state), null, ""],
  ];
  const from = task.created_ms;
  return h(
    "ol",
    { class: "stages", key: "stages", "aria-label": "How far it is" },
    list.map(([words, isDone, at, more], index) => {
      const isNow = !isDone && !isForNothing(task) && (index === 0 || list[index - 1][1]);
      return h(
        "li",
        { key: words, class: isDone ? "done" : isNow ? "now" : "", "aria-current": isNow ? "step" : null },
        h("span", {}, words, more && h("small", {}, ` ${more}`), isDone && h("span", { class: "unseen" }, ", done")),
        h("small", { class: "num" }, isDone && at !== null && index > 0 ? after(at - from) : "\u00a0"),
      );
    }),
  );
}

function seatHint(task) {
  if (task.state === "void") return "A void task seats nobody: of what was sealed or opened, nothing counts.";
  if (isGivenUp(task)) return "It was given up before a jury was signed: nobody opens what was sealed.";
  if (task.jurors.length) return "Who was seated, what each opened, and what it earned.";
  return `Answers are sealed first. Nobody, this node included, can read them before the jury is signed; ${task.quorum} of ${task.seats} must then agree.`;
}

/** What comes next, and when. */
function next(task, reasons, at, isLast) {
  const isOver = task.settled && findOther(task) !== null; // no attempt at it goes on
  const steps = reasons.next.filter(({ kind }) => !(isOver && kind === "retry"));
  if (steps.length === 0 || isGivenUp(task)) return null; // its outcome says that nothing does
  return section(
    isLast ? "What happens next" : "What happened to it",
    { key: "next" },
    h(
      "ul",
      { class: "next" },
      steps.map((step, index) =>
        h(
          "li",
          { key: `${index}${step.kind ?? ""}` },
          step.in_s !== null && step.in_s > 0 && h("span", { class: "num due", "data-due": at + 1000 * step.in_s }, `in ${span(step.in_s)}`),
          h("span", { dir: "auto" }, line(step.text, 400)),
        ),
      ),
    ),
  );
}

function countDown(root) {
  const now = performance.now();
  for (const one of root.querySelectorAll("[data-due]")) {
    const left = (Number(one.dataset.due) - now) / 1000;
    one.textContent = left > 0 ? `in ${span(Math.ceil(left))}` : "any moment";
  }
}

function attempts(task) {
  return section(
    "Attempts",
    { key: "attempts", hint: "A task that comes to nothing is asked again, of more or of others." },
    h(
      "ol",
      { class: "chain" },
      task.attempts.map((one) =>
        h(
          "li",
          { key: one.task_id, "aria-current": one.task_id === task.task_id ? "true" : null },
          h("a", { href: to("tasks", one.task_id) }, `try ${one.attempt + 1}`, h("code", {}, short(one.task_id))),
          attemptBadge(task, one),
          h("small", {}, counted(one.seats, "seat")),
        ),
      ),
    ),
  );
}

function doings(task, { mayWrite, problem, reload }) {
  const attempt = async (work) => {
    show(problem);
    try {
      await work();
    } catch (error) {
      if (!(error.status >= 0)) throw error;
      show(problem, failure(error));
    }
  };
  const certificate = async () => save(await getBlob(path("tasks", task.task_id, "certificate")), `aimarket-${short(task.task_id)}.json`);
  const cancel = async () => {
    await post(path("tasks", task.task_id, "cancel"), {});
    reload();
  };
  return section(
    "Proof",
    { key: "proof", hint: "The signed records this rests on, in one file. Anyone can check it, without this node." },
    h(
      "div",
      { class: "doings" },
      h("button", { type: "button", class: "primary", onclick: () => attempt(certificate) }, "Download the certificate"),
      h("span", { class: "quiet" }, "then ", h("code", {}, `aimarket verify aimarket-${short(task.task_id)}.json`), mayWrite ? [" or drop it ", h("a", { href: "#/verify" }, "here")] : ""),
      mayWrite && task.mine && !task.settled && !task.cancelled && h("button", { type: "button", onclick: () => attempt(cancel) }, "Give it up"),
    ),
  );
}

function save(blob, filename) {
  const address = URL.createObjectURL(blob);
  const link = h("a", { href: address, download: filename });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
