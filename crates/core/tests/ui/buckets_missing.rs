use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Time to brew.
    #[metric("tea_brew_seconds")]
    brew: Histogram<(), Seconds>,
    /// Cups poured.
    #[metric("tea_cups_total", buckets = &[1.0])]
    cups: Counter,
}

fn main() {}
