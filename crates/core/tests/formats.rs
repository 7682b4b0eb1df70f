//! Whatever is recorded, both formats carry it: for promtool, and for the parsers of Prometheus'
//! Python client, which read the two formats.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use bellwether_core::{
    Bytes, Config, Count, Counter, Format, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet,
    OpenLabel, Ratio, Registrar, Registration, Seconds, Telemetry, Timestamp,
};
use bellwether_testkit::prometheus::check_metrics;
use bellwether_testkit::python::{Sample, parse};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use proptest::prelude::*;

#[derive(Clone, Copy, LabelValue)]
enum Side {
    Left,
    #[label("right \"\\\n hand")]
    Right,
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 300)]
struct Text(Interned);

#[derive(Clone, Copy, LabelSet)]
struct TextLabels {
    text: Text,
    side: Side,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "texts")]
struct Texts {
    /// Things with a "quote", a back\slash and an é.
    #[metric("texts_total")]
    count: Counter<TextLabels>,
    /// The level of things.
    #[metric("texts_level")]
    level: Gauge<TextLabels>,
    /// How long things take.
    #[metric("texts_duration_seconds", buckets = &[0.5, 1.0])]
    duration: Histogram<TextLabels, Seconds>,
}

type Map = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Samples by identity. Bucket bounds are floats, which the two exporters write differently.
fn map(samples: Vec<Sample>) -> Map {
    let count = samples.len();
    let map: Map = samples
        .into_iter()
        .map(|(name, mut labels, value)| {
            if let Some(le) = labels.get_mut("le") {
                *le = format!("{:?}", le.replace("+Inf", "inf").parse::<f64>().unwrap());
            }
            ((name, labels), value)
        })
        .collect();
    assert_eq!(map.len(), count, "a series stands there twice");
    map
}

/// Both formats, read by both parsers.
fn read(telemetry: &Telemetry) -> [Map; 2] {
    let text = telemetry.render();
    let open = String::from_utf8(telemetry.render_as(Format::OpenMetrics)).unwrap();
    [map(parse(&text, false)), map(parse(&open, true))]
}

fn key(name: &str, labels: &[(&str, &str)]) -> (String, BTreeMap<String, String>) {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    (name.to_owned(), labels.iter().map(pair).collect())
}

/// Texts made of what breaks parsers.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\\",
        "\"",
        "\n",
        "\\n",
        "\\\\",
        "\\\"",
        "{",
        "}",
        ",",
        "=",
        " ",
        "#",
        "\t",
        "\r",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{1f980}",
        "é",
        "a",
        "le=",
        "le=\"1.0\"",
        ",le=",
        "# EOF",
        "} 1",
    ]);
    let text = prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![8 => text, 4 => any::<String>(), 1 => Just("x\"".repeat(5_000)), 1 => Just(String::new())]
}

proptest! {
    // Few cases of many texts: each case starts five processes.
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_goes_through_both_formats(
        texts in prop::collection::btree_set(nasty(), 50..150),
        global in nasty(),
    ) {
        // The setting itself separates pairs by commas and trims them.
        let global = global.replace(',', ";");
        let config = Config::builder().global_labels(&format!("global={global}")).build().unwrap();
        let global = global.trim();
        let (telemetry, (sets,)) = Telemetry::isolated::<(Texts,)>(config).unwrap();
        let texts: BTreeSet<String> = texts.into_iter().filter(|text| text != "other").collect();
        let kept: Vec<Registration<Text>> = texts.iter().map(|text| Text::register(text)).collect();
        for (at, text) in kept.iter().enumerate() {
            let labels = TextLabels { text: **text, side: Side::Right };
            sets.count.add(labels, at as u64 + 1);
            sets.level.shift(labels, -(at as i64));
            sets.duration.observe(labels, Duration::from_millis(750));
        }
        let (clean, said) = check_metrics(&telemetry.render());
        prop_assert!(clean, "{said}");
        for samples in read(&telemetry) {
            for (at, text) in texts.iter().enumerate() {
                let labels = [("global", global), ("text", text.as_str()), ("side", "right \"\\\n hand")];
                let with_le = |le| [&labels[..], &[("le", le)]].concat();
                let at = at as f64;
                for (name, labels, expected) in [
                    ("texts_total", labels.to_vec(), at + 1.0),
                    ("texts_level", labels.to_vec(), -at),
                    ("texts_duration_seconds_bucket", with_le("0.5"), 0.0),
                    ("texts_duration_seconds_bucket", with_le("1.0"), 1.0),
                    ("texts_duration_seconds_bucket", with_le("inf"), 1.0),
                    ("texts_duration_seconds_sum", labels.to_vec(), 0.75),
                    ("texts_duration_seconds_count", labels.to_vec(), 1.0),
                ] {
                    prop_assert_eq!(samples.get(&key(name, &labels)), Some(&expected), "{:?} of {:?}", name, text);
                }
            }
        }
    }

    #[test]
    fn any_text_of_an_uncatalogued_metric_goes_through(texts in prop::collection::btree_set(nasty(), 50..100)) {
        let (telemetry, ()) = support::isolated::<()>();
        with_local_recorder(&telemetry.recorder(), || {
            for text in &texts {
                metrics::counter!("foreign_total", "text" => text.clone(), "z" => "1").increment(3);
                metrics::gauge!("foreign.gauge", "text" => text.clone()).set(-1.5);
                metrics::histogram!("check_sum", "text" => text.clone()).record(0.75);
            }
        });
        let (_, said) = check_metrics(&telemetry.render());
        prop_assert!(!said.contains("error"), "{said}");
        for samples in read(&telemetry) {
            for text in &texts {
                let with = |more: &[(&'static str, &'static str)]| {
                    [&[("text", text.as_str())], more].concat()
                };
                for (name, labels, expected) in [
                    ("foreign_total", with(&[("z", "1")]), 3.0),
                    ("foreign_gauge", with(&[]), -1.5),
                    ("check_sum_bucket", with(&[("le", "0.5")]), 0.0),
                    ("check_sum_bucket", with(&[("le", "1.0")]), 1.0),
                    ("check_sum_bucket", with(&[("le", "inf")]), 1.0),
                    ("check_sum_sum", with(&[]), 0.75),
                    ("check_sum_count", with(&[]), 1.0),
                ] {
                    prop_assert_eq!(samples.get(&key(name, &labels)), Some(&expected), "{:?} of {:?}", name, text);
                }
            }
        }
    }
}

