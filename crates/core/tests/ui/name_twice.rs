use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured.
    #[metric("tea_cups_total")]
    cups: Counter,
    /// Cups poured again.
    #[metric("tea_cups_total")]
    again: Counter,
}

fn main() {}
