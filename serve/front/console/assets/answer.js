// A prediction as people read it: scores as bars, frames as tables, pictures as pictures; and always as JSON.

import { copyable, h, state } from "./dom.js";
import { ceiling, picture, pictured } from "./picture.js";
import { figure, many, seconds, short } from "./words.js";

const ROWS = 100; // of a table
const BARRED = 16; // rows that have bars
const SCORES = [2, 60]; // how many numbers of a row are scores
const FEW = 3; // of the scores of a row, where there are many rows
const TEXT = 20_000; // characters of JSON that are shown

/** What came back of a request: its status, how long it took, where it is from, and what it says. */
export function answered({ status, ok, headers, text, json }, took, outputs, pictures) {
  const from = ["name", "digest", "revision", "run"]
    .map((one) => [one, headers.get(`x-model-${one}`)])
    .filter(([, value]) => value);
  return [
    h(
      "p",
      { class: "result" },
      state(ok ? "good" : "bad", ok ? "Answered" : `${status} ${json?.code ?? ""}`),
      h("span", { class: "aside" }, `${status} in ${seconds(took)}`),
    ),
    ok ? told(json, outputs, pictures) : refused(json, text),
    from.length
      ? h(
          "dl",
          { class: "lineage" },
          from.map(([name, value]) =>
            h("div", {}, h("dt", {}, name), h("dd", {}, name === "name" ? value : copyable(value, short(value), name))),
          ),
        )
      : null,
    text
      ? h("details", { class: "raw" }, h("summary", {}, "As JSON"), h("pre", { tabindex: "0" }, indented(text, json)))
      : null,
  ];
}

/** No answer came at all. */
export function unanswered(message) {
  return [
    h("p", { class: "result" }, state("bad", "No answer")),
    h("p", { class: "reason" }, `The server could not be reached: ${message}`),
  ];
}

function refused(json, text) {
  if (!json) return h("p", { class: "reason" }, text.slice(0, 500));
  const flaws = json.errors ?? [];
  return h(
    "div",
    { class: "refused" },
    h("p", { class: "reason" }, json.detail ?? json.title ?? ""),
    flaws.length > 1
      ? h(
          "ul",
          {},
          flaws.map((one) => h("li", {}, one.detail)),
        )
      : null,
  );
}

function told(json, outputs, pictures) {
  if (json === null || typeof json !== "object" || !("predictions" in json)) return null;
  return shown(json.predictions, outputs, pictures);
}

function shown(value, outputs, pictures) {
  if (!Array.isArray(value))
    return isObject(value) ? parts(value, outputs) : h("p", { class: "single" }, figure(value));
  if (value.length === 0) return h("p", { class: "aside" }, "No rows.");
  const drawn = outputs.length === 1 ? pictured(outputs[0]) : null;
  if (drawn && value.every(Array.isArray)) return drawings(value, drawn, outputs[0].dtype);
  if (value.every(isScores)) return bars(value, pictures);
  if (value.every(isObject))
    return [value.length <= BARRED && scored(value[0]) ? bars(value, pictures) : null, table(value)];
  return value.every((one) => !isObject(one) && !Array.isArray(one))
    ? table(value.map((one) => ({ prediction: one })))
    : null;
}

function parts(value, outputs) {
  return Object.entries(value).map(([name, one]) =>
    h(
      "section",
      {},
      h("h4", {}, name),
      shown(
        one,
        outputs.filter((field) => field.name === name),
        [],
      ),
    ),
  );
}