#[derive(Clone, Copy, LabelValue)]
enum Way {
    Up,
    Down,
}

#[derive(Clone, Copy, LabelSet)]
struct Sides {
    side: Way,
}

/// Every kind in every unit that makes sense for it.
#[derive(Clone, MetricSet)]
#[metrics(domain = "units")]
struct Units {
    /// Things counted.
    #[metric("units_things_total")]
    things: Counter<Sides>,
    /// Time counted.
    #[metric("units_busy_seconds_total")]
    busy: Counter<(), Seconds>,
    /// Bytes counted.
    #[metric("units_sent_bytes_total")]
    sent: Counter<(), Bytes>,
    /// Things now.
    #[metric("units_now")]
    now: Gauge<Sides>,
    /// Age now.
    #[metric("units_age_seconds")]
    age: Gauge<(), Seconds>,
    /// Bytes now.
    #[metric("units_held_bytes")]
    held: Gauge<(), Bytes>,
    /// Share now.
    #[metric("units_share_ratio")]
    share: Gauge<(), Ratio>,
    /// Last time.
    #[metric("units_last_timestamp_seconds")]
    last: Gauge<(), Timestamp>,
    /// Sizes in things.
    #[metric("units_batch", buckets = &[0.0, 1.0, 10.0, 1e6])]
    batch: Histogram<Sides, Count>,
    /// Durations.
    #[metric("units_duration_seconds", buckets = &[1e-6, 0.25, 1.0, 2.5])]
    duration: Histogram<(), Seconds>,
    /// Sizes in bytes.
    #[metric("units_size_bytes", buckets = &[1024.0, 1048576.0])]
    size: Histogram<(), Bytes>,
    /// Shares.
    #[metric("units_fill_ratio", buckets = &[0.25, 0.5, 1.0])]
    fill: Histogram<(), Ratio>,
}

impl Units {
    /// Values that a float holds exactly.
    fn record(&self) {
        let side = Sides { side: Way::Down };
        self.things.add(side, 3);
        self.busy.add((), Duration::from_secs(4));
        self.sent.add((), 1 << 40);
        self.now.set(Sides { side: Way::Up }, 1);
        self.now.set(side, 7);
        self.now.shift(side, -9);
        self.age.set((), Duration::from_millis(1_500));
        self.held.set((), 123);
        self.share.set((), -0.125);
        self.last.set((), UNIX_EPOCH + Duration::from_millis(1_700_000_000_500));
        for things in [0, 1, 2, 10, 11, 5_000_000] {
            self.batch.observe(side, things);
        }
        for millis in [0, 250, 251, 1_000, 60_000] {
            self.duration.observe((), Duration::from_millis(millis));
        }
        for bytes in [0, 1_024, 1_025, 1 << 30] {
            self.size.observe((), bytes);
        }
        for share in [0.25, 0.5, 0.75, 1.0] {
            self.fill.observe((), share);
        }
    }
}

