// The releases that git knows, the newest first: who pinned what, how its metrics differ from those before, which is live,
// and the command that makes it so. What changed in packages and signature is asked for when a line is opened.

import { ask } from "./api.js";
import { command, copyable, fill, h, moment, state } from "./dom.js";
import { many, metric, short } from "./words.js";
import { checkout, pin, same } from "./verdict.js";

const SHOWN = 20;
const LOWER = /loss|error|mae|mse|rmse|log_loss|brier/i; // names of metrics of which less is better
const details = new Map(); // what changed, by revision: it never does
const open = new Set();

/** Show the releases; `refusal` says why they can't be told. */
export function showHistory(history, models, refusal) {
  const target = document.getElementById("releases");
  const { releases: known = null, more = false } = history ?? {};
  const data = { history: known, more, live: models?.live ?? null, desired: models?.desired ?? null, refusal };
  fill(target, data, releases);
}

function releases({ history, more, live, desired, refusal }) {
  if (refusal) return h("p", { class: "empty" }, refusal);
  if (!history) return h("p", { class: "empty" }, "Asking git …");
  if (history.length === 0)
    return h(
      "p",
      { class: "empty" },
      "No commit has changed models.dvc yet. A promotion makes one: ",
      h("code", {}, "promote --best val_accuracy --experiment …"),
    );
  const at = history.findIndex((one) => same(pin(one), live));
  const asked = history.findIndex((one) => same(pin(one), desired));
  const lines = history.map((one, place) =>
    release(one, history.slice(place + 1).find((older) => older.readable) ?? null, {
      live: place === at,
      desired: place === asked,
    }),
  );
  const rest = lines.slice(SHOWN);
  return [
    h("ol", { class: "releases" }, lines.slice(0, SHOWN)),
    rest.length
      ? h(
          "details",
          { class: "older" },
          h("summary", {}, `${many(rest.length, "older release")}`),
          h("ol", { class: "releases" }, rest),
        )
      : null,
    more ? h("p", { class: "aside" }, "There are more before these: ", h("code", {}, "serve history"), ".") : null,
  ];
}

function release(one, before, { live, desired }) {
  const text = checkout(one.revision);
  return h(
    "li",
    { class: live ? "release live" : "release" },
    h(
      "div",
      { class: "release-head" },
      h(
        "p",
        { class: "what" },
        h("bdi", {}, one.subject),
        " ",
        live ? state("good", "live") : null,
        !live && desired ? state("busy", "asked for") : null,
      ),
      h(
        "p",
        { class: "aside" },
        copyable(one.revision, short(one.revision), "revision"),
        " ",
        moment(one.date),
        " by ",
        h("bdi", {}, one.author),
      ),
    ),
    !one.readable ? h("p", { class: "note" }, "Its models.dvc can’t be read.") : pinned(one, before),
    h(
      "div",
      { class: "release-foot" },
      before && one.readable ? changes(one) : h("span"),
      live || !one.readable ? null : copyable(text, text, "command"),
    ),
  );
}

/** What it pinned: each model that is another than before, and the names of the others. */
function pinned(one, before) {
  const models = Object.entries(one.models);
  const kept = models.filter(([, now]) => now.change === "kept").map(([name]) => name);
  return [
    h(
      "div",
      { class: "pinned" },
      models
        .filter(([, now]) => now.change !== "kept")
        .map(([name, now]) => model(name, now, before?.models?.[name] ?? null)),
      one.removed.map((name) =>
        h("p", { class: "pinned-model" }, h("b", {}, name), " ", h("span", { class: "tag" }, "removed")),
      ),
    ),
    kept.length ? h("p", { class: "aside kept" }, `Kept: ${kept.join(", ")}`) : null,
  ];
}

function model(name, now, then) {
  const word = now.change === "added" ? "new" : now.change;
  const names = chosen(now.metrics ?? {});
  return h(
    "div",
    { class: "pinned-model" },
    h(
      "p",
      {},
      h("b", {}, name),
      " ",
      h("span", { class: "tag" }, word),
      " ",
      copyable(now.digest, short(now.digest), `digest of ${name}`),
    ),
    names.length
      ? h(
          "dl",
          { class: "metrics" },
          names.map((key) =>
            h(
              "div",
              {},
              h("dt", { title: key }, key),
              h("dd", {}, metric(now.metrics[key]), delta(key, now.metrics[key], then?.metrics?.[key])),
            ),
          ),
        )
      : null,
  );
}

