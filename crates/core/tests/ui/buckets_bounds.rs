use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Time to brew.
    #[metric("tea_brew_seconds", buckets = &[1.0, 5.0, 2.0])]
    brew: Histogram<(), Seconds>,
    /// Time to cool.
    #[metric("tea_cool_seconds", buckets = &[1.0, f64::INFINITY])]
    cool: Histogram<(), Seconds>,
}

fn main() {}
