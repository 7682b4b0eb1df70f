//! What to look at: what the process uses of what it may use.

use bellwether_artifacts::{Dashboard, Panel};

pub(crate) fn process() -> Dashboard {
    Dashboard::new("process", "Process", "Use, saturation and restarts of the process.")
        .row(
            "Now",
            [
                Panel::stat(
                    "Builds",
                    "How many builds run at once: two are a deployment under way, or one that got stuck.",
                )
                .query("count(count by (version, revision) (build_info))", "builds"),
                Panel::stat("Up since", "Time since the latest start of an instance.")
                    .query("time() - max(process_start_time_seconds)", "youngest")
                    .overview(),
                Panel::stat("CPU", "CPU seconds a second of all instances: 1 is a whole core.")
                    .query("sum(rate(process_cpu_seconds_total[$__rate_interval]))", "cores")
                    .unit("short")
                    .overview(),
                Panel::stat("Memory", "Memory in RAM of the largest instance.")
                    .query("max(process_resident_memory_bytes)", "largest")
                    .overview(),
                Panel::gauge(
                    "File descriptors",
                    "Open file descriptors of those allowed, the fullest instance.",
                    0.0,
                    1.0,
                )
                .query("max(process_open_fds / process_max_fds)", "fullest")
                .alert("ProcessFileDescriptorsExhausted", "ratio"),
            ],
        )
        .row(
            "Use",
            [
                Panel::timeseries(
                    "CPU by instance",
                    "Cores in use. A flat line at a whole number is a limit, or one busy thread.",
                )
                .query(
                    "sum by (instance) (rate(process_cpu_seconds_total[$__rate_interval]))",
                    "{{instance}}",
                )
                .unit("short")
                .min(0.0),
                Panel::timeseries("Memory by instance", "Memory in RAM. A line that only climbs is a leak.")
                    .query("process_resident_memory_bytes", "{{instance}}")
                    .min(0.0),
                Panel::timeseries(
                    "Open file descriptors",
                    "Files, sockets and pipes. They should follow the load, down as well.",
                )
                .query("process_open_fds", "{{instance}}")
                .min(0.0),
            ],
        )
        .row(
            "Threads and restarts",
            [
                Panel::timeseries(
                    "Threads",
                    "Threads of the process: with tokio, workers and blocking calls.",
                )
                .query("process_threads", "{{instance}}")
                .min(0.0),
                Panel::timeseries("Starts", "Starts in the last hour, by instance.")
                    .query("changes(process_start_time_seconds[1h])", "{{instance}}")
                    .alert("ProcessRestarting", "starts")
                    .min(0.0),
                Panel::table("Builds", "Which build runs where.").query("build_info", ""),
            ],
        )
}

#[cfg(feature = "tokio")]
pub(crate) fn tokio() -> Dashboard {
    Dashboard::new("tokio", "Tokio", "Whether the runtime keeps up with its tasks.").row(
        "Runtime",
        [
            Panel::timeseries(
                "Workers busy",
                "Share of the workers' time spent running tasks. Near 1 everything waits, health checks too.",
            )
            .query("rate(tokio_worker_busy_seconds_total[$__rate_interval]) / tokio_workers", "{{instance}}")
            .unit("percentunit")
            .alert("TokioWorkersBusy", "ratio")
            .min(0.0)
            .max(1.0),
            Panel::timeseries("Waiting tasks", "Tasks in the shared queue, ready and waiting for a worker.")
                .query("tokio_global_queue_depth", "{{instance}}")
                .min(0.0),
            Panel::timeseries(
                "Tasks",
                "Tasks that were spawned and have not ended. A steady climb is a leak.",
            )
            .query("tokio_alive_tasks", "{{instance}}")
            .min(0.0),
            Panel::timeseries(
                "Parks",
                "How often workers go to sleep. None under load means that they never get to.",
            )
            .query("rate(tokio_worker_parks_total[$__rate_interval])", "{{instance}}")
            .min(0.0),
        ],
    )
}
