//! Answers the commands of `bellwether-bench`, or runs one case alone.

use std::process::ExitCode;

use bellwether_bench_foundations::LIBRARIES;
use bellwether_bench_foundations::driver::{Bench, serve, single};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["serve"] => serve(Bench::new(LIBRARIES.to_vec(), || None)).is_ok(),
        ["--library", library, "--case", case, "--iterations", iterations] => {
            iterations.parse().is_ok_and(|iterations| single(&LIBRARIES, library, case, iterations))
        }
        _ => false,
    };
    if !done {
        eprintln!("usage: serve, or --library NAME --case NAME --iterations N");
    }
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
