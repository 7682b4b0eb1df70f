//! The dashboard and alerts of the recorder's own metrics.

use bellwether_core::SelfMetrics;

use crate::alert::{Alert, Proof, Rules, Severity};
use crate::dashboard::{Dashboard, Panel};
use crate::domain::Artifacts;

impl Artifacts for SelfMetrics {
    fn dashboard() -> Dashboard {
        Dashboard::new("bellwether", "Metrics", "Whether the metrics themselves are well.")
            .row("Series", [
                Panel::timeseries("Series", "Series of declared metrics, per instance. Near the limit, new label values are counted as `other`.")
                    .query("bellwether_series", "{{instance}}")
                    .query("min(bellwether_series_limit)", "limit")
                    .min(0.0),
                Panel::timeseries("Overflow", "Recordings counted as `other`, by metric and label. Any growth means that a limit is too low or a label is wrong.")
                    .query("sum by (metric, label) (rate(bellwether_label_overflow_total[$__rate_interval]))", "{{metric}} {{label}}")
                    .min(0.0),
            ])
            .row("Scrape", [
                Panel::timeseries("Scrape duration", "Time to write the answer, p95. It should be far below the scrape interval.")
                    .quantiles("bellwether_scrape_duration_seconds", "", &[0.95])
                    .min(0.0),
                Panel::timeseries("Scrape size", "Bytes of the latest answer before compression, per instance.")
                    .query("bellwether_scrape_size_bytes", "{{instance}}")
                    .min(0.0),
                Panel::timeseries("Rejected scrapes", "Scrapes turned away, by reason. Credentials that fail at a steady rate are a misconfigured scraper.")
                    .query("sum by (reason) (rate(bellwether_scrapes_rejected_total[$__rate_interval]))", "{{reason}}")
                    .min(0.0),
                Panel::timeseries("Refused names", "Attempts to use a declared metric's name through the facade's macros. Each is a bug in the code that does it.")
                    .query("sum by (instance) (rate(bellwether_uncatalogued_conflicts_total[$__rate_interval]))", "{{instance}}")
                    .min(0.0),
            ])
    }

    fn rules() -> Rules {
        Rules::new()
            .alert(
                Alert::new(
                    "BellwetherLabelOverflow",
                    "sum by (job, metric, label) (increase(bellwether_label_overflow_total[30m])) > $recordings",
                )
                .threshold("recordings", 0.0, "recordings in 30 minutes that lost their label value")
                .hold("15m")
                .severity(Severity::Warning)
                .summary("Label values of a metric are being folded into `other`")
                .description("{{ $labels.metric }} of {{ $labels.job }} got more values of {{ $labels.label }} than it may keep; {{ $value | humanize }} recordings in 30 minutes were counted as `other`.")
                .runbook(
                    "An open label has more different values than its limit, or a service more series than SERIES_LIMIT. Totals stay right; the split by that label does not.",
                    &[
                        "Look at the values the label has now: `count by (<label>) (<metric>)`. Ids, names of users or raw paths do not belong in a label.",
                        "`label=\"combination\"` means the limit of the label set or of the service, not of one label.",
                    ],
                    &["If the values are right, raise `limit` at the label's declaration (and check `cargo xtask cardinality`).", "If they are not, fix what produces them, and restart: values are kept for the life of the process."],
                )
                .proof(
                    Proof::fires("a steady overflow", "50m", &[(r#"bellwether_label_overflow_total{metric="http_requests_total",label="route"}"#, "0+10x60")])
                        .with_label("metric", "http_requests_total"),
                )
                .proof(Proof::silent("none", "50m", &[(r#"bellwether_label_overflow_total{metric="http_requests_total",label="route"}"#, "0x60")])),
            )
            .alert(
                Alert::new(
                    "BellwetherScrapesUnauthorized",
                    r#"sum by (job) (increase(bellwether_scrapes_rejected_total{reason="credentials"}[15m])) > $scrapes"#,
                )
                .threshold("scrapes", 5.0, "rejected scrapes in 15 minutes")
                .hold("5m")
                .severity(Severity::Info)
                .summary("Somebody scrapes with wrong credentials")
                .description("{{ $value | humanize }} scrapes of {{ $labels.job }} in 15 minutes came without the right credentials.")
                .runbook(
                    "Scrapes reach the service, but without the password or token that it asks for.",
                    &["Compare the scraper's configuration with BASIC_AUTH_* and BEARER_TOKEN_FILE of the service; both are read at the start only."],
                    &["Give the scraper the new secret, or restart the service after a rotation.", "If the scraper is not yours, restrict ALLOW to your networks."],
                )
                .proof(Proof::fires("a scraper with an old token", "25m", &[(r#"bellwether_scrapes_rejected_total{reason="credentials"}"#, "0+4x30")]))
                .proof(Proof::silent("none", "25m", &[(r#"bellwether_scrapes_rejected_total{reason="credentials"}"#, "0x30")])),
            )
    }
}
