"""The rows of what serves: workers, releases, the machine; and what is drawn into all panels."""

from form import HERE, MODEL, RATE, Panel, Query, quantile

WORKERS = [
    Panel(
        "Workers by state",
        "Of live, held and leaving releases.",
        [Query(f"sum by (model, state) (pinion_workers{{{MODEL}}})", "{{model}} {{state}}")],
        stacked=True,
    ),
    Panel(
        "Workers that died or were replaced",
        "Within five minutes: without being asked to, and for the memory they took.",
        [
            Query(f"sum by (model) (increase(pinion_worker_deaths_total{{{MODEL}}}[5m]))", "{{model}} died"),
            Query(f"sum by (model) (increase(pinion_worker_recycles_total{{{MODEL}}}[5m]))", "{{model}} replaced"),
        ],
    ),
    Panel(
        "Share of time that workers predict",
        "Of all workers' time: near 100 % there is no more to be had of them.",
        [
            Query(
                f'sum by (model) (rate(pinion_stage_seconds_sum{{{MODEL}, stage="predict"}}{RATE}))'
                f" / sum by (model) (pinion_workers{{{MODEL}}})",
                "{{model}}",
            )
        ],
        "percentunit",
    ),
    Panel(
        "Memory of workers",
        "A saw's teeth are a leak that PINION_WORKER__MAX_MEMORY_BYTES bounds; a step with a release, a larger model.",
        [
            Query(
                f"sum by (instance, model, digest, worker) (pinion_worker_memory_bytes{{{MODEL}}})",
                "{{instance}} {{model}} {{worker}}",
            )
        ],
        "bytes",
        width=12,
    ),
    Panel(
        "Processors that workers use",
        "Cores.",
        [
            Query(
                f"sum by (instance, model, worker) (rate(pinion_worker_cpu_seconds_total{{{MODEL}}}{RATE}))",
                "{{instance}} {{model}} {{worker}}",
            )
        ],
        width=12,
    ),
]

RELEASES = [
    Panel(
        "Not live, though git asks for it",
        "For how long. 0 where what git asks for is live.",
        [
            Query(
                f"(time() - pinion_release_pending_timestamp_seconds{{{HERE}}})"
                f" * (pinion_release_pending_timestamp_seconds{{{HERE}}} > bool 0)",
                "{{instance}}",
            )
        ],
        "s",
    ),
    Panel(
        "Releases that fail now",
        "Why what git asks for is not live; nothing where it is. The runbook has each code: PinionReleaseFailed.",
        [
            Query(
                f"sum by (instance, code) (pinion_release_failure{{{HERE}}}) or sum(pinion_build_info{{{HERE}}}) * 0",
                "{{instance}} {{code}}",
            )
        ],
    ),
    Panel(
        "Releases tried, by outcome",
        "In the time that is shown.",
        [Query(f"sum by (outcome) (increase(pinion_rollouts_total{{{HERE}}}[$__range])) > 0", "{{outcome}}")],
        kind="stat",
        options={"textMode": "value_and_name", "orientation": "horizontal"},
    ),
    Panel(
        "Time to go live",
        "The mean, from when a release was tried: pull, verify, environment, start, golden answers.",
        [
            Query(
                f"sum by (instance) (rate(pinion_rollout_seconds_sum{{{HERE}}}[1h]))"
                f" / sum by (instance) (rate(pinion_rollout_seconds_count{{{HERE}}}[1h]))",
                "{{instance}}",
            )
        ],
        "s",
    ),
    Panel(
        "Live for",
        "Since the last release.",
        [Query(f"time() - (pinion_release_live_timestamp_seconds{{{HERE}}} > 0)", "{{instance}}")],
        "s",
        "stat",
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "Last pull",
        "How long ago DVC brought bytes; nothing where none were needed since the server started.",
        [Query(f"time() - (pinion_last_pull_timestamp_seconds{{{HERE}}} > 0)", "{{instance}}")],
        "s",
        "stat",
        options={"textMode": "value_and_name"},
    ),
]

