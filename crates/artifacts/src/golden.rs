//! What the writers write for one small domain, held against committed files.

use bellwether_core::{Counter, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, Seconds};

use crate::{
    Alert, Artifacts, Dashboard, Domain, Error, Outcome, Output, Panel, Proof, Rules, Settings, Severity,
    Slo, Source, docs, grafana, lint, rules,
};

/// How a cup came out.
#[derive(Clone, Copy, LabelValue)]
#[allow(dead_code, reason = "only its description is used")]
enum Result {
    Poured,
    Spilled,
}

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 5)]
struct Pot(Interned);

#[derive(Clone, Copy, LabelSet)]
#[allow(dead_code, reason = "only its description is used")]
struct CupLabels {
    pot: Pot,
    result: Result,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
#[allow(dead_code, reason = "only its description is used")]
struct Tea {
    /// Cups, by pot and how they came out.
    #[metric("tea_cups_total")]
    cups: Counter<CupLabels>,
    /// Time to pour a cup.
    #[metric("tea_pour_duration_seconds", buckets = &[1.0, 2.5])]
    pour: Histogram<(), Seconds>,
    /// Guests at the tables.
    #[metric("tea_guests")]
    guests: Gauge,
}

impl Artifacts for Tea {
    fn dashboard() -> Dashboard {
        Dashboard::new("tea", "Tea", "Whether there is tea.").variable("pot", "tea_cups_total", "pot").row(
            "Cups",
            [
                Panel::stat("Guests", "Guests now.").query("sum(tea_guests)", "guests").overview(),
                Panel::timeseries("Cups", "Cups a second.")
                    .query(
                        "sum by (result) (rate(tea_cups_total{pot=~\"$pot\"}[$__rate_interval]))",
                        "{{result}}",
                    )
                    .alert("TeaSpilled", "cups"),
                Panel::heatmap("Pouring", "Time to pour.").query(
                    "sum by (le) (increase(tea_pour_duration_seconds_bucket[$__rate_interval]))",
                    "{{le}}",
                ),
            ],
        )
    }

    fn rules() -> Rules {
        let spilled = r#"tea_cups_total{pot="blue",result="spilled"}"#;
        Rules::new()
            .alert(
                Alert::new("TeaSpilled", r#"increase(tea_cups_total{result="spilled"}[10m]) > $cups"#)
                    .threshold("cups", 3.0, "cups in ten minutes")
                    .severity(Severity::Critical)
                    .summary("Tea is being spilled")
                    .description("{{ $value | humanize }} cups.")
                    .runbook("Somebody pours badly.", &["Look who."], &["Take the pot away."])
                    .proof(
                        Proof::fires("a cup a minute", "20m", &[(spilled, "0+1x30")])
                            .with_label("pot", "blue"),
                    )
                    .proof(Proof::silent("none", "20m", &[(spilled, "0x30")])),
            )
            .slo(Slo::latency("pouring", "PouringBudgetBurn", 0.99, "tea_pour_duration_seconds", 1.0, ""))
    }
}

fn source(root: &std::path::Path, settings: &str) -> std::result::Result<Source, Error> {
    let settings = Settings::parse(settings).unwrap();
    Source::new(root.to_owned(), settings, vec![Domain::of::<Tea>()])
}

const SETTINGS: &str = "service = \"house\"\nprefix = \"house\"\n[rules]\nmatchers = { job = \"house\" }\n[thresholds.TeaSpilled]\ncups = 5.0\n";

fn text(output: &Output, path: &str) -> String {
    output.files().find(|(own, _)| *own == std::path::Path::new(path)).unwrap().1.to_owned()
}

#[test]
fn files_are_what_they_were() {
    let source = source("/nowhere".as_ref(), SETTINGS).unwrap();
    let rules = rules::write(&source).unwrap();
    insta::assert_snapshot!("dashboard", text(&grafana::write(&source).unwrap(), "dashboards/tea.json"));
    insta::assert_snapshot!("rules", text(&rules, "alerts/tea.yaml"));
    insta::assert_snapshot!(
        "manifest",
        text(&rules, "alerts/kubernetes/tea.yaml").lines().take(16).collect::<Vec<_>>().join("\n")
    );
    insta::assert_snapshot!(
        "proofs",
        text(&rules, "alerts/tests/tea.yaml").lines().take(40).collect::<Vec<_>>().join("\n")
    );
    let docs = docs::write(&source).unwrap();
    insta::assert_snapshot!("runbook", text(&docs, "docs/runbooks/TeaSpilled.md"));
    insta::assert_snapshot!("metrics", text(&docs, "docs/metrics.md"));
}

#[test]
fn the_same_source_gives_the_same_bytes_and_stale_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), SETTINGS).unwrap();
    let output = rules::write(&source).unwrap();
    let emit = |check| output.emit(folder.path(), check, "cargo xtask rules");
    assert!(matches!(emit(true), Err(Error::Stale { files, .. }) if files.len() == 3));
    assert_eq!(emit(false).unwrap(), Outcome::Written { changed: 3, unchanged: 0 });
    assert_eq!(emit(true).unwrap(), Outcome::Checked(3));
    assert_eq!(rules::write(&source).unwrap().emit(folder.path(), true, "").unwrap(), Outcome::Checked(3));
    let file = folder.path().join("alerts/tea.yaml");
    std::fs::write(&file, "edited").unwrap();
    // One that was generated once and is not any more, and one that somebody wrote.
    std::fs::write(folder.path().join("alerts/old.yaml"), "# Generated by `cargo xtask rules`").unwrap();
    std::fs::write(folder.path().join("alerts/own.yaml"), "groups: []").unwrap();
    let error = emit(true).unwrap_err().to_string();
    assert_eq!(
        error,
        "stale: alerts/tea.yaml, alerts/old.yaml (no longer generated)\nrun `cargo xtask rules` and commit the result"
    );
    emit(false).unwrap();
    assert!(
        !folder.path().join("alerts/old.yaml").exists() && folder.path().join("alerts/own.yaml").exists()
    );
}

