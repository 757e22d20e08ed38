// What a form holds, and the body of /predict that it makes. Values are kept as the text they are typed in, so that a
// number is sent with all its digits; whether they are right is for the server to say. Pure.

import { isKept, kept } from "./json.js";

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const NUMERIC = new Set(["integer", "long", "float", "double"]);
const WORDS = new Set(["string", "binary", "datetime"]);

/**
 * What the form of a model begins with: its example, else nothing but zeros.
 *
 * `kind` is "columns" (`rows` are lists of texts, by column), "tensors" (`rows` hold a value for each tensor, by row, or
 * one for all where `whole`), or "text" where no form would do; `params` are texts by name; `text` is the body.
 */
export function draft({ inputs, params }, example) {
  const values = Object.fromEntries(params.map((one) => [one.name, written(one, given(example?.params, one))]));
  const made = columns(inputs, example) ?? tensors(inputs, example) ?? { kind: "text", rows: [] };
  const one = { ...made, inputs, specs: params, params: values, text: "" };
  one.text = made.kind === "text" ? JSON.stringify(example ?? { inputs: [] }, null, 2) : body(one);
  return one;
}

function given(params, one) {
  return params && Object.hasOwn(params, one.name) ? params[one.name] : one.default;
}

/** The text of a value in the field of a column or a param. */
export function written(field, value) {
  if (value === null || value === undefined) return "";
  if (field.shape || !(NUMERIC.has(field.type) || WORDS.has(field.type) || field.type === "boolean"))
    return JSON.stringify(value);
  return isKept(value) ? value.rawJSON : String(value);
}

/** A field's text as JSON. What is no number is sent as it was typed: the server says what is wrong with it, and where. */
export function json(field, text) {
  const trimmed = text.trim();
  if (field.shape || !(NUMERIC.has(field.type) || WORDS.has(field.type) || field.type === "boolean"))
    return trimmed === "" ? "null" : trimmed;
  if (WORDS.has(field.type)) return text === "" && field.required === false ? "null" : JSON.stringify(text);
  if (trimmed === "") return "null";
  if (field.type === "boolean") return trimmed === "true" || trimmed === "false" ? trimmed : JSON.stringify(text);
  return NUMBER.test(trimmed) ? trimmed : JSON.stringify(text);
}

function columns(inputs, example) {
  if (inputs.length === 0 || inputs.some((one) => one.type === "tensor" || one.name === null)) return null;
  const records = example ? recorded(example) : [Object.fromEntries(inputs.map((one) => [one.name, blank(one)]))];
  const names = new Set(inputs.map((one) => one.name));
  if (
    records === null ||
    records.length === 0 ||
    records.some((row) => Object.keys(row).some((name) => !names.has(name)))
  )
    return null;
  return { kind: "columns", rows: records.map((row) => inputs.map((one) => written(one, row[one.name]))) };
}

/** The rows of an example as objects, in whichever of the forms that a body may have; null where it has no rows. */
export function recorded(example) {
  const split = example.dataframe_split;
  if (split) return split.data.map((row) => Object.fromEntries(split.columns.map((name, at) => [name, row[at]])));
  const found = example.dataframe_records ?? example.instances ?? example.inputs;
  if (Array.isArray(found)) return found.every(isObject) ? found : null;
  if (!isObject(found)) return null;
  const lists = Object.values(found);
  if (lists.some((one) => !Array.isArray(one) || one.length !== lists[0].length)) return null;
  return (lists[0] ?? []).map((_, at) => Object.fromEntries(Object.keys(found).map((name) => [name, found[name][at]])));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isKept(value);
}

function blank(field) {
  if (NUMERIC.has(field.type)) return 0;
  if (field.type === "boolean") return false;
  if (field.type === "datetime") return "2026-01-01T00:00:00";
  if (WORDS.has(field.type)) return "";
  return field.type.startsWith("Array") ? [] : {};
}

function tensors(inputs, example) {
  if (inputs.length === 0 || inputs.some((one) => one.type !== "tensor")) return null;
  const named = inputs[0].name !== null;
  if (!named && inputs.length > 1) return null;
  const found = example ? (example.inputs ?? example.instances) : undefined;
  const values = inputs.map((one) => (found === undefined ? zeros(one) : named ? found?.[one.name] : found));
  if (values.some((one) => !Array.isArray(one))) return null;
  const rowed =
    inputs.every((one) => one.shape[0] === -1) &&
    values.every((one) => one.length === values[0].length && one.length > 0);
  const rows = rowed
    ? values[0].map((_, at) => values.map((one) => JSON.stringify(one[at])))
    : [values.map((one) => JSON.stringify(one))];
  return { kind: "tensors", rows, whole: !rowed, named };
}

/** A tensor of nothing: one row of zeros. */
export function zeros({ dtype, shape }) {
  const nothing = /U|S|O/.test(dtype) ? "" : /b1|bool|\?/.test(dtype) ? false : 0;
  return [...shape]
    .reverse()
    .reduce((inner, size) => Array.from({ length: size === -1 ? 1 : size }, () => structuredClone(inner)), nothing);
}

/** The body that a form makes; `SyntaxError` where a field that holds JSON holds none. */
export function body({ kind, rows, inputs, specs, params, whole, named, text }) {
  if (kind === "text") return text;
  const parts = [kind === "columns" ? table(inputs, rows) : tensorsText(inputs, rows, whole, named)];
  if (specs.length > 0)
    parts.push(
      `"params": {${specs.map((one) => `${JSON.stringify(one.name)}: ${json(one, params[one.name])}`).join(", ")}}`,
    );
  const made = `{${parts.join(", ")}}`;
  JSON.parse(made);
  return made;
}

function table(inputs, rows) {
  // What may be missing, and is in every row, is left out: not every type has a null.
  const there = inputs.map((one, at) => one.required !== false || rows.some((row) => row[at] !== ""));
  const names = inputs
    .filter((_, at) => there[at])
    .map((one) => JSON.stringify(one.name))
    .join(", ");
  const told = (row) => row.map((text, at) => json(inputs[at], text)).filter((_, at) => there[at]);
  const data = rows.map((row) => `[${told(row).join(", ")}]`).join(", ");
  return `"dataframe_split": {"columns": [${names}], "data": [${data}]}`;
}

function tensorsText(inputs, rows, whole, named) {
  const of = (at) => (whole ? rows[0][at] : `[${rows.map((row) => row[at]).join(", ")}]`);
  return named
    ? `"inputs": {${inputs.map((one, at) => `${JSON.stringify(one.name)}: ${of(at)}`).join(", ")}}`
    : `"inputs": ${of(0)}`;
}

/** The form that a body, typed as JSON, would be; null where no form would do for it. */
export function reread(text, signature) {
  const made = draft(signature, kept(text));
  return made.kind === "text" ? null : made;
}

const LONGEST = 100_000; // characters of an argument of a command: Linux takes no more than 128 KiB

/** A command for a shell that sends the body. */
export function curl(url, text, locked) {
  const quoted = (one) => `'${one.replaceAll("'", `'\\''`)}'`;
  const parts = [`curl -i ${quoted(url)}`, "-H 'Content-Type: application/json'"];
  if (locked) parts.push('-H "Authorization: Bearer $PINION_KEY"');
  if (text.length > LONGEST) return `${[...parts, "-d @- <<'END'"].join(" \\\n  ")}\n${text}\nEND`;
  return [...parts, `-d ${quoted(text)}`].join(" \\\n  ");
}
