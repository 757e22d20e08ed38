// Elements made of data. Text is always text: nothing here, nor anywhere in the console, reads markup from what a model,
// a commit or a caller says.

import { now } from "./api.js";
import { ago, cut, exact, short } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 4000; // characters of a command that are shown
const shown = new WeakMap(); // what each element was last filled with

/** An element with these attributes (functions are listeners) and children (text, elements, or lists; null is none). */
export function h(tag, attributes = {}, ...children) {
  return dressed(document.createElement(tag), attributes, children);
}

/** The same of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return dressed(document.createElementNS(SVG, tag), attributes, children);
}

function dressed(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** Fill an element with what `make` makes of `data`, unless it already shows that: what stays the same never jumps. */
export function fill(element, data, make) {
  const told = JSON.stringify(data);
  if (shown.get(element) === told) return;
  shown.set(element, told);
  element.replaceChildren(); // and empty it stays, where what is told can't be shown
  element.append(...[make(data)].flat(Infinity).filter(Boolean));
}

/** Set an element's text, where it is another. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A moment: how long ago, and the exact time for who points at it. `tick` keeps it true. */
export function moment(iso) {
  if (!iso) return "–";
  return h("time", { datetime: iso, title: exact(iso) }, ago(iso, now()));
}

/** Have every moment on the page say the present truth. */
export function tick() {
  for (const one of document.querySelectorAll("time[datetime]")) say(one, ago(one.dateTime, now()));
}

const SHAPES = {
  good: svg("path", { d: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm3.1 4.6L7.2 9.5 4.9 7.2 3.8 8.3l3.4 3.4 5-5Z" }),
  busy: svg("path", { d: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm0 1.6a5.4 5.4 0 0 0 0 10.8Z" }),
  warn: svg("path", {
    d: "M8 1.2 15.6 14.6H.4Zm-.8 4.7.2 4.2h1.2l.2-4.2Zm.8 5.1a.95.95 0 1 0 0 1.9.95.95 0 0 0 0-1.9Z",
  }),
  bad: svg("path", {
    d: "M2.2 1h11.6L15 2.2v11.6L13.8 15H2.2L1 13.8V2.2Zm3.2 3.2L4.2 5.4 6.8 8l-2.6 2.6 1.2 1.2L8 9.2l2.6 2.6 1.2-1.2L9.2 8l2.6-2.6-1.2-1.2L8 6.8Z",
  }),
  idle: svg("path", { d: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm0 1.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6Z" }),
  pages: svg("path", { class: "drawn", d: "M5.5 5.5h8v8h-8ZM3.5 10.5h-1v-8h8v1" }),
};

/** A small shape; beside a word that says the same, so that nobody must know it or its colour. */
export function shape(kind) {
  return svg(
    "svg",
    { class: `shape ${kind}`, viewBox: "0 0 16 16", "fill-rule": "evenodd", "aria-hidden": "true", focusable: "false" },
    SHAPES[kind].cloneNode(),
  );
}

/** A state as shape and word. */
export function state(kind, word) {
  return h("span", { class: `state ${kind}` }, shape(kind), word);
}

/** A button that copies `text`, and shows `told` of it; `what` names it to who can't see it. */
export function copyable(text, told, what) {
  const label = h("span", { class: "copied-text" }, told);
  const copy = async (event) => {
    await clip(text);
    const button = event.currentTarget ?? label.parentElement;
    button.classList.add("done");
    announce(`Copied: ${what}`);
    setTimeout(() => button.classList.remove("done"), 1600);
  };
  return h(
    "button",
    { type: "button", class: "copy", title: text, "aria-label": `Copy ${what}: ${told}`, onclick: copy },
    label,
    shape("pages"),
  );
}

/** A reason in the server's words, with what is long in it, digests and commits, short; the whole is in the title. */
export function reason(told) {
  const parts = told.split(/((?:sha256:)?[0-9a-f]{64}|\b[0-9a-f]{40}\b)/);
  const shown = parts.map((one, at) => (at % 2 ? h("code", { title: one }, `${short(one)}…`) : one));
  return h("p", { class: "reason" }, shown);
}

/** A command or a text of several lines, with a button that copies all of it, however little is shown. */
export function command(text, what) {
  const button = copyable(text, "Copy", what);
  button.removeAttribute("title");
  button.setAttribute("aria-label", `Copy ${what}`);
  return h(
    "div",
    { class: "command" },
    h("pre", { tabindex: "0", role: "region", "aria-label": what }, h("code", {}, cut(text, MOST))),
    button,
  );
}

async function clip(text) {
  try {
    return await navigator.clipboard.writeText(text);
  } catch {
    // over plain HTTP there is no clipboard, and it may be forbidden
  }
  const hidden = h("textarea", { class: "unseen", readonly: true }, text);
  document.body.append(hidden);
  hidden.select();
  document.execCommand("copy");
  hidden.remove();
}

/** Tell who listens to the page instead of looking at it. */
export function announce(text) {
  say(document.getElementById("announcements"), text);
}
