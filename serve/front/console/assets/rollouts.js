// The last attempts to make a release live: how each ended and why, and where its time went.

import { copyable, fill, h, moment, reason, state } from "./dom.js";
import { many, seconds, short } from "./words.js";

const ENDS = {
  live: ["good", "went live"],
  running: ["busy", "running"],
  superseded: ["idle", "superseded"],
  fell_back: ["bad", "fell back"],
};
const SHOWN = 10;

/** Show them, the newest first. */
export function showRollouts(rollouts, refusal) {
  const attempts = [...(rollouts?.attempts ?? [])].reverse();
  const target = document.getElementById("attempts");
  fill(target, "parts", () => [h("div"), h("div")]);
  const [newest, older] = target.children; // apart, so that what goes on closes nothing that is open
  const shown = { attempts: attempts.slice(0, SHOWN), doing: rollouts?.doing ?? null, refusal };
  fill(newest, shown, (data) => {
    if (data.refusal) return h("p", { class: "empty" }, data.refusal);
    if (data.attempts.length === 0) return h("p", { class: "empty" }, "None yet.");
    return h(
      "ol",
      { class: "attempts" },
      data.attempts.map((one) => attempt(one, data.doing)),
    );
  });
  fill(older, refusal ? [] : attempts.slice(SHOWN), (data) =>
    data.length
      ? h(
          "details",
          { class: "older" },
          h("summary", {}, many(data.length, "older one")),
          h(
            "ol",
            { class: "attempts" },
            data.map((one) => attempt(one, null)),
          ),
        )
      : null,
  );
}

function attempt(one, doing) {
  const [kind, word] = ENDS[one.outcome] ?? ["bad", one.outcome];
  return h(
    "li",
    { class: `attempt ${kind}` },
    h(
      "p",
      { class: "what" },
      state(kind, word),
      one.revision
        ? copyable(one.revision, short(one.revision), "revision")
        : h("span", { class: "aside" }, "in no commit"),
      h("span", { class: "aside" }, moment(one.began), one.tries > 1 ? `, try ${one.tries}` : ""),
      h(
        "span",
        { class: "aside end" },
        one.steps.length ? seconds(one.steps.reduce((sum, step) => sum + step.seconds, 0)) : "",
      ),
    ),
    one.reason ? reason(one.reason) : null,
    one.outcome === "running" && doing
      ? h("p", { class: "aside" }, `${doing.told}${doing.progress ? `: ${doing.progress}` : ""} …`)
      : null,
    steps(one.steps),
  );
}

function steps(taken) {
  const all = taken.filter((one) => one.seconds >= 0.001);
  if (all.length === 0) return null;
  const longest = Math.max(...all.map((one) => one.seconds));
  return h(
    "ul",
    { class: "steps" },
    all.map(({ step: name, seconds: took }) =>
      h(
        "li",
        {},
        h("span", {}, name),
        h("meter", { min: "0", max: String(longest), value: String(took), "aria-label": name }),
        h("span", { class: "took" }, seconds(took)),
      ),
    ),
  );
}
