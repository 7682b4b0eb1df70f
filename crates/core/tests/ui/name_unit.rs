use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Time to brew.
    #[metric("tea_brew_duration", buckets = &[1.0])]
    brew: Histogram<(), Seconds>,
    /// Water in the kettle.
    #[metric("tea_water_bytes")]
    water: Gauge,
    /// When it was last served.
    #[metric("tea_served_timestamp")]
    served: Gauge<(), Timestamp>,
}

fn main() {}
