use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured.
    cups: Counter,
}

fn main() {}
