// The last quarter of an hour as this page saw it: readings of /metrics, and what happened between them, a point each.

import { grown, quantile, reading, since } from "./metrics.js";

const KEPT = 900; // seconds of points
const SMOOTHED = 10; // seconds that each point looks back, so that a lone request is no spike
const UNSEEN = 75; // seconds without a reading after which a line has a gap; hidden tabs may ask once a minute
const NONE = { seconds: {}, stages: {} };
const NOTHING = { sum: 0, count: 0, buckets: {} };
const STAGES = ["parse", "queue", "predict", "encode"];

/** The points of one model, or of all of them where `model` is null. */
export class Series {
  constructor(model) {
    this.model = model;
    this.points = [];
    this.latest = null;
    this.readings = [];
  }

  /** Take the samples that were read at `at`, in seconds. */
  take(samples, at) {
    const now = reading(samples, this.model);
    const last = this.readings.at(-1);
    const anew = this.latest !== null && this.latest.started !== now.started; // another process, which counts from 0
    if (anew) this.readings = [];
    if (last && (anew || at - last.at > UNSEEN)) this.points.push({ ...NONE, at: last.at + 1 });
    this.latest = now;
    const before = this.readings.findLast((one) => one.at <= at - SMOOTHED) ?? this.readings[0];
    if (before !== undefined && at > before.at) this.points.push(point(now, before.now, at, at - before.at));
    this.readings = [...this.readings.filter((one) => one.at > at - 2 * SMOOTHED), { at, now }];
    while (this.points.length > 0 && this.points[0].at < at - KEPT) this.points.shift();
  }

  get last() {
    return this.points.at(-1) ?? null;
  }

  /** All requests since the server began, how many of them failed, and how many the caller was to blame for. */
  get totals() {
    return this.latest === null ? null : counted(this.latest.faults, {});
  }
}

function point(now, before, at, seconds) {
  const { all, failed, refused } = counted(now.faults, before.faults);
  const batches = since(now.batches, before.batches);
  const one = {
    at,
    rate: all / seconds,
    failed: failed / seconds,
    refused: refused / seconds,
    ok: (all - failed - refused) / seconds,
  };
  Object.assign(one, {
    waiting: now.waiting,
    flight: now.flight,
    rows: batches.count ? batches.sum / batches.count : null,
  });
  const whole = since(now.seconds, before.seconds);
  one.seconds = { p50: quantile(whole, 0.5), p95: quantile(whole, 0.95), p99: quantile(whole, 0.99) };
  one.stages = {};
  for (const stage of STAGES)
    one.stages[stage] = quantile(since(now.stages[stage] ?? NOTHING, before.stages[stage]), 0.95);
  return one;
}

function counted(now, before) {
  const found = { all: 0, failed: 0, refused: 0 };
  for (const [fault, value] of Object.entries(now)) {
    const more = grown(value, before[fault]);
    found.all += more;
    if (fault === "caller") found.refused += more;
    else if (fault !== "none") found.failed += more;
  }
  return found;
}
