use bellwether_core::*;

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 3000)]
struct Guest(Interned);

#[derive(Clone, Copy, LabelSet)]
struct Labels {
    guest: Guest,
    host: Guest,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured by host and guest.
    #[metric("tea_cups_total")]
    cups: Counter<Labels>,
}

fn main() {}