function drawings(value, form, dtype) {
  const top = ceiling(value, dtype);
  return h(
    "div",
    { class: "pictures" },
    value.slice(0, BARRED).map((one, at) => picture(form, one, top, `row ${at + 1} of the answer`)),
  );
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isScores(row) {
  return (
    Array.isArray(row) &&
    row.length >= SCORES[0] &&
    row.length <= SCORES[1] &&
    row.every((one) => typeof one === "number")
  );
}

/** Whether a row of a frame is nothing but the parts of one. */
function scored(row) {
  const values = Object.values(row);
  return (
    isScores(values) &&
    values.every((one) => one >= 0) &&
    Math.abs(values.reduce((sum, one) => sum + one, 0) - 1) < 0.01
  );
}

function bars(rows, pictures) {
  const most = rows.length > 2 ? FEW : Infinity;
  const shown = rows.slice(0, BARRED).map((row, at) => h("li", {}, pictures[at] ?? null, scores(row, at, most)));
  const told = most === FEW ? `The ${FEW} highest of each row` : "";
  const cut = rows.length > BARRED ? `, of the first ${BARRED} of ${many(rows.length, "row")}` : "";
  return [h("ol", { class: "scores" }, shown), told ? h("p", { class: "aside" }, `${told}${cut}.`) : null];
}

/** A row's scores as bars, from nothing or the least there is; the `most` highest, where there are more, by height. */
function scores(row, at, most) {
  const names = Object.keys(row);
  const values = names.map((name) => row[name]);
  const order = names.map((_, place) => place).sort((one, other) => values[other] - values[one]);
  const [low, high, best] = [Math.min(0, ...values), Math.max(...values), order[0]];
  const lines = (names.length > most ? order.slice(0, most) : [...names.keys()]).map((place) =>
    h(
      "tr",
      { class: place === best ? "best" : null },
      h("th", { scope: "row" }, names[place], place === best ? h("span", { class: "unseen" }, ", the highest") : null),
      h("td", { class: "bar" }, bar(high > low ? (values[place] - low) / (high - low) : 0)),
      h("td", { class: "number", title: String(values[place]) }, score(values[place])),
    ),
  );
  return h(
    "table",
    { class: "bars" },
    h("caption", {}, `Row ${at + 1}: `, h("b", {}, names[best])),
    h("tbody", {}, lines),
  );
}

function bar(part) {
  return h("meter", { min: "0", max: "1", value: String(part), "aria-hidden": "true" });
}

function score(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toExponential(1) : value.toFixed(size >= 100 ? 1 : 3);
}

function table(rows) {
  const names = [...new Set(rows.slice(0, ROWS).flatMap(Object.keys))];
  const numeric = Object.fromEntries(
    names.map((name) => [
      name,
      rows
        .slice(0, ROWS)
        .every((row) => row[name] === null || row[name] === undefined || typeof row[name] === "number"),
    ]),
  );
  const cell = (row, name) =>
    h(
      "td",
      { class: numeric[name] ? "number" : null, title: typeof row[name] === "number" ? String(row[name]) : null },
      isObject(row[name]) || Array.isArray(row[name]) ? JSON.stringify(row[name]).slice(0, 300) : figure(row[name]),
    );
  return [
    h(
      "div",
      { class: "table", tabindex: "0", role: "region", "aria-label": "Predictions" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col", class: "number" }, "row"),
            names.map((name) => h("th", { scope: "col", class: numeric[name] ? "number" : null }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          rows.slice(0, ROWS).map((row, at) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", class: "number" }, String(at + 1)),
              names.map((name) => cell(row, name)),
            ),
          ),
        ),
      ),
    ),
    rows.length > ROWS
      ? h("p", { class: "aside" }, `The first ${ROWS} of ${many(rows.length, "row")}; all of them stand in the JSON.`)
      : null,
  ];
}

function indented(text, json) {
  const told =
    json !== null && text.length < TEXT
      ? JSON.stringify(json, null, 2).replace(
          /\[\s+([^[\]{}]*?)\s+\]/g,
          (_, inner) => `[${inner.replace(/\s+/g, " ")}]`,
        )
      : text;
  return told.length > TEXT ? `${told.slice(0, TEXT)}\n… ${many(told.length - TEXT, "more character")}` : told;
}
