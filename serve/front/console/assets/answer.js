// A prediction as people read it: scores as bars, frames as tables, pictures as pictures; and always as JSON.

import { copyable, h, state } from "./dom.js";
import { pretty } from "./json.js";
import { ceiling, picture, pictured } from "./picture.js";
import { cut, figure, many, seconds, short } from "./words.js";

const ROWS = 100; // of a table
const COLUMNS = 60; // and how many columns, or parts of an answer
const DEPTH = 3; // parts in parts
const CELL = 1000; // characters of a value
const BARRED = 16; // rows that have bars
const SCORES = [2, 60]; // how many numbers of a row are scores
const FEW = 3; // of the scores of a row, where there are many rows
const TEXT = 20_000; // characters of JSON that are shown

/** What came back of a request: its status, how long it took, where it is from, and what it says. */
export function answered({ status, ok, headers, text, json }, took, outputs, pictures) {
  const from = ["name", "digest", "revision", "run"]
    .map((one) => [one, headers.get(`x-model-${one}`)])
    .filter(([, value]) => value);
  const drawn = ok ? told(json, outputs, pictures) : refused(json, text);
  return [
    h(
      "p",
      { class: "result" },
      state(ok ? "good" : "bad", ok ? "Answered" : `${status} ${json?.code ?? ""}`),
      h("span", { class: "aside" }, `${status} in ${seconds(took)}`),
    ),
    drawn,
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
      ? h(
          "details",
          { class: "raw", open: drawn === null },
          h("summary", {}, json === null ? "As text" : "As JSON"),
          h("pre", { tabindex: "0" }, cut(json !== null && text.length < TEXT ? pretty(text) : text, TEXT)),
        )
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
  if (!json) return h("p", { class: "reason" }, cut(text, CELL));
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
  return shown(json.predictions, outputs, pictures, 0);
}

function shown(value, outputs, pictures, depth) {
  if (isObject(value) && depth < DEPTH) return parts(value, outputs, depth + 1);
  if (value === "") return h("p", { class: "aside" }, "An empty text.");
  if (!Array.isArray(value)) return h("p", { class: isLong(value) ? "text" : "single" }, plain(value));
  if (value.length === 0) return h("p", { class: "aside" }, "No rows.");
  const drawn = outputs.length === 1 ? pictured(outputs[0]) : null;
  if (drawn && value.every(Array.isArray)) return drawings(value, drawn, outputs[0].dtype);
  if (value.every(isScores)) return bars(value, pictures);
  if (value.every(isObject))
    return [value.length <= BARRED && value.every(scored) ? bars(value, pictures) : null, table(value)];
  return table(
    value.map(
      value.every(Array.isArray) ? (one) => ({ ...one.slice(0, COLUMNS + 1) }) : (one) => ({ prediction: one }),
    ),
  );
}

function parts(value, outputs, depth) {
  const all = Object.entries(value);
  if (all.length === 0) return h("p", { class: "aside" }, "Nothing is in it.");
  return [
    all.slice(0, COLUMNS).map(([name, one]) =>
      h(
        "section",
        {},
        h("h4", {}, name),
        shown(
          one,
          outputs.filter((field) => field.name === name),
          [],
          depth,
        ),
      ),
    ),
    rest(all, COLUMNS, "part"),
  ];
}

/** That there is more than is shown. */
function rest(all, shown, what) {
  return all.length > shown
    ? h("p", { class: "aside" }, `The first ${shown} of ${many(all.length, what)}; all of them stand in the JSON.`)
    : null;
}

/** A value as text. */
function plain(value) {
  return cut(isObject(value) || Array.isArray(value) ? JSON.stringify(value) : figure(value), CELL);
}

function isLong(value) {
  return typeof value === "string" && (value.length > 40 || value.includes("\n"));
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
  const notes = [
    rows.some((row) => Object.keys(row).length > most) ? `The ${FEW} highest of each row.` : null,
    rows.length > BARRED ? `The first ${BARRED} of ${many(rows.length, "row")}.` : null,
  ].filter(Boolean);
  return [h("ol", { class: "scores" }, shown), notes.length ? h("p", { class: "aside" }, notes.join(" ")) : null];
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
      h(
        "th",
        { scope: "row" },
        h("bdi", {}, names[place]),
        place === best ? h("span", { class: "unseen" }, ", the highest") : null,
      ),
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
  if (Number.isInteger(value) && size > 1) return figure(value);
  return size !== 0 && (size < 0.001 || size >= 1e6) ? value.toExponential(1) : value.toFixed(size >= 100 ? 1 : 3);
}

function table(rows) {
  const all = [...new Set(rows.slice(0, ROWS).flatMap(Object.keys))];
  const names = all.slice(0, COLUMNS);
  const value = (row, name) => (Object.hasOwn(row, name) ? row[name] : null);
  const isNumber = (one) => one === null || typeof one === "number";
  const numeric = new Set(names.filter((name) => rows.slice(0, ROWS).every((row) => isNumber(value(row, name)))));
  const cell = (one, name) =>
    h(
      "td",
      {
        class: numeric.has(name) ? "number" : isLong(one) ? "text" : null,
        title: typeof one === "number" ? String(one) : null,
      },
      plain(one),
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
            names.map((name) =>
              h("th", { scope: "col", class: numeric.has(name) ? "number" : null }, h("bdi", {}, name)),
            ),
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
              names.map((name) => cell(value(row, name), name)),
            ),
          ),
        ),
      ),
    ),
    rest(rows, ROWS, "row"),
    rest(all, COLUMNS, "column"),
  ];
}
