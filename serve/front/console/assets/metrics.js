// What /metrics says: its text read, and counters and histograms of one model, or of all, compared between two moments.
// Pure.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPED = { n: "\n", "\\": "\\", '"': '"' };

/** Samples by name, each `{labels, value}`, of Prometheus's text format. */
export function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const read = line.startsWith("#") ? null : LINE.exec(line);
    if (read === null) continue;
    if (!found.has(read[1])) found.set(read[1], []);
    found.get(read[1]).push({ labels: labels(read[2] ?? ""), value: number(read[3]) });
  }
  return found;
}

function labels(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(LABEL))
    found[name] = value.replace(/\\(.)/g, (_, one) => ESCAPED[one] ?? one);
  return found;
}

function number(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/** What the console needs of one reading, of `model` or, where that is null, of all of them together. */
export function reading(samples, model) {
  const mine = (name) => (samples.get(name) ?? []).filter((one) => model === null || one.labels.model === model);
  return {
    started: samples.get("process_start_time_seconds")?.[0]?.value ?? null,
    faults: faults(mine("pinion_requests_total")),
    seconds: histograms(mine, "pinion_request_seconds", null)[""] ?? empty(),
    stages: histograms(mine, "pinion_stage_seconds", "stage"),
    batches: histograms(mine, "pinion_batch_rows", null)[""] ?? empty(),
    waiting: total(mine("pinion_queue_rows")),
    flight: model === null ? total(mine("pinion_requests_in_flight")) : null, // nobody counts it by model
    deaths: total(mine("pinion_worker_deaths_total")),
  };
}

function total(samples) {
  return samples.reduce((sum, one) => sum + one.value, 0);
}

/** How many requests ended by whose fault: 'none', 'caller', 'overload', 'model' or 'server'. */
function faults(samples) {
  const found = {};
  for (const { labels, value } of samples) found[labels.fault] = (found[labels.fault] ?? 0) + value;
  return found;
}

function empty() {
  return { sum: 0, count: 0, buckets: {} };
}

function histograms(mine, name, label) {
  const found = {};
  const of = (one) => (found[one.labels[label] ?? ""] ??= empty());
  for (const one of mine(`${name}_sum`)) of(one).sum += one.value;
  for (const one of mine(`${name}_count`)) of(one).count += one.value;
  for (const one of mine(`${name}_bucket`)) {
    const { buckets } = of(one);
    buckets[one.labels.le] = (buckets[one.labels.le] ?? 0) + one.value;
  }
  return found;
}

/** How much a counter grew; from nothing where it fell, for then the server began anew. */
export function grown(now, before) {
  return now >= (before ?? 0) ? now - (before ?? 0) : now;
}

/** What came to a histogram since `before`. */
export function since(now, before = empty()) {
  const anew = now.count < before.count;
  const buckets = {};
  for (const [bound, value] of Object.entries(now.buckets))
    buckets[bound] = value - (anew ? 0 : (before.buckets[bound] ?? 0));
  return { sum: now.sum - (anew ? 0 : before.sum), count: now.count - (anew ? 0 : before.count), buckets };
}

/** The value that the part `q` of a histogram's observations do not exceed, as Prometheus estimates it; null of none. */
export function quantile(histogram, q) {
  const bounds = Object.keys(histogram.buckets)
    .map((le) => [number(le), histogram.buckets[le]])
    .sort((a, b) => a[0] - b[0]);
  const wanted = q * histogram.count;
  if (!(histogram.count > 0) || bounds.length === 0) return null;
  let [low, below] = [0, 0];
  for (const [bound, upTo] of bounds) {
    if (upTo >= wanted && upTo > below)
      return bound === Infinity ? low : low + ((bound - low) * (wanted - below)) / (upTo - below);
    [low, below] = [bound === Infinity ? low : bound, upTo];
  }
  return low;
}
