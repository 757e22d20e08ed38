// Predict: a form for each live model, and the answer beside it. A form stays as it is while its model's signature does,
// whatever release is live.

import { address, ask, Gone, key } from "./api.js";
import { answered, unanswered } from "./answer.js";
import { curl } from "./body.js";
import { announce, command, fill, h } from "./dom.js";
import { Form, values } from "./form.js";
import { ceiling, picture, pictured } from "./picture.js";
import { seconds } from "./words.js";

const made = new Map(); // by model: what its form was made of, its form and the panel of it
const NARROW = 60; // characters of a choice beyond which it is a list to open
let chosen = null;

/** Show a form for each model, with the `examples` of each. */
export function showTry(models, examples) {
  const live = Object.values(models?.models ?? {}).sort((one, other) => (one.name < other.name ? -1 : 1));
  if (models) for (const name of made.keys()) if (!live.some((one) => one.name === name)) made.delete(name);
  if (examples === null && live.length > 0) return;
  for (const one of live) prepare(one, examples[one.name] ?? null);
  if (models && !made.has(chosen)) chosen = live[0]?.name ?? null;
  fill(
    document.getElementById("which"),
    live.map((one) => one.name),
    (names) => (names.length > 1 ? choice("model", "Model", names, chosen, choose) : null),
  );
  show(live.length > 0);
}

function prepare(one, example) {
  const of = JSON.stringify(one.signature);
  const before = made.get(one.name);
  if (before?.of !== of) made.set(one.name, { of, model: one, form: null, panel: null, example });
  else {
    Object.assign(before, { model: one, example });
    before.form?.follow(example);
  }
}

function choose(name) {
  chosen = name;
  show(true);
}

function show(live) {
  const target = document.getElementById("predicting");
  const one = live ? made.get(chosen) : null;
  if (!one) {
    fill(target, null, () => h("p", { class: "empty" }, "Once a model is live, it can be asked here."));
    return;
  }
  one.panel ??= panel(one);
  fill(target, [chosen, one.of], () => one.panel);
}

/** A choice: of a few, radio buttons that look like one control; of many, a list to open. */
export function choice(name, told, values, value, take) {
  if (values.join("").length > NARROW)
    return h(
      "select",
      { name, class: "choice", "aria-label": told, onchange: (event) => take(event.target.value) },
      values.map((one) => h("option", { selected: one === value }, one)),
    );
  return h(
    "div",
    { class: "choice", role: "radiogroup", "aria-label": told },
    values.map((one) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name, value: one, checked: one === value, onchange: () => take(one) }),
        h("span", {}, one),
      ),
    ),
  );
}

function panel(one) {
  const answer = h(
    "div",
    { class: "answer" },
    h(
      "p",
      { class: "empty" },
      one.example
        ? "The form holds the model’s own example. Send it, or change it first."
        : "The answer will stand here.",
    ),
  );
  const box = h("div");
  const shell = h("details", { class: "shell", ontoggle: () => tell() }, h("summary", {}, "As curl"), box);
  const tell = () => shell.open && typed(box, address(`models/${one.model.name}/predict`), form);
  const form = new Form(one.model.name, one.model.signature, one.example, tell);
  one.form = form;
  const send = h("button", { type: "submit", class: "primary" }, "Predict");
  const element = h(
    "form",
    {
      class: "form",
      "aria-label": `Request to ${one.model.name}`,
      onsubmit: (event) => (event.preventDefault(), predict(one, form, answer, send)),
      onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && element.requestSubmit(),
    },
    modes(one, form),
    form.node,
    h(
      "div",
      { class: "actions" },
      send,
      h("button", { type: "button", class: "quiet", onclick: () => form.reset() }, "Back to the example"),
    ),
    shell,
  );
  return [element, answer];
}

function modes(one, form) {
  if (form.draft.kind === "text")
    return h("p", { class: "note" }, "Its signature makes no form: this is the body as it is sent.");
  const refusal = h("p", { class: "note", role: "alert" });
  const name = `mode-${one.model.name}`;
  const turn = (to) => {
    refusal.textContent = form.turn(to === "JSON");
    if (refusal.textContent) turned.querySelector(`[value=${form.asText ? "JSON" : "Form"}]`).checked = true;
  };
  const turned = choice(name, "Input as", ["Form", "JSON"], "Form", turn);
  return h("div", { class: "modes" }, turned, refusal);
}

function typed(box, url, form) {
  let text;
  try {
    text = curl(url, form.body, key() !== null);
  } catch {
    return; // half-typed JSON makes no command
  }
  fill(box, text, () => command(text, "curl command"));
}

async function predict(one, form, answer, send) {
  if (send.disabled) return; // the keyboard may ask for it all the same
  let sent;
  try {
    sent = form.body;
  } catch (error) {
    answer.replaceChildren(h("p", { class: "reason" }, `A field holds no JSON: ${error.message}`));
    return;
  }
  send.disabled = true;
  answer.classList.add("before");
  const began = performance.now();
  try {
    const found = await ask(`models/${one.model.name}/predict`, { method: "POST", body: sent, patience: 0 });
    const took = (performance.now() - began) / 1000;
    answer.replaceChildren(
      ...answered(found, took, one.model.signature.outputs, pictures(form, sent)).flat(Infinity).filter(Boolean),
    );
    announce(found.ok ? `Answered in ${seconds(took)}` : `Refused: ${found.json?.detail ?? found.status}`);
    if (!found.ok) form.mark(found.json?.errors ?? []);
  } catch (error) {
    if (!(error instanceof Gone)) throw error;
    answer.replaceChildren(...unanswered(error.message));
  } finally {
    send.disabled = false;
    answer.classList.remove("before");
  }
}

/** The pictures that were sent, to stand beside their scores. */
function pictures(form, sent) {
  const { inputs, kind, whole } = form.draft;
  const drawn = kind === "tensors" && !whole && inputs.length === 1 ? pictured(inputs[0]) : null;
  if (!drawn) return [];
  const found = values(sent)?.inputs;
  const rows = Array.isArray(found) ? found : (found?.[inputs[0].name] ?? []);
  if (!Array.isArray(rows)) return [];
  const fits = rows.filter(
    (row) => Array.isArray(row) && row.flat(Infinity).length === drawn.height * drawn.width * drawn.channels,
  );
  return fits.length === rows.length
    ? rows.slice(0, 16).map((row, at) => picture(drawn, row, ceiling(rows, inputs[0].dtype), `row ${at + 1}, as sent`))
    : [];
}
