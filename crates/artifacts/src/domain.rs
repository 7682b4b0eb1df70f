//! From the types of a service to its artefacts.

use bellwether_catalog::Metric;
use bellwether_core::{Domains, MetricSet};

use crate::alert::Rules;
use crate::dashboard::Dashboard;

/// The dashboard and the rules of a metric set. The defaults are a dashboard made from the
/// declarations, and no rules: `impl Artifacts for MyMetrics {}` is enough to begin with.
#[diagnostic::on_unimplemented(
    note = "an empty `impl bellwether_artifacts::Artifacts for {Self} {{}}` is enough to begin with"
)]
pub trait Artifacts: MetricSet {
    /// What to show.
    #[must_use]
    fn dashboard() -> Dashboard {
        Dashboard::of_metrics(Self::DOMAIN, &Self::describe())
    }

    /// What to record, promise and alert on.
    #[must_use]
    fn rules() -> Rules {
        Rules::new()
    }
}

/// One domain with everything that is known of it.
#[derive(Clone, Debug)]
pub struct Domain {
    pub(crate) name: &'static str,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) dashboard: Dashboard,
    pub(crate) rules: Rules,
}

impl Domain {
    /// A domain of a metric set.
    #[must_use]
    pub fn of<M: Artifacts>() -> Self {
        Self { name: M::DOMAIN, metrics: M::describe(), dashboard: M::dashboard(), rules: M::rules() }
    }
}

/// The domains of a service: a tuple of [`Artifacts`], the same one that is installed.
pub trait Observed: Domains {
    /// All of them, in the order of the tuple.
    #[must_use]
    fn domains() -> Vec<Domain>;
}

macro_rules! observed {
    ($($set:ident)*) => {
        impl<$($set: Artifacts),*> Observed for ($($set,)*) {
            fn domains() -> Vec<Domain> {
                vec![$(Domain::of::<$set>()),*]
            }
        }
    };
}

observed!();
observed!(A);
observed!(A B);
observed!(A B C);
observed!(A B C D);
observed!(A B C D E);
observed!(A B C D E F);
observed!(A B C D E F G);
observed!(A B C D E F G H);
observed!(A B C D E F G H I);
observed!(A B C D E F G H I J);
observed!(A B C D E F G H I J K);
observed!(A B C D E F G H I J K M);
