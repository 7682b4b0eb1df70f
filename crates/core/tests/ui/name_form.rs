use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct CamelCase {
    /// Cups poured.
    #[metric("teaCups_total")]
    cups: Counter,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Suffix {
    /// Cups on the table.
    #[metric("tea_cups_count")]
    cups: Gauge,
}

fn main() {}