#[test]
fn every_kind_and_unit_is_read_as_recorded() {
    let (telemetry, (units,)) = support::isolated::<(Units,)>();
    units.record();
    let (clean, said) = check_metrics(&telemetry.render());
    assert!(clean, "{said}");
    for samples in read(&telemetry) {
        for (name, labels, expected) in [
            ("units_things_total", &[("side", "up")][..], 0.0),
            ("units_things_total", &[("side", "down")], 3.0),
            ("units_busy_seconds_total", &[], 4.0),
            ("units_sent_bytes_total", &[], (1_u64 << 40) as f64),
            ("units_now", &[("side", "down")], -2.0),
            ("units_age_seconds", &[], 1.5),
            ("units_held_bytes", &[], 123.0),
            ("units_share_ratio", &[], -0.125),
            ("units_last_timestamp_seconds", &[], 1_700_000_000.5),
            ("units_batch_count", &[("side", "down")], 6.0),
            ("units_batch_sum", &[("side", "down")], 5_000_024.0),
            ("units_duration_seconds_bucket", &[("le", "0.25")], 2.0),
            ("units_duration_seconds_sum", &[], 61.501),
            ("units_size_bytes_bucket", &[("le", "1024.0")], 2.0),
            ("units_fill_ratio_bucket", &[("le", "0.5")], 2.0),
            ("units_fill_ratio_sum", &[], 2.5),
        ] {
            assert_eq!(samples.get(&key(name, labels)), Some(&expected), "{name}{labels:?}");
        }
    }
}

#[test]
fn the_stock_exporter_says_the_same_where_it_is_right() {
    let (telemetry, (units,)) = support::isolated::<(Units,)>();
    units.record();
    let mut builder = PrometheusBuilder::new();
    for metric in Units::describe().iter().filter(|metric| !metric.buckets.is_empty()) {
        let matcher = metrics_exporter_prometheus::Matcher::Full(metric.name.clone());
        builder = builder.set_buckets_for_metric(matcher, &metric.buckets).unwrap();
    }
    let recorder = builder.build_recorder();
    let stock = recorder.handle();
    Units::register(&Registrar::on(recorder)).record();
    let ours = &read(&telemetry)[0];
    let theirs = map(parse(&stock.render(), false));
    assert!(theirs.len() > 30);
    for (series, value) in theirs {
        assert_eq!(ours.get(&series), Some(&value), "{series:?}");
    }
}

#[test]
fn uncatalogued_metrics_of_all_kinds_are_readable() {
    let (telemetry, ()) = support::isolated::<()>();
    with_local_recorder(&telemetry.recorder(), || {
        metrics::describe_counter!("jobs_total", "Jobs with a \"quote\",\na new line and a back\\slash.");
        metrics::counter!("jobs_total", "queue" => "a").increment(2);
        metrics::counter!("plain.count").increment(1);
        metrics::gauge!("some-depth").set(f64::INFINITY);
        metrics::gauge!("nan").set(f64::NAN);
        for name in ["check_sum", "twitch_account", "batch_bucket", "plain_seconds"] {
            for (queue, value) in [("b", 0.2), ("a", 3.0), ("b", 100.0)] {
                metrics::histogram!(name, "queue" => queue).record(value);
            }
        }
    });
    let (_, said) = check_metrics(&telemetry.render());
    assert!(!said.contains("error"), "{said}");
    for samples in read(&telemetry) {
        assert_eq!(samples[&key("jobs_total", &[("queue", "a")])], 2.0);
        // The client's text parser adds `_total` to every counter.
        let plain = ["plain_count", "plain_count_total"].map(|name| samples.get(&key(name, &[])));
        assert_eq!(plain.into_iter().flatten().collect::<Vec<_>>(), [&1.0]);
        assert_eq!(samples[&key("some_depth", &[])], f64::INFINITY);
        assert!(samples[&key("nan", &[])].is_nan());
        for name in ["check_sum", "twitch_account", "batch_bucket", "plain_seconds"] {
            let of =
                |suffix: &str, labels: &[(&str, &str)]| samples[&key(&format!("{name}{suffix}"), labels)];
            assert_eq!(of("_bucket", &[("queue", "b"), ("le", "0.25")]), 1.0);
            assert_eq!(of("_bucket", &[("queue", "b"), ("le", "inf")]), 2.0);
            assert_eq!(of("_count", &[("queue", "a")]), 1.0);
            assert_eq!(of("_sum", &[("queue", "b")]), 100.2);
        }
    }
}

#[test]
fn the_same_recordings_give_the_same_bytes() {
    let (telemetry, (sets,)) = support::isolated::<(Texts,)>();
    for text in ["b", "a", "c"] {
        sets.count.inc(TextLabels { text: Text::new(text), side: Side::Left });
    }
    let declared = || {
        let text = telemetry.render();
        // What a scrape says about itself changes with each one.
        text.lines().filter(|line| !line.contains("bellwether_scrape")).collect::<Vec<_>>().join("\n")
    };
    let first = declared();
    for _ in 0..5 {
        assert_eq!(declared(), first);
    }
}
