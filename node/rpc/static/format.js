// Numbers, moments and ids as people read them.

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (value) => whole.format(value);

/** "1 task", "2 tasks". */
export const counted = (value, word, words = `${word}s`) =>
  `${count(value)} ${value === 1 ? word : words}`;

/**
 * A share, rounded down as the node rounds: nothing is surer than it is. It comes as millionths, and is
 * made whole first, or 0.29 would be 28 %.
 */
export function percent(share) {
  const ppm = Math.round(1e6 * share);
  return ppm > 0 && ppm < 100_000 ? `${(Math.floor(ppm / 1_000) / 10).toFixed(1)} %` : `${Math.floor(ppm / 10_000)} %`;
}

/** The first digits of an id, as everywhere else in this project. */
export const short = (id) => id.slice(0, 8);

/** A peer id begins alike for everyone: its end tells them apart. */
export const peerEnd = (peerId) => peerId.slice(-6);

/** Seconds as a person would say them. */
export function span(seconds) {
  const s = Math.abs(seconds);
  if (s < 0.001) return "0 s";
  if (s < 1) return `${Math.round(1000 * s)} ms`;
  if (s < 10) return `${number.format(s)} s`;
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** How long ago a moment was, or how far ahead. */
export function ago(ms, nowMs = Date.now()) {
  const seconds = (nowMs - ms) / 1000;
  if (Math.abs(seconds) < 2) return "now";
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(seconds)}`;
}

/** How long after something, by the clocks of two who may not agree. */
export const after = (ms) => (ms >= 0 ? `+${span(ms / 1000)}` : `${span(ms / 1000)} before`);

/** A moment to the second, in the reader's own time zone; null if it is no date. */
export function exact(ms) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return null;
  const pad = (value) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join("-");
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at += 1) value /= 1024;
  return `${number.format(value)} ${units[at]}`;
}

/** Text without what would turn the page around or break the line: shown, not obeyed. */
export const visible = (text) =>
  // eslint-disable-next-line no-control-regex
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "�");

// All that may leave nothing on the screen: white space, and signs without a look of their own.
const BLANK = /^[\p{Default_Ignorable_Code_Point}\p{Z}\u2800\u{1d159}\u{16fe4}\ufff9-\ufffb]*$/u;

/** One line of at most so many characters; empty if nothing of it could be seen. */
export function line(text, most = 120) {
  const flat = visible(text).replace(/\s+/g, " ").trim();
  if (BLANK.test(flat)) return "";
  const signs = [...flat];
  return signs.length > most ? `${signs.slice(0, most - 1).join("")}…` : flat;
}

// Where such a sign gives another look to what stands before it: in emoji and flags, joiners in
// scripts that join, variants of Han and of Mongolian letters.
const FACE = "\\p{Extended_Pictographic}\\p{Emoji_Modifier}?[\\ufe0e\\ufe0f]?";
const JOINING = ["Arabic", "Syriac", "Nko", "Mandaic", "Adlam", "Hanifi_Rohingya", "Mongolian", "Phags_Pa", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Khmer", "Myanmar", "Tibetan"];
const SHAPED = [
  "\\u{1f3f4}[\\u{e0061}-\\u{e007a}]{5}\\u{e007f}",
  `${FACE}(?:\\u200d${FACE})*`,
  "[0-9#*]\\ufe0f\\u20e3",
  `(?=[\\p{L}\\p{M}])[${JOINING.map((one) => `\\p{Script=${one}}`).join("")}][\\u200c\\u200d]`,
  "\\p{Script=Han}[\\ufe00-\\ufe02\\u{e0100}-\\u{e01ef}]",
  "[\\u1820-\\u18aa][\\u180b-\\u180f]",
];
const UNSEEN = new RegExp(`(${SHAPED.join("|")})|[\\p{Default_Ignorable_Code_Point}\\u2800]`, "gu");

/** A nickname on one line, with a mark for each sign that would make it look like another's. */
export const nickname = (text, most = 40) =>
  line(text) === "" ? "(no name)" : line(text.replace(UNSEEN, (_, shaped) => shaped ?? "�"), most);

const STATES = {
  open: "open",
  seated: "seated",
  final: "final",
  split: "split",
  void: "void",
};
const STATE_HINTS = {
  open: "workers seal their answers",
  seated: "a jury is signed, its answers are being opened",
  final: "enough jurors agree",
  split: "no answer reached the quorum",
  void: "its submitter signed two juries",
};

export const stateWord = (state) => STATES[state] ?? state;
export const stateHint = (state) => STATE_HINTS[state] ?? "";