#[test]
fn settings_that_name_nothing_are_errors() {
    for (settings, part) in [
        ("[rules]\ndisabled = [\"TeaSpiled\"]", "TeaSpilled"),
        ("[thresholds.Nothing]\ncups = 1.0", "of no alert"),
        ("[thresholds.TeaSpilled]\ncup = 1.0", "no threshold \"cup\""),
        (
            "[[slo]]\nname = \"x\"\nalert = \"X\"\ntarget = 0.9\ntotal = \"a_total\"\nbad = \"b_total\"",
            "b_total is no selector",
        ),
        ("[[slo]]\nname = \"x\"\nalert = \"X\"\ntarget = 2.0\ntotal = \"a\"\nbad = \"b\"", "between 0 and 1"),
        (
            "[[slo]]\nname = \"x\"\nalert = \"X\"\ntarget = 0.9\nhistogram = \"tea_pour_duration_seconds\"\nwithin = 1.5",
            "no bucket",
        ),
    ] {
        let error = source("/nowhere".as_ref(), settings).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_disabled_alert_is_nowhere() {
    let source = source("/nowhere".as_ref(), "[rules]\ndisabled = [\"TeaSpilled\"]").unwrap();
    for output in [rules::write(&source).unwrap(), grafana::write(&source).unwrap()] {
        assert!(output.files().all(|(_, text)| !text.contains("alert: TeaSpilled")));
    }
}

fn findings(files: &[(&str, &str)]) -> std::result::Result<Vec<String>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), SETTINGS).unwrap();
    let mut paths = Vec::new();
    for (name, text) in files {
        paths.push(folder.path().join(name));
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut found = Vec::new();
    lint::run(&source, &paths, false, false, |finding| found.push(finding.to_owned()))?;
    Ok(found)
}

#[test]
fn findings_point_into_the_file() {
    let rules = "groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: |\n          sum(rate(house_tea_cups_total{result=\"spilt\"}[5m]))\n            > 1\n      - record: r:x\n        expr: 'rate(house_tea_guest[5m])'\n";
    let dashboard = r#"{"title": "T", "panels": [{"title": "P", "targets": [{"expr": "rate(house_tea_guests{job=\"$job\"}[5m])"}]}]}"#;
    let found = findings(&[("a.yaml", rules), ("b.json", dashboard)]).unwrap();
    insta::assert_snapshot!("findings", found.join("\n\n"));
}

#[test]
fn files_that_cannot_be_read_are_errors_with_a_place() {
    for (text, part) in [("groups: [", "a.yaml:"), ("a: b: c", "a.yaml:1:"), ("\u{0}\u{1}", "a.yaml:")] {
        let error = findings(&[("a.yaml", text)]).map(|found| found.join("\n")).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(findings(&[("a.yaml", "")]).unwrap(), Vec::<String>::new());
}
