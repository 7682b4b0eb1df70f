//! When somebody is woken, with the proof that it works and what they do then.

use bellwether_artifacts::{Alert, Artifacts, Dashboard, Proof, Rules, Severity, Slo};

use crate::metrics::{HttpMetrics, HttpTenantMetrics};

impl Artifacts for HttpMetrics {
    fn dashboard() -> Dashboard {
        crate::dashboard::http()
    }

    fn rules() -> Rules {
        Rules::new()
            .alert(error_ratio_high())
            .alert(latency_high())
            .alert(requests_stuck())
            .alert(auth_failures_high())
            .slo(Slo::availability(
                "http-availability",
                "HttpErrorBudgetBurn",
                0.999,
                "http_requests_total",
                "http_requests_total{status=~\"5..\"}",
            ))
            .slo(Slo::latency(
                "http-latency",
                "HttpLatencyBudgetBurn",
                0.99,
                "http_request_duration_seconds",
                0.5,
                "",
            ))
    }
}

impl Artifacts for HttpTenantMetrics {
    fn dashboard() -> Dashboard {
        crate::dashboard::tenants()
    }
}

const OK: &str = r#"http_requests_total{method="GET",route="/recordings",status="200"}"#;
const FAILED: &str = r#"http_requests_total{method="GET",route="/recordings",status="500"}"#;

fn error_ratio_high() -> Alert {
    Alert::new(
        "HttpErrorRatioHigh",
        "sum by (job) (rate(http_requests_total{status=~\"5..\"}[5m])) / sum by (job) (rate(http_requests_total[5m])) > $ratio \
         and sum by (job) (rate(http_requests_total[5m])) > $traffic",
    )
    .threshold("ratio", 0.05, "share of requests answered with 5xx")
    .threshold("traffic", 0.1, "requests a second below which a ratio says nothing")
    .hold("2m")
    .severity(Severity::Critical)
    .summary("Many requests fail")
    .description("{{ $value | humanizePercentage }} of the requests to {{ $labels.job }} were answered with 5xx over the last five minutes.")
    .runbook(
        "Requests are answered with a status of 500 or above more often than the service may. Users see errors.",
        &[
            "On the HTTP dashboard, \"Errors by route\": one route points at its handler, all of them at a dependency or the process.",
            "On \"Requests by status\": 500 is the service itself, 502 to 504 what stands behind it.",
            "Compare the start with the latest deployment, and look at the database pool: exhausted pools show here first.",
        ],
        &[
            "Roll back a deployment that began just before.",
            "If a dependency is down, follow its alert; turn off what can be turned off until it is back.",
            "If one route is at fault, take it out of service at the proxy.",
        ],
    )
    .proof(Proof::fires("every second request fails", "15m", &[(OK, "0+60x20"), (FAILED, "0+60x20")]))
    .proof(Proof::silent("none fails", "15m", &[(OK, "0+60x20"), (FAILED, "0x20")]))
    .proof(Proof::silent("no traffic at all", "15m", &[(OK, "7x20"), (FAILED, "7x20")]))
    .proof(Proof::silent("one failure in an idle hour", "15m", &[(FAILED, "0x10 1x10")]))
}

const BUCKET: &str = r#"http_request_duration_seconds_bucket{method="GET",route="/recordings",status="200""#;

fn latency_high() -> Alert {
    let bucket = |le: &str| format!("{BUCKET},le=\"{le}\"}}");
    let buckets = [bucket("0.1"), bucket("5.0"), bucket("10.0"), bucket("+Inf")];
    let series = |fast: &'static str| {
        [
            (buckets[0].as_str(), fast),
            (buckets[1].as_str(), fast),
            (buckets[2].as_str(), "0+60x30"),
            (buckets[3].as_str(), "0+60x30"),
        ]
    };
    Alert::new(
        "HttpLatencyHigh",
        "histogram_quantile(0.95, sum by (job, route, le) (rate(http_request_duration_seconds_bucket[5m]))) > $seconds",
    )
    .threshold("seconds", 1.0, "seconds within which 95 % of a route's requests are to be answered")
    .hold("10m")
    .severity(Severity::Warning)
    .summary("A route answers slowly")
    .description("95 % of the requests to {{ $labels.route }} of {{ $labels.job }} take up to {{ $value | humanizeDuration }}.")
    .runbook(
        "One route is slow for ten minutes. A streaming route can be slow by nature: raise the threshold, or serve it apart.",
        &[
            "\"Distribution\" on the HTTP dashboard: a second band is a part of the requests, a shift is all of them.",
            "Database dashboard: query time by table, and whether callers wait for connections.",
            "Process dashboard: CPU, and on tokio whether tasks wait in the global queue.",
        ],
        &["Fix or cache the slow query.", "Add instances if CPU is used up.", "If a dependency is slow, shorten its timeout, so that requests fail fast instead of piling up."],
    )
    .proof(Proof::fires("every request takes 5 to 10 seconds", "25m", &series("0x30")).with_label("route", "/recordings"))
    .proof(Proof::silent("every request is fast", "25m", &series("0+60x30")))
}

fn requests_stuck() -> Alert {
    Alert::new("HttpRequestsStuck", "sum by (job, instance) (http_requests_in_flight) > $requests")
        .threshold("requests", 500.0, "requests in flight in one instance")
        .hold("10m")
        .severity(Severity::Warning)
        .summary("Requests pile up in an instance")
        .description("{{ $labels.instance }} of {{ $labels.job }} has been answering {{ $value | humanize }} requests at once for ten minutes.")
        .runbook(
            "More requests come in than are answered: something that they wait for does not come.",
            &[
                "\"In flight\" by instance: one of them, or all?",
                "Callers waiting on the Database dashboard; busy workers on the Process dashboard.",
            ],
            &["Restart an instance that is alone with it, after taking a stack dump.", "Shed load at the proxy while a dependency recovers."],
        )
        .proof(Proof::fires("a thousand in flight", "15m", &[("http_requests_in_flight", "1000x20")]))
        .proof(Proof::silent("a few in flight", "15m", &[("http_requests_in_flight", "3x20")]))
}

fn auth_failures_high() -> Alert {
    let failure = r#"http_auth_attempts_total{status="failure"}"#;
    let success = r#"http_auth_attempts_total{status="success"}"#;
    Alert::new(
        "HttpAuthFailuresHigh",
        "sum by (job) (rate(http_auth_attempts_total{status=\"failure\"}[10m])) / sum by (job) (rate(http_auth_attempts_total[10m])) > $ratio \
         and sum by (job) (rate(http_auth_attempts_total{status=\"failure\"}[10m])) > $failures",
    )
    .threshold("ratio", 0.5, "share of attempts that fail")
    .threshold("failures", 0.2, "failed attempts a second below which it is only somebody's typing")
    .hold("10m")
    .severity(Severity::Warning)
    .summary("Most attempts to authenticate fail")
    .description("{{ $value | humanizePercentage }} of the attempts to authenticate at {{ $labels.job }} fail.")
    .runbook(
        "Either somebody tries passwords, or clients have credentials that do not work any more.",
        &["The access log: a few addresses with many failures are an attack, many addresses with few a rotation gone wrong."],
        &["Block or rate-limit the addresses.", "If a secret was rotated, bring the old one back until all clients have the new one."],
    )
    .proof(Proof::fires("nothing but failures", "25m", &[(failure, "0+120x30"), (success, "0x30")]))
    .proof(Proof::silent("hardly any failure", "25m", &[(failure, "0+1x30"), (success, "0+120x30")]))
    .proof(Proof::silent("nobody tries", "25m", &[(failure, "0x30"), (success, "0x30")]))
}
