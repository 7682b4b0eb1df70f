use bellwether_core::*;

#[derive(Clone, Copy, LabelValue)]
enum SameText {
    Small,
    #[label("small")]
    Little,
}

#[derive(Clone, Copy, LabelValue)]
enum WithFields {
    Small,
    Big(u32),
}

fn main() {}
