//! Every case of every library, briefly: the bench runs, and its own assertions hold.

use bellwether_bench::LIBRARIES;
use bellwether_bench::driver::{Bench, Case, Kind, exported, place};
use bellwether_bench::{plan, report};

fn bench() -> Bench {
    Bench::new(LIBRARIES.to_vec(), || None)
}

#[test]
fn every_library_exports_what_was_recorded() {
    let mut bench = bench();
    let mut targets = 0;
    for library in LIBRARIES {
        for case in Case::ALL {
            for threads in [1, 2] {
                let command = format!("record {} {} {threads} 5000", library.name, case.name());
                let times = bench.execute(&command).unwrap_or_else(|| panic!("{command}"));
                assert!(times[0] > 0.0, "{command}");
                targets += 1;
            }
        }
    }
    // Panics where a total is wrong.
    assert_eq!(bench.execute("check"), Some(vec![f64::from(targets)]));
}

#[test]
fn every_library_renders_every_series() {
    let mut bench = bench();
    for library in LIBRARIES {
        for kind in [Kind::Counters, Kind::Histograms] {
            // The first render asserts the number of series and their totals.
            let command = format!("render {} {} 250", library.name, kind.name());
            let numbers = bench.execute(&command).unwrap_or_else(|| panic!("{command}"));
            assert!(numbers[1] > 10_000.0, "{command}: {numbers:?}");
        }
    }
}

#[test]
fn a_scrape_and_a_recorder_run_side_by_side() {
    let times = bench().execute("blocked bellwether 2000").unwrap();
    assert_eq!(times.len(), 4);
    assert_eq!(bench().execute("memory bellwether counters 100 1"), None, "this program does not count");
}

#[test]
fn what_is_none_of_the_bench_has_no_answer() {
    for command in ["", "record nobody counter 1 10", "record bellwether nothing 1 10", "render bellwether"] {
        assert_eq!(bench().execute(command), None, "{command}");
    }
}

#[test]
fn totals_are_read_from_series_of_that_name_only() {
    let text = "# HELP a_total 9\na_total{x=\"} 1\"} 2\na_total 3.5\na_total_more 7\n";
    assert_eq!(exported(text, "a_total"), 5.5);
    assert_eq!(place(12_345), (123, 4, 5));
}

#[test]
fn tables_stand_between_the_markers() {
    let mut results =
        plan::Results { libraries: vec!["bellwether".into(), "peer".into()], ..Default::default() };
    for (name, time) in [("bellwether", 5.0), ("peer", 10.0)] {
        for threads in [1, 2] {
            results.record.insert(("labelled", threads, name.into()), time);
        }
    }
    let tables = report::tables(&results);
    assert!(
        tables
            .contains("| counter, 3 labels, 1 thread: not slower | 5.00 ns | 10.0 ns (peer) | 2.0x | met |"),
        "{tables}"
    );
    let page = std::env::temp_dir().join(format!("bellwether-bench-{}.md", std::process::id()));
    std::fs::write(&page, "no markers").unwrap();
    assert!(report::write(&page, &tables).is_err());
    let markers =
        "head\n<!-- begin: written by the bench -->\nold\n<!-- end: written by the bench -->\ntail\n";
    std::fs::write(&page, markers).unwrap();
    report::write(&page, &tables).unwrap();
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::remove_file(&page).unwrap();
    assert!(text.starts_with("head\n") && text.ends_with("\ntail\n") && !text.contains("old"), "{text}");
}