MACHINE = [
    Panel(
        "Memory",
        "Of the server and of its workers, and what they may take together.",
        [
            Query(f"sum by (instance) (process_resident_memory_bytes{{{HERE}}})", "{{instance}} server"),
            Query(f"sum by (instance) (pinion_worker_memory_bytes{{{HERE}}})", "{{instance}} workers"),
            Query(f"pinion_memory_limit_bytes{{{HERE}}}", "{{instance}} limit"),
        ],
        "bytes",
    ),
    Panel(
        "Processors",
        "Cores that the server and its workers use.",
        [
            Query(f"sum by (instance) (rate(process_cpu_seconds_total{{{HERE}}}{RATE}))", "{{instance}} server"),
            Query(f"sum by (instance) (rate(pinion_worker_cpu_seconds_total{{{HERE}}}{RATE}))", "{{instance}} workers"),
        ],
    ),
    Panel(
        "Lag of the event loop",
        "By how much it comes late, once in a hundred times: all requests wait for it.",
        [Query(quantile(0.99, "pinion_event_loop_lag_seconds", "instance", HERE), "{{instance}}")],
        "s",
    ),
    Panel(
        "Connections",
        "Open, and most at once.",
        [
            Query(f"pinion_connections{{{HERE}}}", "{{instance}}"),
            Query(f"pinion_connections_limit{{{HERE}}}", "{{instance}} limit"),
        ],
    ),
    Panel(
        "File descriptors",
        "Of the server, as a share of those it may open.",
        [Query(f"process_open_fds{{{HERE}}} / process_max_fds{{{HERE}}}", "{{instance}}")],
        "percentunit",
    ),
    Panel(
        "Bodies held",
        "Bytes of requests that are being read or answered, as a share of what may be held.",
        [Query(f"pinion_held_body_bytes{{{HERE}}} / pinion_held_body_limit_bytes{{{HERE}}}", "{{instance}}")],
        "percentunit",
    ),
    Panel(
        "Disk of the state folder",
        "Free, as a share of all of it.",
        [Query(f"pinion_state_disk_free_bytes{{{HERE}}} / pinion_state_disk_size_bytes{{{HERE}}}", "{{instance}}")],
        "percentunit",
    ),
    Panel(
        "Lines of the log lost",
        "Within five minutes: nobody took them.",
        [Query(f"increase(pinion_log_lost_lines_total{{{HERE}}}[5m])", "{{instance}}")],
    ),
    Panel(
        "Certificates end in",
        "Nothing where the server has none.",
        [Query(f"pinion_certificate_expiry_timestamp_seconds{{{HERE}}} - time()", "{{instance}} {{what}}")],
        "s",
        "stat",
        width=4,
        thresholds=[(None, "red"), (2 * 86400, "orange"), (14 * 86400, "green")],
        options={"textMode": "value_and_name"},
    ),
    Panel(
        "Keys and certificates that can't be read",
        "1 where those known before go on. Nothing where the server has none.",
        [Query(f"max by (instance, what) (pinion_access_unreadable{{{HERE}}})", "{{instance}} {{what}}")],
        "short",
        "stat",
        width=4,
        thresholds=[(None, "green"), (1, "red")],
        options={"textMode": "value_and_name"},
    ),
]

# Name, colour, query, title, and whether the query's value is when it happened, in milliseconds.
ANNOTATIONS = [
    (
        "Releases",
        "green",
        f"pinion_live_model_info{{{MODEL}}} * on (job, instance) group_left ()"
        f" (pinion_release_live_timestamp_seconds{{{HERE}}} * 1000)",
        "{{model}} {{revision}} is live on {{instance}}",
        True,
    ),
    (
        "Releases that failed",
        "red",
        f'increase(pinion_rollouts_total{{{HERE}, outcome!~"live|superseded"}}[1m]) > 0',
        "a release failed on {{instance}}: {{outcome}}",
        False,
    ),
]
