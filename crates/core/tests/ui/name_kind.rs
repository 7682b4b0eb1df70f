use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured.
    #[metric("tea_cups")]
    cups: Counter,
    /// Cups on the table.
    #[metric("tea_table_total")]
    table: Gauge,
}

fn main() {}
