// Predict: a form for each live model, and the answer beside it. A form stays as it is while its model's signature does,
// whatever release is live.

import { address, ask, Gone, key } from "./api.js";
import { answered, unanswered } from "./answer.js";
import { curl } from "./body.js";
import { announce, command, fill, h } from "./dom.js";
import { Form } from "./form.js";
import { ceiling, picture, pictured } from "./picture.js";

const made = new Map(); // by model: what its form was made of, and the panel
const SHOWN = 4000; // characters of a command
let chosen = null;

/** Show a form for each model, with the `examples` of each. */
export function showTry(models, examples) {
  const live = Object.values(models?.models ?? {}).sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const name of made.keys()) if (!live.some((one) => one.name === name)) made.delete(name);
  if (examples === null && live.length > 0) return;
  for (const one of live) prepare(one, examples[one.name] ?? null);
  if (!made.has(chosen)) chosen = live[0]?.name ?? null;
  fill(
    document.getElementById("which"),
    live.map((one) => one.name),
    (names) => (names.length > 1 ? choice("model", "Model", names, chosen, choose) : null),
  );
  show();
}

function prepare(one, example) {
  const of = JSON.stringify([one.signature, example]);
  if (made.get(one.name)?.of === of) made.get(one.name).model = one;
  else made.set(one.name, { of, model: one, panel: null, example });
}

function choose(name) {
  chosen = name;
  show();
}

function show() {
  const target = document.getElementById("predicting");
  const one = made.get(chosen);
  if (!one) {
    fill(target, null, () => h("p", { class: "empty" }, "Once a model is live, it can be asked here."));
    return;
  }
  one.panel ??= panel(one);
  fill(target, [chosen, one.of], () => one.panel);
}

/** A choice of a few: radio buttons that look like one control. */
export function choice(name, told, values, value, take) {
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
    { class: "answer", "aria-live": "polite" },
    h(
      "p",
      { class: "empty" },
      one.example
        ? "The form holds the model’s own example. Send it, or change it first."
        : "The answer will stand here.",
    ),
  );
  const shell = h("div", { class: "shell" });
  const form = new Form(one.model.name, one.model.signature, one.example, () => shell.isConnected && told(shell, form));
  const url = () => address(`models/${encodeURIComponent(one.model.name)}/predict`);
  shell.tell = () => typed(shell, url(), form);
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
  queueMicrotask(shell.tell);
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

function told(shell) {
  shell.tell();
}

function typed(shell, url, form) {
  let text;
  try {
    text = curl(url, form.body, key() !== null);
  } catch {
    return; // half-typed JSON makes no command
  }
  const open = shell.querySelector("details")?.open ?? false;
  fill(shell, text, () =>
    h(
      "details",
      { open },
      h("summary", {}, "As curl"),
      text.length > SHOWN ? command(text, "curl command") : command(text, "curl command"),
    ),
  );
}

async function predict(one, form, answer, send) {
  let sent;
  try {
    sent = form.body;
  } catch (error) {
    answer.replaceChildren(h("p", { class: "reason" }, `A field holds no JSON: ${error.message}`));
    return;
  }
  send.disabled = true;
  const began = performance.now();
  try {
    const found = await ask(`models/${encodeURIComponent(one.model.name)}/predict`, {
      method: "POST",
      body: sent,
      patience: 0,
    });
    const took = (performance.now() - began) / 1000;
    answer.replaceChildren(
      ...answered(found, took, one.model.signature.outputs, pictures(form, sent)).flat(Infinity).filter(Boolean),
    );
    announce(found.ok ? "Answered" : `Refused: ${found.json?.detail ?? found.status}`);
    if (!found.ok) form.mark(found.json?.errors ?? []);
  } catch (error) {
    if (!(error instanceof Gone)) throw error;
    answer.replaceChildren(...unanswered(error.message));
  } finally {
    send.disabled = false;
  }
}

/** The pictures that were sent, to stand beside their scores. */
function pictures(form, sent) {
  const { inputs, kind, whole } = form.draft;
  const drawn = kind === "tensors" && !whole && inputs.length === 1 ? pictured(inputs[0]) : null;
  if (!drawn) return [];
  const found = JSON.parse(sent).inputs;
  const rows = Array.isArray(found) ? found : (found?.[inputs[0].name] ?? []);
  const fits = rows.filter(
    (row) => Array.isArray(row) && row.flat(Infinity).length === drawn.height * drawn.width * drawn.channels,
  );
  return fits.length === rows.length
    ? rows.slice(0, 16).map((row, at) => picture(drawn, row, ceiling(rows, inputs[0].dtype), `row ${at + 1}, as sent`))
    : [];
}
