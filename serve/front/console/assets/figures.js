// The figures that stand at the top: rate, errors, latency, what waits, who works. Known at once from what the server
// counted since it began; as they are now, from the second reading on.

import { fill, h, say } from "./dom.js";
import { count, many, percent, seconds, whole } from "./words.js";

const NAMES = ["Requests", "Failed", "Latency, median", "Waiting", "Workers"];

/** Show them; `refusal` says why /metrics tells nothing. */
export function showFigures(series, models, refusal) {
  const target = document.getElementById("figures");
  fill(target, NAMES, () => NAMES.map(place));
  const told = refusal
    ? NAMES.map(() => ["–", " "])
    : [requests(series), errors(series), latency(series), waiting(series), null];
  told[4] = workers(models, series);
  told.forEach(([value, beside], at) => {
    say(target.children[at].querySelector(".value"), value);
    say(target.children[at].querySelector(".beside"), beside);
  });
}

function place(name) {
  return h(
    "div",
    {},
    h("dt", {}, name),
    h("dd", {}, h("span", { class: "value" }, "–"), h("span", { class: "beside" }, " ")),
  );
}

function requests({ last, totals }) {
  return [last ? `${count(last.rate)}/s` : "–", totals ? `${whole(totals.all)} since start` : " "];
}

function errors({ last, totals }) {
  const now = last === null ? "–" : last.rate === 0 ? "none" : percent(last.failed / last.rate);
  return [now, totals ? `${whole(totals.failed)} since start; ${whole(totals.refused)} refused` : " "];
}

function latency({ last }) {
  if (!last || last.seconds.p50 === null) return ["–", last ? "no requests now" : " "];
  return [seconds(last.seconds.p50), `p95 ${seconds(last.seconds.p95)}, p99 ${seconds(last.seconds.p99)}`];
}

function waiting({ latest }) {
  if (latest === null) return ["–", " "];
  return [whole(latest.waiting), `rows; ${many(latest.flight, "request")} in flight`];
}

function workers(models, { latest }) {
  const all = Object.values(models?.models ?? {}).flatMap((one) => one.workers);
  const able = all.filter((one) => one.state === "ready" || one.state === "busy").length;
  if (all.length === 0) return ["–", "none yet"];
  return [
    `${able} of ${all.length}`,
    latest?.deaths ? `can answer; ${many(latest.deaths, "death")} since start` : "can answer",
  ];
}
