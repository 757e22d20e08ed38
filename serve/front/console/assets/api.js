// The server, asked. Addresses are relative to the page, so that it works below a path of a proxy too. The key, where one
// is needed, is kept by this tab alone, and sent with every question.

import { exact } from "./json.js";

const STORED = "pinion-key";
const SLACK = 5000; // milliseconds that clocks may differ, and an answer may take
const PATIENCE = 10_000; // milliseconds for what only tells; a prediction has the server's own time

let ahead = 0; // milliseconds that the server's clock is ahead of this one's

/** The server did not answer at all. */
export class Gone extends Error {}

export function key() {
  return sessionStorage.getItem(STORED);
}

export function keep(token) {
  sessionStorage.setItem(STORED, token);
}

export function forget() {
  sessionStorage.removeItem(STORED);
}

/** The time on the server's clock, in milliseconds: what it tells is dated by that. */
export function now() {
  return Date.now() + ahead;
}

/** The whole address of a path of the server, as a caller elsewhere would type it. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

/** An answer: `status`, `headers`, its `text`, and what the text says where it is JSON. `Gone` where there is none. */
export async function ask(path, { method = "GET", body = null, patience = PATIENCE } = {}) {
  const headers = { Accept: "application/json, text/plain;q=0.5" };
  if (body !== null) headers["Content-Type"] = "application/json";
  if (key() !== null) headers.Authorization = `Bearer ${key()}`;
  const signal = patience ? AbortSignal.timeout(patience) : undefined;
  try {
    const answer = await fetch(address(path), { method, body, headers, signal, cache: "no-store" });
    const text = await answer.text();
    const difference = Date.parse(answer.headers.get("date")) - Date.now();
    if (!Number.isNaN(difference)) ahead = Math.abs(difference) > SLACK ? difference : 0;
    return { status: answer.status, ok: answer.ok, headers: answer.headers, text, json: parsed(answer, text) };
  } catch (error) {
    throw new Gone(error.message);
  }
}

function parsed(answer, text) {
  if (!/json/.test(answer.headers.get("content-type") ?? "")) return null;
  try {
    return exact(text);
  } catch {
    return null;
  }
}
