// The last quarter of an hour, drawn by uPlot: rate, latency by stage, rows in a batch, what waits. Each chart has its
// words beside it: the values under the pointer, or the newest.

import { command, fill, h, say, svg } from "./dom.js";
import { count, seconds } from "./words.js";

const HEIGHT = 168;
const LONG = 900; // seconds that are shown at most
const SHORT = 120; // and at least
const rated = (value) => (value === null || value === undefined ? "–" : `${count(value)}/s`);
const timed = (value) => (value === null || value === undefined ? "–" : seconds(value));
const plain = (value) => (value === null || value === undefined ? "–" : count(value));

const WHOLE = [1, 2, 5]
  .flatMap((one) => [1, 10, 100, 1000, 10_000].map((of) => one * of))
  .sort((one, other) => one - other);

// What is drawn: a line each, with the place of its value in a point. Lines differ by dashes, not by colour alone.
const CHARTS = [
  {
    title: "Requests per second",
    tell: rated,
    lines: [
      ["answered", "--line-1", [], (p) => p.ok, true],
      ["refused", "--line-2", [6, 3], (p) => p.refused],
      ["failed", "--bad", [2, 2], (p) => p.failed],
    ],
  },
  {
    title: "Latency by stage, p95",
    tell: timed,
    lines: [
      ["whole", "--line-1", [], (p) => p.seconds.p95, true],
      ["queue", "--line-2", [6, 3], (p) => p.stages.queue],
      ["predict", "--line-4", [8, 2], (p) => p.stages.predict],
      ["parse", "--line-3", [1, 3], (p) => p.stages.parse],
      ["encode", "--line-3", [4, 2, 1, 2], (p) => p.stages.encode],
    ],
  },
  { title: "Rows in a batch, mean", tell: plain, lines: [["rows", "--line-1", [], (p) => p.rows, true]] },
  {
    title: "Waiting",
    tell: plain,
    axis: { incrs: WHOLE },
    lines: [
      ["rows in the queue", "--line-1", [], (p) => p.waiting, true],
      ["requests in flight", "--line-2", [6, 3], (p) => p.flight],
    ],
  },
];

let drawn = null;

/** Draw the points of `series`; `refusal` says why there are none to be had, `example` is a curl for a first request. */
export function showCharts(series, refusal, example) {
  const none = !refusal && series.totals !== null && series.totals.all === 0;
  fill(document.getElementById("quiet"), { refusal, example: none ? example : null, none }, quiet);
  const target = document.getElementById("charts");
  target.hidden = Boolean(refusal) || none;
  if (target.hidden) return;
  drawn ??= build(target);
  for (const chart of drawn) update(chart, series.points);
}

function quiet({ refusal, example, none }) {
  if (refusal) return h("p", { class: "empty" }, refusal);
  if (!none) return null;
  return h(
    "div",
    { class: "empty" },
    h("p", {}, example ? "No requests yet. A first one:" : "No requests yet."),
    example ? command(example, "example request") : null,
  );
}

/** Draw anew: the theme or the width is another. */
export function redraw() {
  for (const chart of drawn ?? []) {
    chart.plot.destroy();
    chart.plot = plotted(chart);
  }
}

function build(target) {
  return CHARTS.map((of) => {
    const legend = of.lines.map(([name, colour, dash]) => {
      const value = h("b", {}, "–");
      return { value, node: h("span", { class: "key" }, swatch(colour, dash), `${name} `, value) };
    });
    const canvas = h("div", { class: "canvas", role: "img", "aria-label": of.title });
    target.append(
      h(
        "figure",
        { class: "chart" },
        h(
          "figcaption",
          {},
          h("h3", {}, of.title),
          h(
            "div",
            { class: "legend" },
            legend.map((one) => one.node),
          ),
        ),
        canvas,
      ),
    );
    const chart = { of, legend, canvas, data: [[], ...of.lines.map(() => [])] };
    chart.plot = plotted(chart);
    new ResizeObserver(() => chart.plot.setSize({ width: canvas.clientWidth, height: HEIGHT })).observe(canvas);
    return chart;
  });
}

function swatch(colour, dash) {
  const line = svg("path", { d: "M0 2h14", "stroke-dasharray": dash.join(" ") });
  return svg("svg", { class: `swatch ${colour.slice(2)}`, viewBox: "0 0 14 4", "aria-hidden": "true" }, line);
}

function plotted(chart) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const font = `11px ${style.getPropertyValue("--sans").trim()}`;
  const axis = {
    stroke: colour("--muted"),
    font,
    ticks: { show: false },
    grid: { stroke: colour("--grid"), width: 1 },
  };
  const { of } = chart;
  return new window.uPlot(
    {
      width: chart.canvas.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      padding: [6, 26, 0, 0],
      cursor: { points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "traffic" } },
      scales: {
        x: { range: shownSpan },
        y: { range: (_, __, high) => [0, high > 0 ? high * 1.15 : 1] },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 26, space: 90, values: (_, at) => at.map(clock) },
        {
          ...axis,
          size: 58,
          space: 42,
          values: (_, at) => at.map((one) => (one === 0 ? "0" : of.tell(one))),
          ...of.axis,
        },
      ],
      series: [
        {},
        ...of.lines.map(([label, name, dash, , filled]) => ({
          label,
          stroke: colour(name),
          fill: filled ? colour(`${name}-soft`) : undefined,
          width: 1.75,
          dash,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: { setCursor: [(plot) => tell(chart, plot.cursor.idx)] },
    },
    chart.data,
    chart.canvas,
  );
}

/** The span of time that is shown, for the first and the last point: from two minutes to a quarter of an hour. */
function shownSpan(_, low, high) {
  if (high === null || high === undefined) return [Date.now() / 1000 - SHORT, Date.now() / 1000];
  return [Math.max(high - LONG, Math.min(low, high - SHORT)), high];
}

function clock(at) {
  return new Date(at * 1000).toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

function update(chart, points) {
  chart.data = [
    points.map((one) => one.at),
    ...chart.of.lines.map(([, , , value]) => points.map((one) => value(one) ?? null)),
  ];
  chart.plot.setData(chart.data);
  tell(chart, chart.plot.cursor.idx);
}

function tell(chart, index) {
  const at = index ?? chart.data[0].length - 1;
  const values = chart.of.lines.map((_, line) => chart.of.tell(chart.data[line + 1][at]));
  values.forEach((value, line) => say(chart.legend[line].value, value));
  chart.canvas.setAttribute(
    "aria-label",
    `${chart.of.title}: ${chart.of.lines.map(([name], line) => `${name} ${values[line]}`).join(", ")}`,
  );
}
