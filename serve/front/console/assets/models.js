// What is live: a card for each model, with its lineage, its workers, its metrics and its signature.

import { copyable, fill, h, moment, state } from "./dom.js";
import { metric, many, short } from "./words.js";

const WORKERS = { ready: "good", busy: "busy", starting: "idle", dead: "bad" };

/** Show a card for each live model, and what git asks for where that is another. */
export function showModels(models, rollouts) {
  const target = document.getElementById("deployed");
  const live = Object.values(models?.models ?? {}).sort((one, other) => (one.name < other.name ? -1 : 1));
  if (live.length === 0) {
    fill(target, { doing: rollouts?.doing ?? null, waiting: true }, none);
    return;
  }
  fill(
    target,
    live.map((one) => one.name),
    (names) => names.map((name) => h("article", { class: "card", "aria-label": name })),
  );
  live.forEach((one, at) => {
    const place = target.children[at];
    const { workers, ...rest } = one; // which come and go, and must close nothing that is open
    const able = workers.some((each) => each.state === "ready" || each.state === "busy");
    const mlflow = workers.find((each) => each.mlflow)?.mlflow ?? null;
    fill(place, { ...rest, able, mlflow, desired: models.desired?.[one.name] }, card);
    fill(place.querySelector(".workers"), workers, (all) => all.map(worker));
  });
}

function none({ doing }) {
  return h(
    "p",
    { class: "empty" },
    doing ? `None yet: ${doing.told}.` : "None is live. What is tried stands under Rollouts.",
  );
}

function card(one) {
  const facts = [
    ["Digest", copyable(one.digest, short(one.digest), `digest of ${one.name}`)],
    [
      "Revision",
      one.revision === "uncommitted"
        ? "uncommitted"
        : copyable(one.revision, short(one.revision), `revision of ${one.name}`),
    ],
    ["Run", one.run ? copyable(one.run, short(one.run), `run of ${one.name}`) : "–"],
    ["Went live", moment(one.since)],
    ["Runs under", under(one)],
    ["Sandbox", confined(one.sandbox)],
  ];
  const { desired } = one;
  return [
    h(
      "header",
      {},
      h("h3", {}, one.name),
      one.able ? state("good", one.state.toLowerCase()) : state("bad", "no worker"),
    ),
    desired !== undefined && desired !== one.digest
      ? h("p", { class: "note" }, "Git asks for ", copyable(desired, short(desired), "desired digest"), ".")
      : null,
    desired === undefined ? h("p", { class: "note" }, "Git asks for a release without it.") : null,
    h(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
    h("ul", { class: "workers", "aria-label": `Workers of ${one.name}` }),
    metrics(one.metrics),
    signature(one.signature),
  ];
}

function worker(one) {
  return h(
    "li",
    { title: one.pid ? `process ${one.pid}` : "" },
    state(WORKERS[one.state] ?? "idle", one.state),
    one.pid ? h("span", { class: "pid" }, one.pid) : null,
  );
}

function under({ python, mlflow }) {
  return mlflow ? `Python ${python}, MLflow ${mlflow}` : `Python ${python}`;
}

/** What shuts the model's processes in; what does not is told first. */
function confined({ policy, landlock, seccomp, namespaces, network, open }) {
  if (policy === "off") return state("warn", "none");
  const walls = [landlock ? "Landlock" : null, seccomp ? "seccomp" : null, namespaces.length ? "namespaces" : null];
  const told = [...(open.length ? [`open: ${open.join(", ")}`] : []), `network ${network}`, ...walls].filter(Boolean);
  return open.length ? state("warn", told.join(", ")) : told.join(", ");
}

function metrics(values) {
  const names = Object.keys(values).sort();
  if (names.length === 0) return null;
  return h(
    "dl",
    { class: "metrics" },
    names.map((name) =>
      h("div", {}, h("dt", { title: name }, name), h("dd", { title: String(values[name]) }, metric(values[name]))),
    ),
  );
}

function signature({ inputs, outputs, params }) {
  if (inputs.length + outputs.length + params.length === 0)
    return h("p", { class: "note" }, "No signature: MLflow itself reads what comes.");
  const told = [
    many(inputs.length, "input"),
    many(outputs.length, "output"),
    params.length ? many(params.length, "param") : null,
  ];
  return h(
    "details",
    { class: "signature" },
    h("summary", {}, "Signature ", h("span", { class: "aside" }, told.filter(Boolean).join(", "))),
    fields(
      "Inputs",
      inputs.map((one) => [one.name ?? "(unnamed)", kind(one), one.required === false ? "optional" : ""]),
    ),
    fields(
      "Outputs",
      outputs.map((one) => [one.name ?? "(unnamed)", kind(one), ""]),
    ),
    fields(
      "Params",
      params.map((one) => [
        one.name,
        one.shape ? `list of ${one.type}` : one.type,
        `default ${JSON.stringify(one.default)}`,
      ]),
    ),
  );
}

function fields(title, rows) {
  if (rows.length === 0) return null;
  return h(
    "table",
    {},
    h("caption", {}, title),
    h(
      "tbody",
      {},
      rows.map(([name, type, more]) =>
        h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, type), h("td", {}, more)),
      ),
    ),
  );
}

const KINDS = { f: "float", i: "int", u: "uint", c: "complex", b: "bool", U: "string", S: "bytes", O: "object" };

/** numpy's letters, such as "<f4", as MLflow writes them: "float32". */
function named(dtype) {
  const [, letter, bytes] = /^[<|>=]?([a-zA-Z])(\d*)$/.exec(dtype) ?? [];
  if (!(letter in KINDS)) return dtype;
  return "fiuc".includes(letter) ? `${KINDS[letter]}${8 * bytes}` : KINDS[letter];
}

/** A field's type, in MLflow's words. */
export function kind(field) {
  return field.type === "tensor"
    ? `${named(field.dtype)} [${field.shape.map((size) => (size === -1 ? "any" : size)).join(" × ")}]`
    : field.type;
}
