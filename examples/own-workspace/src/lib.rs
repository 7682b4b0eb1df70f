//! A teahouse that is observed: HTTP, its process, and its own domain.

use bellwether_core::{Counter, Gauge, Interned, LabelSet, LabelValue, MetricSet};
use bellwether_http::HttpMetrics;
use bellwether_process::ProcessMetrics;

/// The one list of domains: the service installs it, `xtask` generates from it.
pub type Observed = (HttpMetrics, ProcessMetrics, TeaMetrics);

/// How a cup came out.
#[derive(Clone, Copy, Debug, LabelValue)]
pub enum Outcome {
    /// As it should.
    Poured,
    /// On the floor.
    Spilled,
}

/// A kind of tea, as the menu names it.
#[derive(Clone, Copy, Debug, LabelValue)]
#[label(open, limit = 30)]
pub struct Tea(Interned);

/// The labels of a cup.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct CupLabels {
    /// The tea.
    pub tea: Tea,
    /// How it came out.
    pub outcome: Outcome,
}

/// What the teahouse itself does.
#[derive(Clone, Debug, MetricSet)]
#[metrics(domain = "tea")]
pub struct TeaMetrics {
    /// Cups, by tea and how they came out.
    #[metric("tea_cups_total")]
    pub cups: Counter<CupLabels>,
    /// Guests at the tables.
    #[metric("tea_guests")]
    pub guests: Gauge,
}

#[cfg(feature = "artifacts")]
mod artifacts {
    use bellwether_artifacts::{Alert, Artifacts, Proof, Rules};

    use super::TeaMetrics;

    impl Artifacts for TeaMetrics {
        fn rules() -> Rules {
            let spilled = r#"tea_cups_total{tea="assam",outcome="spilled"}"#;
            Rules::new().alert(
                Alert::new("TeaSpilled", r#"sum by (job) (increase(tea_cups_total{outcome="spilled"}[10m])) > $cups"#)
                    .threshold("cups", 3.0, "cups spilled in ten minutes")
                    .summary("Tea is being spilled")
                    .description("{{ $value | humanize }} cups in ten minutes at {{ $labels.job }}.")
                    .runbook("Somebody pours badly.", &["Look who pours."], &["Take the pot away."])
                    .proof(Proof::fires("a cup a minute", "20m", &[(spilled, "0+1x30")]))
                    .proof(Proof::silent("a dry floor", "20m", &[(spilled, "0x30")])),
            )
        }
    }
}
