//! What is found, and what must not be.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use bellwether_catalog::{Catalog, Kind, Label, Metric, Unit};
use bellwether_promql::{Code, Dimension, Expression, Quantity, Rewrite, check, infer};
use proptest::prelude::*;

fn catalog() -> Catalog {
    Catalog::from_iter([
        Metric::new("http_requests_total", Kind::Counter, Unit::None).labels([
            Label::closed("method", ["GET", "POST"]),
            Label::open("route", 100),
            Label::closed("status", ["200", "404", "500", "503"]),
        ]),
        Metric::new("http_request_duration_seconds", Kind::Histogram, Unit::Seconds)
            .labels([Label::open("route", 100)])
            .buckets(&[0.1, 0.5, 1.0]),
        Metric::new("pool_connections", Kind::Gauge, Unit::None)
            .labels([Label::open("pool", 10), Label::closed("state", ["active", "idle"])]),
        Metric::new("pool_connections_max", Kind::Gauge, Unit::None).labels([Label::open("pool", 10)]),
        Metric::new("cpu_seconds_total", Kind::Counter, Unit::Seconds),
        Metric::new("memory_bytes", Kind::Gauge, Unit::Bytes),
        Metric::new("sent_bytes_total", Kind::Counter, Unit::Bytes),
        Metric::new("start_time_seconds", Kind::Gauge, Unit::Timestamp),
        Metric::new("build_info", Kind::Gauge, Unit::None).labels([Label::open("version", 3)]),
    ])
}

