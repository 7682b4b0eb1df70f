//! The tables of `docs/performance.md`.

use std::fmt::Write as _;
use std::io::Error;
use std::path::Path;

use crate::driver::{Case, HISTOGRAM_LINES, Kind, SERIES};
use crate::plan::{RENDERED, Results};

const BEGIN: &str = "<!-- begin: written by the bench -->\n";
const END: &str = "<!-- end: written by the bench -->";
const OWN: &str = "bellwether";

/// Puts the tables between the markers of a page.
///
/// # Errors
/// When the page cannot be read or written, or has no markers.
pub fn write(path: &Path, tables: &str) -> std::io::Result<()> {
    let page = std::fs::read_to_string(path)?;
    let parts = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let Some((head, tail)) = parts else {
        return Err(Error::other(format!("{} has no line `{}`", path.display(), BEGIN.trim_end())));
    };
    std::fs::write(path, format!("{head}{BEGIN}\n{tables}\n{END}{tail}"))
}

/// How many times `a` goes into `b`, for humans.
fn times(b: f64, a: f64) -> String {
    let ratio = b / a;
    if ratio >= 10.0 { format!("{ratio:.0}x") } else { format!("{ratio:.1}x") }
}

fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn millis(nanos: f64) -> String {
    match nanos / 1e6 {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn case_title(case: Case) -> &'static str {
    match case {
        Case::Counter => "counter, no label",
        Case::Labelled => "counter, 3 labels",
        Case::Histogram => "histogram, 11 buckets",
        Case::Http => "HTTP request",
        Case::HttpText => "HTTP request, route as text",
    }
}

/// The own figure and that of the best peer, by name.
fn against(results: &Results, of: impl Fn(&str) -> Option<f64>) -> Option<(f64, f64, &str)> {
    let peers = results.libraries.iter().filter(|name| *name != OWN);
    let best =
        peers.filter_map(|name| Some((of(name)?, name.as_str()))).min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some((of(OWN)?, best.0, best.1))
}

/// All tables, in Markdown.
#[must_use]
pub fn tables(results: &Results) -> String {
    let mut out = machine(results);
    out.push_str(&recording(results));
    out.push_str(&rendering(results));
    out.push_str(&memory(results));
    out.push_str(&blocking(results));
    out.push_str(&goals(results));
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn machine(results: &Results) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{cores} cores of {model}, {os} {arch}; medians over {} interleaved rounds.\n\n", results.rounds)
}

fn header(out: &mut String, first: &str, columns: &[String]) {
    let _ = writeln!(out, "| {first} | {} |", columns.join(" | "));
    let _ = writeln!(out, "|---|{}", "---:|".repeat(columns.len()));
}

fn row(out: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    if cells.iter().any(|cell| !cell.is_empty()) {
        let name = if name == OWN { format!("**{name}**") } else { name.to_owned() };
        let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
    }
}

fn recording(results: &Results) -> String {
    let mut out = "### Recording\n\nNanoseconds per operation on one thread / on each of two threads that share the instruments \
                   (instructions, counted by callgrind).\n\n".to_owned();
    header(&mut out, "", &Case::ALL.map(|case| case_title(case).to_owned()));
    for name in &results.libraries {
        let cell = |case: Case| {
            let time = |threads| results.record.get(&(case.name(), threads, name.clone())).copied();
            let (Some(one), Some(two)) = (time(1), time(2)) else { return String::new() };
            let mut cell = format!("{} / {}", number(one), number(two));
            if let Some(count) = results.instructions.get(&(case.name(), name.clone())) {
                let _ = write!(cell, " ({})", thousands(*count));
            }
            cell
        };
        row(&mut out, name, Case::ALL.into_iter().map(cell));
    }
    if results.disturbed > 0 {
        let (disturbed, all) = (results.disturbed, results.record.len());
        let _ = write!(
            out,
            "\nThe machine was busy: {disturbed} of {all} figures are of rounds in which threads waited for a processor.\n"
        );
    }
    out.push('\n');
    out
}

fn rendering(results: &Results) -> String {
    let mut out = "### Rendering\n\nMilliseconds for one scrape's text.\n\n".to_owned();
    let title = |(kind, series): (Kind, usize)| match kind {
        Kind::Counters => format!("{} counters, 3 labels", thousands(series as f64)),
        Kind::Histograms => format!(
            "{} histograms ({} lines)",
            thousands(series as f64),
            thousands((series * HISTOGRAM_LINES) as f64)
        ),
    };
    header(&mut out, "", &RENDERED.map(title));
    for name in &results.libraries {
        let cell = |(kind, series): (Kind, usize)| {
            let time = results.render.get(&(kind.name(), series, name.clone()));
            time.map_or_else(String::new, |time| millis(*time))
        };
        row(&mut out, name, RENDERED.into_iter().map(cell));
    }
    out.push('\n');
    out
}

const MEMORY: [(Kind, usize); 4] =
    [(Kind::Counters, 1), (Kind::Counters, 4), (Kind::Histograms, 1), (Kind::Histograms, 4)];

fn memory(results: &Results) -> String {
    let mut out = "### Memory\n\nBytes of live memory per series, 100,000 counters and 10,000 histograms, all of them recorded by one thread \
                   or by each of four; allocations of one render of the 100,000 counters.\n\n".to_owned();
    let title = |(kind, threads): (Kind, usize)| {
        format!("{}, {threads} {}", kind.name(), if threads == 1 { "thread" } else { "threads" })
    };
    let mut columns: Vec<String> = MEMORY.into_iter().map(title).collect();
    columns.push("allocations of a render".to_owned());
    header(&mut out, "", &columns);
    for name in &results.libraries {
        let of = |(kind, threads): (Kind, usize)| results.memory.get(&(kind.name(), threads, name.clone()));
        let bytes =
            MEMORY.into_iter().map(|at| of(at).map_or_else(String::new, |(bytes, _)| thousands(*bytes)));
        let allocations = of(MEMORY[0]).map_or_else(String::new, |(_, allocations)| thousands(*allocations));
        row(&mut out, name, bytes.chain([allocations]));
    }
    out.push('\n');
    out
}

fn blocking(results: &Results) -> String {
    let mut out = format!(
        "### Held up by a scrape\n\nMilliseconds that the longest operation of a thread took while another rendered {} counters, \
         and in as long a time without a scrape; medians over 9 scrapes. The scheduler's own interruptions are in both.\n\n",
        thousands(SERIES as f64)
    );
    let columns = ["recording", "without a scrape", "new series", "without a scrape"].map(str::to_owned);
    header(&mut out, "", &columns);
    for name in &results.libraries {
        let Some(times) = results.blocked.get(name) else { continue };
        row(&mut out, name, [0, 2, 1, 3].into_iter().map(|at| millis(times[at])));
    }
    out.push('\n');
    out
}

fn goals(results: &Results) -> String {
    let mut out = "### Goals\n\n".to_owned();
    header(&mut out, "goal", &["Bellwether", "best peer", "", ""].map(str::to_owned));
    let mut goal = |title: &str, met: bool, own: String, peer: String, ratio: String| {
        let _ = writeln!(
            out,
            "| {title} | {own} | {peer} | {ratio} | {} |",
            if met { "met" } else { "**missed**" }
        );
    };
    for case in [Case::Labelled, Case::Histogram, Case::Http] {
        for threads in [1, 2] {
            let of = |name: &str| results.record.get(&(case.name(), threads, name.to_owned())).copied();
            let Some((own, peer, name)) = against(results, of) else { continue };
            let title = format!(
                "{}, {threads} {}: not slower",
                case_title(case),
                if threads == 1 { "thread" } else { "threads" }
            );
            goal(
                &title,
                own <= peer,
                format!("{} ns", number(own)),
                format!("{} ns ({name})", number(peer)),
                times(peer, own),
            );
        }
    }
    let key = |name: &str| (Kind::Counters.name(), SERIES, name.to_owned());
    if let Some((own, peer, name)) = against(results, |name| results.render.get(&key(name)).copied()) {
        let title = "render 100,000 counters: 8 times as fast";
        goal(
            title,
            peer >= 8.0 * own,
            format!("{} ms", millis(own)),
            format!("{} ms ({name})", millis(peer)),
            times(peer, own),
        );
        if let Some(peer) = results.render.get(&key("metrics")) {
            let title = "render 100,000 counters: 100 times as fast as metrics-exporter-prometheus";
            goal(
                title,
                *peer >= 100.0 * own,
                format!("{} ms", millis(own)),
                format!("{} ms", millis(*peer)),
                times(*peer, own),
            );
        }
    }
    let allocations = |name: &str| Some(results.memory.get(&(Kind::Counters.name(), 1, name.to_owned()))?.1);
    if let Some((own, peer, name)) = against(results, allocations) {
        goal(
            "render: no allocation per series",
            own < 1000.0,
            thousands(own),
            format!("{} ({name})", thousands(peer)),
            String::new(),
        );
    }
    for (kind, threads) in MEMORY {
        let of = |name: &str| Some(results.memory.get(&(kind.name(), threads, name.to_owned()))?.0);
        let Some((own, peer, name)) = against(results, of) else { continue };
        let title = format!(
            "memory, {} recorded by {threads} {}: not above",
            kind.name(),
            if threads == 1 { "thread" } else { "threads" }
        );
        goal(&title, own <= peer, format!("{own:.1} B"), format!("{peer:.1} B ({name})"), times(peer, own));
    }
    for (at, what) in [(0, "recording"), (1, "new series")] {
        let of = |name: &str| Some(results.blocked.get(name)?[at]);
        let Some((own, peer, name)) = against(results, of) else { continue };
        let title = format!("{what}: never held up for 1 ms by a scrape");
        goal(
            &title,
            own < 1e6,
            format!("{} ms", millis(own)),
            format!("{} ms ({name})", millis(peer)),
            String::new(),
        );
    }
    out
}
