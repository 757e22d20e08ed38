"""The rows of who is served, how fast, and what waits. Where a query is of rates, a gap is a time without traffic."""

from form import ANSWERED, ASKED, FAILS, HERE, MODEL, NO_YES, RATE, Panel, Query, quantile, ratio, stat

GLANCE = [
    stat(
        "Ready",
        "Servers to which requests are to be sent, of all that are scraped.",
        f"sum(pinion_ready{{{HERE}}}) / count(pinion_ready{{{HERE}}})",
        "percentunit",
        [(None, "red"), (0.5, "orange"), (1, "green")],
    ),
    stat("Requests", "Inference requests a second.", f"sum(rate(pinion_requests_total{{{ASKED}}}{RATE}))", "reqps", ()),
    stat(
        "Requests that fail",
        "Of those that are no caller's fault: refused, late, or failed in the model or the server. 0.1 % is allowed.",
        ratio(ASKED),
        "percentunit",
        [(None, "green"), (0.001, "orange"), (0.0144, "red")],
    ),
    Panel(
        "Latency",
        "Of answers, inside Pinion: half of them, and all but one in a hundred, take no longer.",
        [
            Query(
                f"histogram_quantile(0.5, sum by (le) (rate(pinion_request_seconds_bucket{{{ANSWERED}}}{RATE})))", "p50"
            ),
            Query(
                f"histogram_quantile(0.99, sum by (le) (rate(pinion_request_seconds_bucket{{{ANSWERED}}}{RATE})))",
                "p99",
            ),
        ],
        "s",
        "stat",
        4,
        4,
        thresholds=[(None, "green"), (1, "orange")],
    ),
    stat(
        "Queue",
        "Seconds that who comes now would wait for a worker.",
        f"max(pinion_queue_wait_seconds{{{MODEL}}})",
        "s",
        [(None, "green"), (1, "orange"), (10, "red")],
    ),
    stat(
        "What git asks for is live",
        "On every server. Where not, the row Releases says why.",
        f"min(pinion_release_pending_timestamp_seconds{{{HERE}}} == bool 0)",
        "short",
        [(None, "text")],
        mappings=NO_YES,
    ),
    Panel(
        "Live",
        "Which revision of each model answers, on how many servers.",
        [Query(f"count by (model, revision, digest, run) (pinion_live_model_info{{{MODEL}}})")],
        kind="table",
        width=24,
        height=5,
        transformations=[
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {"model": 0, "revision": 1, "digest": 2, "run": 3, "Value": 4},
                    "renameByName": {"Value": "servers"},
                },
            }
        ],
    ),
]

TRAFFIC = [
    Panel(
        "Requests",
        "By model and revision: a release shows as one colour that takes over from another.",
        [
            Query(
                f'sum by (model, revision) (rate(pinion_requests_total{{{MODEL}, outcome="ok"}}{RATE}))',
                "{{model}} {{revision}}",
            )
        ],
        "reqps",
        stacked=True,
    ),
    Panel(
        "Requests that fail, by outcome",
        "Through no fault of their callers. The runbook says what to do for each: PinionErrorsHigh.",
        [
            Query(
                f"sum by (model, fault, outcome) (rate(pinion_requests_total{{{ASKED}, {FAILS}}}{RATE}))",
                "{{model}} {{outcome}} ({{fault}})",
            )
        ],
        "reqps",
        stacked=True,
    ),
    Panel(
        "Share of requests that fail",
        "Of those that are no caller's fault.",
        [Query(ratio(ASKED), "all")],
        "percentunit",
    ),
    Panel(
        "Requests refused as wrong",
        "What callers must change, and who left before the answer.",
        [Query(f'sum by (outcome) (rate(pinion_requests_total{{{ASKED}, fault="caller"}}{RATE}))', "{{outcome}}")],
        "reqps",
        stacked=True,
    ),
    Panel(
        "By dialect and status",
        "As they were answered: over HTTP by status, over gRPC by its name.",
        [
            Query(
                f"sum by (dialect, status) (rate(pinion_request_seconds_count{{{ASKED}}}{RATE}))",
                "{{dialect}} {{status}}",
            )
        ],
        "reqps",
        stacked=True,
    ),
    Panel(
        "In flight",
        "Requests taken and not answered yet.",
        [Query(f"pinion_requests_in_flight{{{HERE}}}", "{{instance}}")],
    ),
]

LATENCY = [
    Panel(
        "Answers, end to end",
        "Inside Pinion, from when a request was here whole until its answer was ready.",
        [
            Query(quantile(share, "pinion_request_seconds", "model", ANSWERED), f"{{{{model}}}} p{share * 100:g}")
            for share in (0.5, 0.9, 0.99)
        ],
        "s",
    ),
    Panel(
        "Where the time goes",
        "The mean of each stage. 'predict' is a whole batch's.",
        [
            Query(
                f"sum by (model, stage) (rate(pinion_stage_seconds_sum{{{MODEL}}}{RATE}))"
                f" / sum by (model, stage) (rate(pinion_stage_seconds_count{{{MODEL}}}{RATE}))",
                "{{model}} {{stage}}",
            )
        ],
        "s",
        stacked=True,
    ),
    Panel(
        "The slowest of each stage",
        "All but one in a hundred take no longer.",
        [Query(quantile(0.99, "pinion_stage_seconds", "model, stage", MODEL), "{{model}} {{stage}}")],
        "s",
    ),
    Panel(
        "Answers by how long they took",
        "Two bands are two kinds of requests, or a worker that is slower than others.",
        [Query(f"sum by (le) (increase(pinion_request_seconds_bucket{{{ANSWERED}}}{RATE}))", "{{le}}")],
        kind="heatmap",
        width=24,
    ),
]

BATCHING = [
    Panel(
        "Rows in a batch",
        "The mean, and all but one in twenty. Batches grow as the queue does.",
        [
            Query(
                f"sum by (model) (rate(pinion_batch_rows_sum{{{MODEL}}}{RATE}))"
                f" / sum by (model) (rate(pinion_batch_rows_count{{{MODEL}}}{RATE}))",
                "{{model}} mean",
            ),
            Query(quantile(0.95, "pinion_batch_rows", "model", MODEL), "{{model}} p95"),
        ],
    ),
    Panel(
        "Rows answered",
        "A second.",
        [Query(f"sum by (model) (rate(pinion_batch_rows_sum{{{MODEL}}}{RATE}))", "{{model}}")],
        "ops",
    ),
    Panel(
        "Rows waiting",
        "For a worker, and how many may.",
        [
            Query(f"sum by (model) (pinion_queue_rows{{{MODEL}}})", "{{model}}"),
            Query(f"min(pinion_queue_limit_rows{{{HERE}}})", "limit"),
        ],
    ),
    Panel(
        "Wait",
        "Seconds that who comes now would wait for a worker, as predicted; 429 says it is too long.",
        [Query(f"max by (model, instance) (pinion_queue_wait_seconds{{{MODEL}}})", "{{model}} {{instance}}")],
        "s",
    ),
    Panel(
        "Rows that no worker got",
        "Their callers were gone, or past their deadline.",
        [Query(f"sum by (model, reason) (rate(pinion_dropped_rows_total{{{MODEL}}}{RATE}))", "{{model}} {{reason}}")],
        "ops",
    ),
    Panel(
        "Chunks of streamed answers",
        "A second; none where no model streams.",
        [Query(f"sum by (model) (rate(pinion_chunks_total{{{MODEL}}}{RATE})) or vector(0)", "{{model}}")],
        "ops",
    ),
]
