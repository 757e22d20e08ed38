// Numbers, times and names as people read them. Pure.

const UNITS = [
  [86400, "day", "days"],
  [3600, "h", "h"],
  [60, "min", "min"],
];

/** "3 h ago" of a time in ISO 8601. */
export function ago(iso, now) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (Number.isNaN(seconds)) return iso;
  return seconds < 5 ? "just now" : `${span(seconds)} ago`;
}

/** How long: "12 s", "3 min", "5 h", "2 days". */
export function span(seconds) {
  for (const [length, one, many] of UNITS) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${count === 1 ? one : many}`;
  }
  return `${Math.floor(seconds)} s`;
}

/** A time in ISO 8601 as it is here, and in UTC. */
export function exact(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.valueOf())) return iso;
  return `${at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })} (${at.toISOString().slice(0, 19)}Z)`;
}

/** A digest or a commit, as short as people say it. */
export function short(name) {
  return (name ?? "").replace(/^sha256:/, "").slice(0, 12);
}

/** Seconds in the unit that suits them. */
export function seconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value >= 100) return `${Math.round(value)} s`;
  if (value >= 1) return `${value.toFixed(value >= 10 ? 1 : 2)} s`;
  if (value >= 0.001) return `${digits(value * 1e3)} ms`;
  return `${digits(value * 1e6)} µs`;
}

/** A count or a rate, with the three digits that matter. */
export function count(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (value >= 1e6) return `${digits(value / 1e6)} M`;
  if (value >= 1e4) return `${digits(value / 1e3)} k`;
  return value >= 100 ? Math.round(value).toLocaleString("en") : digits(value);
}

/** A whole number, every digit of it. */
export function whole(value) {
  return Math.round(value).toLocaleString("en");
}

/** A part of one. What is not nothing is never told as 0 %. */
export function percent(part) {
  if (!Number.isFinite(part)) return "–";
  if (part > 0 && part < 0.0001) return "< 0.01 %";
  return `${part === 0 ? 0 : part < 0.1 ? (part * 100).toFixed(2) : (part * 100).toFixed(1)} %`;
}

/** A metric of a model or a number of an answer: six digits at most. */
export function figure(value) {
  if (typeof value !== "number") return value === null || value === undefined ? "–" : String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 0.001 ? value.toExponential(3) : String(Number(value.toPrecision(6)));
}

/** A metric to compare: four digits. */
export function metric(value) {
  if (typeof value !== "number") return "–";
  return Number.isInteger(value) ? String(value) : value.toPrecision(4);
}

/** "digits and tumours". */
export function list(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** "1 worker", "2 workers". */
export function many(number, one, more = `${one}s`) {
  return `${whole(number)} ${number === 1 ? one : more}`;
}

/** The first `most` characters of a text, and how many more there are. */
export function cut(text, most) {
  return text.length > most ? `${text.slice(0, most)}… ${many(text.length - most, "more character")}` : text;
}

function digits(value) {
  return value < 1
    ? String(Number(value.toPrecision(2)))
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1).replace(/\.0$/, "")
        : value.toFixed(2).replace(/\.?0+$/, "");
}
