//! What is measured, and in which order.

use std::collections::BTreeMap;
use std::path::Path;

use crate::driver::{Case, Kind, SERIES};
use crate::programs::{Paths, Program, instructions};

/// Series of the render cases: counters, and histograms with as many lines.
pub const RENDERED: [(Kind, usize); 4] = [
    (Kind::Counters, 1_000),
    (Kind::Counters, 10_000),
    (Kind::Counters, SERIES),
    (Kind::Histograms, SERIES / crate::driver::HISTOGRAM_LINES),
];

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Rounds over all cases of all libraries.
    pub rounds: usize,
    /// Nanoseconds that one library spends in one case in one round.
    pub slice: f64,
    /// Whether instructions are counted.
    pub instructions: bool,
}

/// Medians over the rounds, by what was measured and library.
#[derive(Default)]
pub struct Results {
    /// The libraries in the order of the tables.
    pub libraries: Vec<String>,
    /// How many rounds there were.
    pub rounds: usize,
    /// Figures of the recording table that were not measured undisturbed often enough.
    pub disturbed: usize,
    /// Nanoseconds per operation by case and threads.
    pub record: BTreeMap<(&'static str, usize, String), f64>,
    /// Instructions per operation by case.
    pub instructions: BTreeMap<(&'static str, String), f64>,
    /// Nanoseconds of a render by kind and series.
    pub render: BTreeMap<(&'static str, usize, String), f64>,
    /// Bytes per series, allocations of a render, by kind and threads.
    pub memory: BTreeMap<(&'static str, usize, String), (f64, f64)>,
    /// Nanoseconds blocked: recording and new series during a scrape, both without one.
    pub blocked: BTreeMap<String, Vec<f64>>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs everything.
///
/// # Errors
/// When a child ends.
pub fn run(paths: &Paths, effort: Effort) -> std::io::Result<Results> {
    let mut results = Results { rounds: effort.rounds, ..Results::default() };
    memory(paths, &mut results)?;
    let mut programs = vec![Program::own(), Program::start(&paths.foundations)?];
    // Library by library from both programs, so that rounds go through all of them.
    let owners: Vec<(usize, String)> = programs
        .iter()
        .enumerate()
        .flat_map(|(at, program)| program.names().into_iter().map(move |name| (at, name)))
        .collect();
    results.libraries = owners.iter().map(|(_, name)| name.clone()).collect();
    record(&mut programs, &owners, effort, &mut results)?;
    render(&mut programs, &owners, effort, &mut results)?;
    for (at, name) in &owners {
        eprintln!("blocked: {name}");
        if let Some(times) = programs[*at].ask(&format!("blocked {name} {SERIES}"))? {
            results.blocked.insert(name.clone(), times);
        }
    }
    for program in &mut programs {
        program.ask("check")?;
    }
    if effort.instructions {
        let files: [&Path; 2] = [&paths.own, &paths.foundations];
        for (at, name) in &owners {
            for case in Case::ALL {
                eprintln!("instructions: {name} {}", case.name());
                if let Some(count) = instructions(files[*at], name, case.name()) {
                    results.instructions.insert((case.name(), name.clone()), count);
                }
            }
        }
    }
    Ok(results)
}

/// First, and in processes of their own: nothing is kept from other cases.
fn memory(paths: &Paths, results: &mut Results) -> std::io::Result<()> {
    for path in [&paths.memory, &paths.foundations_memory] {
        for name in Program::start(path)?.names() {
            for (kind, series) in [(Kind::Counters, SERIES), (Kind::Histograms, SERIES / 10)] {
                for threads in [1, 4] {
                    eprintln!("memory: {name} {} by {threads}", kind.name());
                    let command = format!("memory {name} {} {series} {threads}", kind.name());
                    if let Some(numbers) = Program::start(path)?.ask(&command)? {
                        let key = (kind.name(), threads, name.clone());
                        results.memory.insert(key, (numbers[0], numbers[1]));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Each round begins with another library: the first one after a change of program or case finds the
/// caches cold.
fn turns<T>(owners: &[T], round: usize) -> impl Iterator<Item = &T> {
    owners.iter().cycle().skip(round % owners.len()).take(owners.len())
}

fn record(
    programs: &mut [Program],
    owners: &[(usize, String)],
    effort: Effort,
    results: &mut Results,
) -> std::io::Result<()> {
    let mut times: BTreeMap<_, (usize, Vec<(f64, f64)>)> = BTreeMap::new();
    for round in 0..=effort.rounds {
        eprintln!("recording: round {round} of {}", effort.rounds);
        for case in Case::ALL {
            for threads in [1, 2] {
                for (at, name) in turns(owners, round) {
                    let key = (case.name(), threads, name.clone());
                    // The first round tells how many operations fill a slice, and is not counted.
                    let iterations = times.get(&key).map_or(2_000, |(iterations, _)| *iterations);
                    let command = format!("record {name} {} {threads} {iterations}", case.name());
                    let Some(numbers) = programs[*at].ask(&command)? else { continue };
                    if round == 0 {
                        let iterations = (effort.slice / numbers[0]).clamp(500.0, 1e6) as usize;
                        times.insert(key, (iterations, Vec::new()));
                    } else if let Some((_, times)) = times.get_mut(&key) {
                        times.push((numbers[0], numbers[1]));
                    }
                }
            }
        }
    }
    for (key, (_, times)) in times {
        let calm: Vec<f64> =
            times.iter().filter(|(_, waited)| *waited == 0.0).map(|(time, _)| *time).collect();
        // On a machine that never is calm, all of them have to do.
        let enough = calm.len() >= effort.rounds.div_ceil(8);
        let times = if enough { calm } else { times.into_iter().map(|(time, _)| time).collect() };
        results.disturbed += usize::from(!enough);
        results.record.insert(key, median(times));
    }
    Ok(())
}

fn render(
    programs: &mut [Program],
    owners: &[(usize, String)],
    effort: Effort,
    results: &mut Results,
) -> std::io::Result<()> {
    let mut times: BTreeMap<_, Vec<f64>> = BTreeMap::new();
    for round in 0..effort.rounds {
        eprintln!("render: round {} of {}", round + 1, effort.rounds);
        for (kind, series) in RENDERED {
            for (at, name) in turns(owners, round) {
                let command = format!("render {name} {} {series}", kind.name());
                let Some(numbers) = programs[*at].ask(&command)? else { continue };
                times.entry((kind.name(), series, name.clone())).or_default().push(numbers[0]);
            }
        }
    }
    results.render.extend(times.into_iter().map(|(key, times)| (key, median(times))));
    Ok(())
}
