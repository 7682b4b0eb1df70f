use std::time::Duration;

use bellwether_core::*;

fn brew(brewing: &Histogram<(), Seconds>, water: &Counter<(), Bytes>) {
    brewing.observe((), 250);
    water.add((), Duration::from_secs(1));
    water.inc(());
}

fn main() {}
