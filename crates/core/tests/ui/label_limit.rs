use bellwether_core::*;

#[derive(Clone, Copy, LabelValue)]
#[label(open)]
struct Unlimited(Interned);

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 0)]
struct Nothing(Interned);

fn main() {}
