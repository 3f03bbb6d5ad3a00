// Asks for the secret where a page was opened without it.

import * as session from "../session.js";
import { h, show } from "../dom.js";

/**
 * Show the question; ends once there is a secret.
 *
 * @param why "none", "old", or "wrong" where what was given here is not the node's.
 * @returns What to ask with if that secret is refused: "wrong" of one given here, "old" of another tab's.
 */
export function entry(root, why) {
  return new Promise((resolve) => {
    const here = new AbortController();
    const field = h("input", {
      id: "secret",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": "secret-hint",
    });
    const problem = h("p", { class: "problem", role: "alert" });
    let then = "old";
    const enter = (event) => {
      event.preventDefault();
      const found = session.secretIn(field.value);
      if (found) {
        then = "wrong";
        session.attempt(found);
      } else show(problem, "that is neither an address that ends in #token=… nor a secret");
    };
    session.onToken(() => (here.abort(), show(root), resolve(then)), here.signal);
    show(
      root,
      h(
        "div",
        { class: "entry" },
        h("h1", {}, why === "old" ? "The secret of this page is old" : "This page needs the secret of its node"),
        h("p", {}, "Run this on the machine of the node and paste what it prints:"),
        h("pre", {}, h("code", {}, "aimarket open --print")),
        h(
          "form",
          { onsubmit: enter },
          h("label", { for: "secret" }, "Address or secret"),
          field,
          h("p", { id: "secret-hint", class: "hint" }, "It stays in this tab, and is gone with it."),
          problem,
          h("button", { class: "primary" }, "Open"),
        ),
      ),
    );
    if (why === "wrong") show(problem, "that secret is not this node's: it is mistyped, or of another run");
    field.focus();
  });
}
