//! Every case, briefly: the library exports what was recorded.

use bellwether_bench_foundations::LIBRARIES;
use bellwether_bench_foundations::driver::{Bench, Case, Kind};

#[test]
fn the_library_exports_what_was_recorded() {
    let mut bench = Bench::new(LIBRARIES.to_vec(), || None);
    let (mut targets, mut renders) = (0, 0);
    for library in LIBRARIES {
        for case in Case::ALL {
            for threads in [1, 2] {
                let command = format!("record {} {} {threads} 5000", library.name, case.name());
                targets += u32::from(bench.execute(&command).is_some());
            }
        }
        for kind in [Kind::Counters, Kind::Histograms] {
            renders +=
                u32::from(bench.execute(&format!("render {} {} 250", library.name, kind.name())).is_some());
        }
    }
    // 4 cases of closed labels, 3 of any labels, 3 with counters for each thread.
    assert_eq!((targets, renders), (20, 2));
    assert_eq!(bench.execute("check"), Some(vec![22.0]));
}
