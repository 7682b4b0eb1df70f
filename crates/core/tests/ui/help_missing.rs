use bellwether_core::*;

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    #[metric("tea_cups_total")]
    cups: Counter,
}

fn main() {}
