//! The bench: see the library's documentation.

use std::path::PathBuf;
use std::process::ExitCode;

use bellwether_bench::plan::{self, Effort};
use bellwether_bench::{LIBRARIES, driver, programs, report};

const USAGE: &str = "\
usage: bellwether-bench [--quick] [--rounds N] [--write FILE]
       bellwether-bench --library NAME --case NAME --iterations N

--quick       9 short rounds instead of 41, and no instructions counted
--rounds N    so many rounds
--write FILE  puts the tables between the markers of FILE
--library, --case, --iterations
              runs one case alone, to be looked at with valgrind or perf";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut effort = Effort { rounds: 41, slice: 3e6, instructions: true };
    let (mut write, mut library, mut case, mut iterations) = (None, None, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value\n{USAGE}"));
        match argument.as_str() {
            "--quick" => effort = Effort { rounds: 9, slice: 1e6, instructions: false },
            "--rounds" => effort.rounds = value()?.parse::<usize>()?.max(1),
            "--write" => write = Some(PathBuf::from(value()?)),
            "--library" => library = Some(value()?),
            "--case" => case = Some(value()?),
            "--iterations" => iterations = Some(value()?.parse()?),
            _ => return Err(format!("{argument} is unknown\n{USAGE}").into()),
        }
    }
    match (library, case, iterations) {
        (None, None, None) => {}
        (Some(library), Some(case), Some(iterations)) => {
            let found = driver::single(&LIBRARIES, &library, &case, iterations);
            return if found { Ok(()) } else { Err(format!("{library} has no case {case}").into()) };
        }
        _ => return Err(format!("--library, --case and --iterations belong together\n{USAGE}").into()),
    }
    if cfg!(debug_assertions) {
        return Err(
            "without optimisation the figures say nothing: cargo run --release -p bellwether-bench".into()
        );
    }
    let results = plan::run(&programs::build()?, effort)?;
    let tables = report::tables(&results);
    println!("{tables}");
    if let Some(path) = write {
        report::write(&path, &tables)?;
    }
    Ok(())
}
