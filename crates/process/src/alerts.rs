//! When somebody is woken, with the proof that it works and what they do then.

use bellwether_artifacts::{Alert, Artifacts, Dashboard, Proof, Rules, Severity};

use crate::metrics::ProcessMetrics;

impl Artifacts for ProcessMetrics {
    fn dashboard() -> Dashboard {
        crate::dashboard::process()
    }

    fn rules() -> Rules {
        Rules::new().alert(file_descriptors()).alert(restarting())
    }
}

fn file_descriptors() -> Alert {
    Alert::new("ProcessFileDescriptorsExhausted", "process_open_fds / process_max_fds > $ratio")
        .threshold("ratio", 0.9, "share of the allowed file descriptors that are open")
        .hold("5m")
        .severity(Severity::Critical)
        .summary("A process is about to run out of file descriptors")
        .description("{{ $labels.instance }} of {{ $labels.job }} has {{ $value | humanizePercentage }} of its file descriptors open.")
        .runbook(
            "At the limit the process can open neither files nor connections, nor accept any: it looks alive and answers nobody.",
            &["`ls -l /proc/<pid>/fd`: what are they? Sockets to one address are a client without a pool; files, handles that nobody closes.", "\"Open file descriptors\": a climb without load is a leak."],
            &["Restart the instance to gain time.", "Raise the limit (`LimitNOFILE`, `ulimits`) if the load is real."],
        )
        .proof(Proof::fires("1000 of 1024", "15m", &[("process_open_fds", "1000x20"), ("process_max_fds", "1024x20")]))
        .proof(Proof::silent("20 of 1024", "15m", &[("process_open_fds", "20x20"), ("process_max_fds", "1024x20")]))
}

fn restarting() -> Alert {
    Alert::new("ProcessRestarting", "changes(process_start_time_seconds[1h]) > $starts")
        .threshold("starts", 3.0, "starts of an instance in an hour")
        .hold("1m")
        .severity(Severity::Warning)
        .summary("A process starts again and again")
        .description("{{ $labels.instance }} of {{ $labels.job }} has started {{ $value | humanize }} times in an hour.")
        .runbook(
            "The process ends and is started again by whatever watches it.",
            &["The last lines of its log before each start: a panic, or nothing at all.", "The kernel's log: was it killed for its memory? \"Memory by instance\" shows the climb before."],
            &["Roll back the latest deployment.", "Raise the memory limit if the climb is only the load's."],
        )
        .proof(Proof::fires("a start every five minutes", "60m", &[("process_start_time_seconds", "0x4 300x4 600x4 900x4 1200x4 1500x4 1800x4 2100x4 2400x4 2700x4 3000x4 3300x9")]))
        .proof(Proof::silent("one start", "60m", &[("process_start_time_seconds", "0x30 1800x40")]))
}

#[cfg(feature = "tokio")]
mod runtime {
    use super::*;
    use crate::tokio::TokioMetrics;

    impl Artifacts for TokioMetrics {
        fn dashboard() -> Dashboard {
            crate::dashboard::tokio()
        }

        fn rules() -> Rules {
            Rules::new().alert(workers_busy())
        }
    }

    fn workers_busy() -> Alert {
        Alert::new("TokioWorkersBusy", "rate(tokio_worker_busy_seconds_total[5m]) / tokio_workers > $ratio")
            .threshold("ratio", 0.9, "share of the workers' time spent running tasks")
            .hold("10m")
            .severity(Severity::Warning)
            .summary("The workers of the runtime are busy all the time")
            .description("The tokio workers of {{ $labels.instance }} of {{ $labels.job }} are busy {{ $value | humanizePercentage }} of the time.")
            .runbook(
                "Tasks wait for a worker: everything is late, timers and health checks too.",
                &["CPU near the number of workers: there is simply too much to do.", "CPU far below: tasks block their worker, by a lock, a file or a long computation."],
                &["Add instances or cores.", "Move what blocks into `spawn_blocking`."],
            )
            .proof(Proof::fires("four busy workers", "25m", &[("tokio_worker_busy_seconds_total", "0+240x30"), ("tokio_workers", "4x30")]))
            .proof(Proof::silent("hardly busy", "25m", &[("tokio_worker_busy_seconds_total", "0+6x30"), ("tokio_workers", "4x30")]))
    }
}