fn codes(expr: &str) -> Vec<Code> {
    check(&Expression::parse(expr).unwrap(), &catalog(), &[])
        .into_iter()
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn what_is_wrong_is_found_at_its_place() {
    use Code::*;
    for (expr, code, place) in [
        ("rate(http_request_total[5m])", UnknownMetric, "http_request_total"),
        ("rate(http_requests_total{path=\"/\"}[5m])", UnknownLabel, "path"),
        ("rate(http_requests_total{status=\"50O\"}[5m])", UnknownValue, "\"50O\""),
        ("rate(http_requests_total{status=~\"6..\"}[5m])", UnknownValue, "\"6..\""),
        ("rate(http_requests_total{status=\"\"}[5m])", UnknownValue, "\"\""),
        ("{__name__=\"http_requests_total\",method=\"get\"}", UnknownValue, "\"get\""),
        ("rate(pool_connections[5m])", RateOfGauge, "pool_connections"),
        ("increase(memory_bytes[1h]) > 5", RateOfGauge, "memory_bytes"),
        ("sum(http_requests_total) > 100", RawCounter, "http_requests_total"),
        ("5 < http_requests_total", RawCounter, "http_requests_total"),
        ("delta(http_requests_total[5m])", DeltaOfCounter, "http_requests_total"),
        ("http_request_duration_seconds > 1", HistogramBaseName, "http_request_duration_seconds"),
        (
            "histogram_quantile(0.9, sum(rate(http_request_duration_seconds_bucket[5m])))",
            QuantileWithoutLe,
            "histogram_quantile",
        ),
        (
            "histogram_quantile(0.9, rate(http_request_duration_seconds_count[5m]))",
            QuantileWithoutLe,
            "histogram_quantile",
        ),
        ("sum by (path) (rate(http_requests_total[5m]))", UnknownLabel, "path"),
    ] {
        let findings = check(&Expression::parse(expr).unwrap(), &catalog(), &[]);
        assert_eq!(findings.len(), 1, "{expr}: {findings:#?}");
        assert_eq!((findings[0].code, &expr[findings[0].span.clone()]), (code, place), "{expr}");
        assert!(!findings[0].fix.is_empty() && !findings[0].reason.is_empty());
    }
}

#[test]
fn the_first_of_equally_near_values_is_offered() {
    let findings = check(&Expression::parse("http_requests_total{status=\"50O\"}").unwrap(), &catalog(), &[]);
    assert_eq!(findings[0].fix, "did you mean \"500\"?");
}

#[test]
fn what_is_sound_is_left_alone() {
    for expr in [
        "up == 0",
        "ALERTS{alertname=\"X\"}",
        "scrape_duration_seconds > 10",
        "job:slo_errors:ratio_rate5m{slo=\"x\"} > 14.4 * 0.001",
        "sum by (job, instance) (rate(http_requests_total{status=~\"5..\"}[5m])) / sum by (job, instance) (rate(http_requests_total[5m])) > 0.05",
        "http_requests_total{nothing=\"\"}",
        "http_requests_total{nothing!=\"x\"}",
        "http_requests_total{status!=\"200\"}",
        "http_requests_total{status=~\"$status\"}",
        "http_requests_total{job=\"a\",instance=~\"b.*\"}",
        "absent(http_requests_total)",
        "sum by (namespace, pod) (rate(http_requests_total{namespace=\"prod\"}[5m]))",
        "count by (__name__, job) (http_requests_total)",
        "http_requests_total - http_requests_total offset 5m > 10",
        "max_over_time(http_requests_total[1h]) - min_over_time(http_requests_total[1h]) > 100",
        "abs(http_requests_total - avg(http_requests_total)) > 5",
        "clamp_max(http_requests_total, 1) == 1",
        "http_requests_total{status=~`[45]\\d\\d`}",
        "http_requests_total{method=~\"[A-Z&&G]+\"}",
        "http_requests_total unless http_requests_total offset 1h",
        "http_requests_total > 0",
        "count(http_requests_total) > 5",
        "resets(http_requests_total[1h]) > 3",
        "max without (state) (pool_connections{state=\"active\"}) / pool_connections_max > 0.9",
        "histogram_quantile(0.9, sum by (le, route) (rate(http_request_duration_seconds_bucket[5m])))",
        "histogram_quantile(0.9, sum without (route, instance) (rate(http_request_duration_seconds_bucket{le!=\"x\"}[5m])))",
        "histogram_quantile(0.9, job:latency:rate5m)",
        "histogram_quantile(0.9, sum by (le) (label_replace(rate(http_request_duration_seconds_bucket[5m]), \"a\", \"$1\", \"route\", \"(.*)\")))",
        "rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])",
        "delta(pool_connections[5m])",
        "deriv(max_over_time(http_requests_total[5m])[1h:5m])",
        "sum by (a) (label_replace(http_requests_total, \"a\", \"$1\", \"route\", \"(.*)\"))",
        "sum by (version) (pool_connections * on (job, instance) group_left (version) build_info)",
        "topk by (route) (3, rate(http_requests_total[5m]))",
        "count_values(\"size\", pool_connections)",
        "sum by (size) (count_values(\"size\", pool_connections))",
        "rate(http_requests_total[5m]) or vector(0)",
        "max_over_time(rate(http_requests_total[5m])[1h:1m]) > bool 3",
        "(time() - start_time_seconds) > 86400",
        "-pool_connections > -5",
        "sum by (job) (rate(http_requests_total[$__rate_interval]))",
    ] {
        assert_eq!(codes(expr), [], "{expr}");
    }
}

#[test]
fn units_follow_from_the_catalog() {
    let seconds = |seconds, bytes| Dimension { seconds, bytes, ..Dimension::ONE };
    for (expr, quantity, dimension) in [
        ("rate(http_requests_total[5m])", Quantity::Rate, seconds(-1, 0)),
        ("rate(sent_bytes_total[5m])", Quantity::Rate, seconds(-1, 1)),
        ("rate(cpu_seconds_total[5m])", Quantity::Rate, seconds(0, 0)),
        ("increase(http_requests_total[5m])", Quantity::Gauge, seconds(0, 0)),
        ("time() - start_time_seconds", Quantity::Gauge, seconds(1, 0)),
        ("memory_bytes / 2", Quantity::Gauge, seconds(0, 1)),
        (
            "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
            Quantity::Quantile,
            seconds(1, 0),
        ),
        (
            "rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m])",
            Quantity::Gauge,
            seconds(1, 0),
        ),
        (
            "sum(rate(http_requests_total{status=~\"5..\"}[5m])) / sum(rate(http_requests_total[5m]))",
            Quantity::Gauge,
            Dimension { ratio: true, ..Dimension::ONE },
        ),
    ] {
        let kind = infer(&Expression::parse(expr).unwrap(), &catalog(), &["job", "instance"]);
        assert_eq!((kind.quantity, kind.dimension), (quantity, Some(dimension)), "{expr}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in "[a-z_{}()\\[\\]\"'`=~!<>+*/ $0-9.,:\\\\éß-]{0,60}") {
        if let Ok(expression) = Expression::parse(&text) {
            let _ = (check(&expression, &catalog(), &[]), infer(&expression, &catalog(), &["job"]));
            let _ = Rewrite::default().apply(&expression);
        }
    }
}
