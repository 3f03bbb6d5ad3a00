// Asks for the secret where a page was opened without it.

import * as session from "../session.js";
import { h, show } from "../dom.js";

/** Show the question; ends once there is a secret, from here or from another tab. */
export function entry(root, wasWrong) {
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
    const enter = (event) => {
      event.preventDefault();
      const found = session.secretIn(field.value);
      if (found) session.use(found);
      else show(problem, "that is neither an address that ends in #token=… nor a secret");
    };
    session.onToken(() => (here.abort(), show(root), resolve()), here.signal);
    show(
      root,
      h(
        "div",
        { class: "entry" },
        h("h1", {}, wasWrong ? "The secret of this page is old" : "This page needs the secret of its node"),
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
    field.focus();
  });
}
