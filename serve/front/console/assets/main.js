// The console: asks the server every two seconds (every fifteen where nobody looks), and shows what it says. Only reads.
//
// One object, `known`, holds what is known; each section shows its part of it, and changes only what is another by now.

import { address, ask, Gone, key } from "./api.js";
import { curl } from "./body.js";
import { redraw, showCharts } from "./charts.js";
import { fill, h, say, shape, tick } from "./dom.js";
import { showFigures } from "./figures.js";
import { showHistory } from "./history.js";
import { kept } from "./json.js";
import { askForKey, listen, showForget } from "./key.js";
import { parse } from "./metrics.js";
import { showModels } from "./models.js";
import { showRollouts } from "./rollouts.js";
import { Series } from "./samples.js";
import { choice, showTry } from "./try.js";
import { pin, same, showLast, showTrouble, showVerdict, verdict } from "./verdict.js";

const OFTEN = 2000; // milliseconds between two questions
const SELDOM = 15_000; // where the page is hidden, or something could not be had
const ANEW = 60_000; // for a commit changes the history without changing what is live
const PATIENT = 60_000; // for what may be much
const LONGEST = 15_000; // between two tries of a server that is gone
const ALL = "all models";

const known = {
  ready: null,
  models: null,
  rollouts: null,
  history: null,
  examples: null,
  lost: 0,
  refusals: {},
};
const series = new Map([[ALL, new Series(null)]]);
let whose = ALL;
let waiting = null;
let asking = false;
let again = false; // there is another key since the round began
let looked = { of: null, live: null, due: 0, now: false };

/** Ask for all that moves, show it, and come again. */
async function round() {
  clearTimeout(waiting);
  again = asking;
  if (asking) return;
  asking = true;
  try {
    await learn();
    known.lost = 0;
  } catch (error) {
    if (!(error instanceof Gone)) reportError(error);
    known.lost += 1;
  }
  asking = false;
  const soon = known.lost ? Math.min(LONGEST, OFTEN * 2 ** (known.lost - 1)) : OFTEN;
  waiting = setTimeout(round, again ? 0 : document.hidden ? SELDOM : soon);
  show();
}

async function learn() {
  const asked = key();
  const [ready, models] = await Promise.all([ask("health/ready"), ask("models")]);
  if (typeof ready.json?.ready !== "boolean") throw new Gone(`status ${ready.status}`); // of a proxy, not of the server
  known.ready = ready.json;
  if (models.status === 401) {
    Object.assign(known, { models: null, rollouts: null, history: null });
    looked.of = null;
    askForKey(asked);
    return;
  }
  known.models = took("models", models) ?? known.models;
  lookUp();
  const [metrics, rollouts] = await Promise.all([ask("metrics"), ask("rollouts")]);
  known.rollouts = took("rollouts", rollouts);
  refuse("metrics", metrics);
  if (metrics.ok) measure(metrics.text);
}

/** What stays the same until another release is live; asked for beside the rounds, which it never keeps waiting. */
async function lookUp() {
  const { live, desired, release } = known.models ?? {};
  const of = JSON.stringify([live, desired, release, key()]);
  if (looked.now || (of === looked.of && Date.now() < looked.due)) return;
  looked = { ...looked, of, now: true, due: Date.now() + SELDOM };
  try {
    const told = JSON.stringify([live, key()]);
    if (told !== looked.live) {
      const document = await ask("openapi.json", { patience: PATIENT });
      if (document.ok) looked.live = told;
      known.examples = document.ok ? examples(kept(document.text)) : (known.examples ?? {});
    }
    const history = await releases(live);
    if (of !== JSON.stringify([live, desired, release, key()])) return; // of another key
    known.history = took("history", history);
    if (history.ok) looked.due = Date.now() + ANEW;
  } catch (error) {
    if (!(error instanceof Gone)) reportError(error);
  } finally {
    looked.now = false;
  }
  show();
}

/** The newest releases; more of them where the live one is older. */
async function releases(live) {
  const found = await ask("history", { patience: PATIENT });
  const { releases: newest = [], more } = found.json ?? {};
  if (!more || newest.some((one) => same(pin(one), live))) return found;
  return ask("history?limit=500", { patience: PATIENT });
}

function took(name, answer) {
  refuse(name, answer);
  return answer.ok ? answer.json : null;
}

/** Remember why something is not told, in the server's own words. */
function refuse(name, answer) {
  known.refusals[name] = answer.ok
    ? null
    : answer.status === 403
      ? `This key may not see ${name}: ${answer.json?.detail ?? "it lacks the scope"}.`
      : (answer.json?.detail ?? `The server answered ${answer.status}.`);
}

function examples(document) {
  const found = {};
  for (const [path, item] of Object.entries(document?.paths ?? {})) {
    const [, name] = /^\/models\/(.+)\/predict$/.exec(path) ?? [];
    const shown = item.post?.requestBody?.content?.["application/json"]?.examples;
    if (name && shown) found[name] = Object.values(shown)[0]?.value ?? null;
  }
  return found;
}

function measure(text) {
  const samples = parse(text);
  const names = Object.keys(known.models?.models ?? {});
  for (const name of names) if (!series.has(name)) series.set(name, new Series(name));
  for (const name of series.keys()) if (name !== ALL && !names.includes(name)) series.delete(name);
  if (!series.has(whose)) whose = ALL;
  for (const one of series.values()) one.take(samples, Date.now() / 1000);
}

function show() {
  const all = series.get(ALL);
  const { last } = all;
  const trouble = last && last.rate > 0 && !known.refusals.metrics ? last.failed / last.rate : 0;
  const doing = known.rollouts?.doing ?? null;
  document.body.classList.toggle("locked", known.ready !== null && known.models === null);
  document.body.classList.toggle("lost", known.lost > 0);
  const parts = [
    () => showVerdict(verdict({ ...known, doing, trouble })),
    showLink,
    showForget,
    () => showTrouble(known.models, known.rollouts?.attempts),
    () => showLast(known.models, known.history, known.rollouts?.attempts),
    () => showFigures(all, known.models, known.refusals.metrics),
    showWhose,
    () => showCharts(series.get(whose), known.refusals.metrics, example()),
    () => showModels(known.models, known.rollouts),
    () => showTry(known.models, known.examples),
    () => showHistory(known.history, known.models, known.refusals.history),
    () => showRollouts(known.rollouts, known.refusals.rollouts),
    tick,
  ];
  for (const part of parts) {
    try {
      part();
    } catch (error) {
      reportError(error); // and the others go on
    }
  }
}

function showWhose() {
  const names = [...series.keys()];
  fill(document.getElementById("whose"), names.length > 2 ? names : [], (shown) =>
    shown.length ? choice("whose", "Traffic of", shown, whose, (name) => ((whose = name), show())) : null,
  );
}

function showLink() {
  const [kind, told] = known.lost
    ? ["bad", "no connection"]
    : known.ready
      ? ["good", "connected"]
      : ["idle", "connecting"];
  fill(document.getElementById("link"), [kind, told], () => [shape(kind), h("span", {}, told)]);
}

/** A first request, to copy, where nobody has asked for anything. */
function example() {
  const [name] = Object.keys(known.examples ?? {});
  const body = name ? JSON.stringify(known.examples[name]) : null;
  return body && body.length < 4000 ? curl(address(`models/${name}/predict`), body, key() !== null) : null;
}

say(document.getElementById("host"), location.host);
listen(round);
document.addEventListener("visibilitychange", () => document.hidden || round());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
setInterval(tick, 1000);
round();