/** Four metrics say enough here, those of a test before others. */
function chosen(metrics) {
  const names = Object.keys(metrics).sort();
  const told = names.filter((name) => /^(test|val)/.test(name));
  return (told.length ? told : names).slice(0, 4);
}

function delta(name, now, then) {
  if (typeof now !== "number" || typeof then !== "number" || now === then) return null;
  const better = LOWER.test(name) ? now < then : now > then;
  const change = now - then;
  return h(
    "span",
    { class: better ? "delta better" : "delta worse", title: `was ${then}` },
    `${change > 0 ? "▲" : "▼"} ${metric(Math.abs(change))}`,
    h("span", { class: "unseen" }, better ? " better" : " worse"),
  );
}

function changes(one) {
  const box = h("div", { class: "changes" });
  const shown = h(
    "details",
    { open: open.has(one.revision), ontoggle: () => opened() },
    h("summary", {}, "What changed"),
    box,
  );
  const opened = async () => {
    open[shown.open ? "add" : "delete"](one.revision);
    if (shown.open && (box.childElementCount === 0 || "failed" in box.dataset)) await tell(one.revision, box);
  };
  if (open.has(one.revision)) opened();
  return shown;
}

async function tell(revision, box) {
  delete box.dataset.failed;
  box.replaceChildren(h("p", { class: "aside" }, "Comparing …"));
  try {
    box.replaceChildren(...changed(details.get(revision) ?? (await asked(revision))));
  } catch (error) {
    box.replaceChildren(h("p", { class: "note" }, `It can’t be told: ${error.message}`));
    box.dataset.failed = "";
  }
}

async function asked(revision) {
  const answer = await ask(`history/${revision}`, { patience: 0 });
  if (!answer.ok) throw new Error(answer.json?.detail ?? `status ${answer.status}`);
  if (!answer.json.unknown) details.set(revision, answer.json);
  return answer.json;
}

function changed(told) {
  const { models, unknown } = told;
  const found = Object.values(models).filter((one) => one.change !== "kept");
  const nodes = found.map((one) =>
    h(
      "section",
      {},
      h("h4", {}, one.name, " ", one.breaking ? h("span", { class: "tag breaking" }, "breaks callers") : null),
      facts(one),
    ),
  );
  if (unknown) nodes.push(h("p", { class: "note" }, unknown));
  return nodes.length ? nodes : [h("p", { class: "aside" }, "Nothing: the same models as before.")];
}

function facts(one) {
  if (one.change !== "changed") return h("p", {}, one.change === "added" ? "It is new." : "It is gone.");
  if (!one.facts) return h("p", { class: "aside" }, "Its digest is another; its small files are not at hand.");
  const { python, packages, signature, golden } = one.facts;
  const lines = [];
  if (python[0] !== python[1]) lines.push(["Python", from(python[0], python[1])]);
  for (const each of packages)
    lines.push([
      each.name,
      each.before === null
        ? ["added ", each.after]
        : each.after === null
          ? ["removed, was ", each.before]
          : from(each.before, each.after),
    ]);
  for (const each of signature)
    lines.push([
      `${each.place.replace(/s$/, "")} ${each.name}`,
      [
        each.before && each.after
          ? from(each.before, each.after)
          : each.after
            ? ["added ", each.after]
            : ["removed, was ", each.before],
        each.breaking ? h("span", { class: "tag breaking" }, "breaking") : null,
      ],
    ]);
  return [
    lines.length
      ? h(
          "table",
          { class: "facts-table" },
          h(
            "tbody",
            {},
            lines.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))),
          ),
        )
      : h("p", {}, "The same Python, packages and signature."),
    answers(golden),
  ];
}

function from(before, after) {
  return [`${before} `, h("span", { "aria-label": "to" }, "→"), ` ${after}`];
}

function answers({ shared, differ }) {
  if (shared === 0) return h("p", { class: "aside" }, "They have no golden request in common.");
  if (differ.length === 0)
    return h("p", { class: "aside" }, `All ${shared} golden requests they share have the same answers.`);
  return h(
    "details",
    {},
    h("summary", {}, `${differ.length} of ${shared} shared golden answers differ`),
    h(
      "ul",
      {},
      differ.map((one) => h("li", {}, one)),
    ),
  );
}
