use bellwether_core::*;

#[derive(Clone, Copy, LabelValue)]
enum Size {
    Small,
}

#[derive(Clone, Copy, LabelSet)]
struct OfBuckets {
    le: Size,
}

#[derive(Clone, Copy, LabelSet)]
struct OfTargets {
    #[label("job")]
    size: Size,
}

#[derive(Clone, Copy, LabelSet)]
struct OfPrometheus {
    __size: Size,
}

#[derive(Clone, Copy, LabelSet)]
struct Twice {
    size: Size,
    #[label("size")]
    other: Size,
}

fn main() {}
