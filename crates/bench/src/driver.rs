//! What a case is, and how one is run: shared by every program of the bench, so that all libraries
//! go through the same loops. Uses nothing but `std`: `bench-foundations` includes this file.
//!
//! A program answers one command per line with numbers; see [`Bench::execute`]. The leading program
//! asks its own [`Bench`] in the same way as those of its children.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::{black_box, spin_loop};
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Entries of the table of label combinations and values: enough that no branch predictor knows
/// them by heart, few enough to stay in the cache.
pub const TABLE: usize = 4096;

/// Upper bounds of every histogram, in seconds.
pub const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Lines that a histogram's series has in the exposition.
pub const HISTOGRAM_LINES: usize = BUCKETS.len() + 3;

/// Methods, operations, outcomes, routes and statuses.
pub const SIZES: [usize; 5] = [4, 8, 4, 16, 8];

/// One entry of the table.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Indices of a method, an operation, an outcome, a route and a status.
    pub labels: [usize; 5],
    /// A time that a request took, in nanoseconds.
    pub nanos: u64,
}

fn random(state: &mut u64) -> u64 {
    // SplitMix64: every run and every library sees the same table.
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The table in the form that a library takes its labels and values in.
#[must_use]
pub fn table<T>(of: impl FnMut(Sample) -> T) -> Box<[T; TABLE]> {
    let mut state = 7;
    let sample = |_| {
        let labels = SIZES.map(|size| random(&mut state) as usize % size);
        // From 1 ms to 10 s, as likely in every decade: all buckets are met.
        let exponent = random(&mut state) as f64 / u64::MAX as f64 * 4.0;
        Sample { labels, nanos: (1e6 * 10_f64.powf(exponent)) as u64 }
    };
    let table: Box<[T]> = (0..TABLE).map(sample).map(of).collect();
    table.try_into().unwrap_or_else(|_| unreachable!("the table has TABLE entries"))
}

/// The loop of every recording case.
#[inline(always)]
pub fn each<T>(table: &[T; TABLE], from: usize, iterations: usize, mut record: impl FnMut(&T)) {
    for at in from..from + iterations {
        record(black_box(&table[at % TABLE]));
    }
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// An increment of a counter without labels.
    Counter,
    /// An increment of a counter with three labels from closed sets.
    Labelled,
    /// An observation of a histogram with 11 buckets.
    Histogram,
    /// An HTTP request: in-flight gauge up and down, counter and histogram by method, route and
    /// status; the route in the form that is the fastest.
    Http,
    /// The same with the route as text.
    HttpText,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Counter, Self::Labelled, Self::Histogram, Self::Http, Self::HttpText];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Labelled => "labelled",
            Self::Histogram => "histogram",
            Self::Http => "http",
            Self::HttpText => "http-text",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|case| case.name() == name)
    }

    /// Series and their totals after `operations`.
    fn expected(self, operations: usize) -> Vec<(&'static str, f64)> {
        let operations = operations as f64;
        match self {
            Self::Counter | Self::Labelled => vec![("bench_total", operations)],
            Self::Histogram => vec![("bench_seconds_count", operations)],
            Self::Http | Self::HttpText => vec![
                ("bench_total", operations),
                ("bench_seconds_count", operations),
                ("bench_in_flight", 0.0),
            ],
        }
    }
}

/// A library's instruments for one case.
pub trait Target: Send + Sync {
    /// Records `iterations` entries of the table, beginning with `from`.
    fn run(&self, from: usize, iterations: usize);
    /// The exposition.
    fn text(&self) -> String;
    /// Does what the library asks for at intervals; not timed.
    fn settle(&self) {}
}

/// What a family of many series consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Counters.
    Counters,
    /// Histograms with 11 buckets.
    Histograms,
}

impl Kind {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Histograms => "histograms",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Counters, Self::Histograms].into_iter().find(|kind| kind.name() == name)
    }
}

/// Values of the open label of a large family.
pub const ITEMS: usize = 1000;
/// Values of each of its two closed labels.
pub const DIGITS: usize = 10;
/// The most series of a large family.
pub const SERIES: usize = ITEMS * DIGITS * DIGITS;

/// The labels of the `at`-th series of a large family: item, and two closed ones.
#[must_use]
pub fn place(at: usize) -> (usize, usize, usize) {
    (at / (DIGITS * DIGITS), at / DIGITS % DIGITS, at % DIGITS)
}

/// The texts of the open label.
#[must_use]
pub fn items() -> Vec<String> {
    (0..ITEMS).map(|item| format!("customer-{item:06}")).collect()
}

/// A family of up to [`SERIES`] series with one open and two closed labels.
pub trait Series: Send + Sync {
    /// Adds 12,345 to the `at`-th counter, or observes 42 ms in the `at`-th histogram, by the idiom
    /// for a text label; the first time creates the series.
    fn record(&self, at: usize);
    /// Renders as for a scrape, and tells how many bytes that were.
    fn render(&self) -> usize;
    /// The exposition.
    fn text(&self) -> String;
}

/// What [`Series::record`] adds to a counter: as many digits as a counter at work has.
pub const STEP: u64 = 12_345;
/// What it observes in a histogram.
pub const OBSERVED: Duration = Duration::from_millis(42);

/// A library, or one of its idioms.
#[derive(Clone, Copy)]
pub struct Library {
    /// The name on the command line.
    pub name: &'static str,
    /// New instruments for a case, if the library has that idiom.
    pub target: fn(Case) -> Option<Box<dyn Target>>,
    /// A new large family, if it is worth a measurement.
    pub series: fn(Kind) -> Option<Box<dyn Series>>,
}

/// The sum of all series called `name`.
#[must_use]
pub fn exported(text: &str, name: &str) -> f64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
    };
    text.lines().filter_map(value).sum()
}

/// Live bytes and allocations so far, from the program's allocator, if it counts.
pub type Probe = fn() -> Option<(usize, usize)>;

/// Instruments and how often they were used.
type Counted = (Box<dyn Target>, usize);

/// Instruments at work, by the commands they were made for.
pub struct Bench {
    libraries: Vec<Library>,
    probe: Probe,
    targets: HashMap<(&'static str, Case, usize), Counted>,
    series: HashMap<(&'static str, Kind, usize), Box<dyn Series>>,
}

impl Bench {
    /// A bench of these libraries.
    #[must_use]
    pub fn new(libraries: Vec<Library>, probe: Probe) -> Self {
        Self { libraries, probe, targets: HashMap::new(), series: HashMap::new() }
    }

    /// The names of the libraries.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.libraries.iter().map(|library| library.name).collect()
    }

    /// Runs one command. None: it is none of this bench, or the library has no such idiom.
    ///
    /// - `record LIBRARY CASE THREADS ITERATIONS`: nanoseconds per operation and thread, and how
    ///   many the threads waited for a processor.
    /// - `render LIBRARY KIND SERIES`: nanoseconds, bytes.
    /// - `memory LIBRARY KIND SERIES THREADS`: bytes per series, allocations of a render, its bytes.
    /// - `blocked LIBRARY SERIES`: nanoseconds at most of a recording and of a new series while a
    ///   scrape runs, and the same without one.
    /// - `check`: asserts the totals of all targets; their number.
    ///
    /// # Panics
    /// When a total is wrong.
    pub fn execute(&mut self, command: &str) -> Option<Vec<f64>> {
        let words: Vec<&str> = command.split_whitespace().collect();
        if words == ["check"] {
            return Some(vec![self.check() as f64]);
        }
        let library = *self.libraries.iter().find(|library| Some(&library.name) == words.get(1))?;
        let number = |at: usize| words.get(at)?.parse::<usize>().ok();
        match *words.first()? {
            "record" => {
                let (threads, iterations) = (number(3)?, number(4)?);
                let case = Case::parse(words.get(2)?)?;
                let (target, operations) = match self.targets.entry((library.name, case, threads)) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(((library.target)(case)?, 0)),
                };
                let (disturbed, time) = record(&**target, threads, iterations, operations);
                Some(vec![time, disturbed.as_nanos() as f64])
            }
            "render" => {
                let (kind, count) = (Kind::parse(words.get(2)?)?, number(3)?);
                let series = match self.series.entry((library.name, kind, count)) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        let series = (library.series)(kind)?;
                        fill(&*series, 0..count);
                        check_series(&*series, kind, count, 1);
                        // What is kept from scrape to scrape (a buffer, its size) is there from now on.
                        series.render();
                        entry.insert(series)
                    }
                };
                let start = Instant::now();
                let bytes = black_box(series.render());
                Some(vec![start.elapsed().as_nanos() as f64, bytes as f64])
            }
            "memory" => {
                let (kind, count, threads) = (Kind::parse(words.get(2)?)?, number(3)?, number(4)?);
                self.memory(library, kind, count, threads)
            }
            "blocked" => blocked(&*(library.series)(Kind::Counters)?, number(2)?),
            _ => None,
        }
    }

    fn check(&self) -> usize {
        for ((library, case, _), (target, operations)) in &self.targets {
            let text = target.text();
            for (name, expected) in case.expected(*operations) {
                let found = exported(&text, name);
                assert!(found == expected, "{library} {}: {name} is {found}, not {expected}", case.name());
            }
        }
        self.targets.len() + self.series.len()
    }

    fn memory(&self, library: Library, kind: Kind, count: usize, threads: usize) -> Option<Vec<f64>> {
        let (before, _) = (self.probe)()?;
        let series = (library.series)(kind)?;
        // All of them live until the last one is done: a thread that ends leaves its cells to the next.
        let done = std::sync::Barrier::new(threads);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    fill(&*series, 0..count);
                    done.wait();
                });
            }
        });
        let (after, _) = (self.probe)()?;
        check_series(&*series, kind, count, threads);
        series.render();
        let (_, start) = (self.probe)()?;
        let bytes = series.render();
        let (_, end) = (self.probe)()?;
        Some(vec![(after - before) as f64 / count as f64, (end - start) as f64, bytes as f64])
    }
}

fn fill(series: &dyn Series, which: std::ops::Range<usize>) {
    which.for_each(|at| series.record(at));
}

fn check_series(series: &dyn Series, kind: Kind, count: usize, times: usize) {
    let (name, each) = match kind {
        Kind::Counters => ("bench_total", STEP as f64),
        Kind::Histograms => ("bench_seconds_count", 1.0),
    };
    let text = series.text();
    let lines = text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(lines, count, "series of {name}");
    assert_eq!(exported(&text, name), each * (count * times) as f64, "{name}");
}

/// Nanoseconds per operation, as the mean over the threads. A round in which a thread had to wait for
/// a processor says nothing about the library, and is repeated a few times.
fn record(target: &dyn Target, threads: usize, iterations: usize, operations: &mut usize) -> (Duration, f64) {
    const ATTEMPTS: usize = 8;
    let mut best = (Duration::MAX, f64::NAN);
    for _ in 0..ATTEMPTS {
        let attempt = attempt(target, threads, iterations, operations);
        if attempt.0 < best.0 {
            best = attempt;
        }
        if best.0.is_zero() {
            break;
        }
    }
    best
}

/// How long the threads waited for a processor or ran alone, and nanoseconds per operation.
fn attempt(
    target: &dyn Target,
    threads: usize,
    iterations: usize,
    operations: &mut usize,
) -> (Duration, f64) {
    const WARM_UP: usize = 512;
    let ready = AtomicUsize::new(0);
    let one = |thread: usize| {
        // Each thread reads the table from another place.
        let from = thread * (TABLE / 2 + 1);
        target.run(from, WARM_UP);
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < threads {
            spin_loop();
        }
        let (waited, start) = (waited(), Instant::now());
        target.run(from, iterations);
        let end = Instant::now();
        (start, end, self::waited().saturating_sub(waited))
    };
    let times: Vec<(Instant, Instant, Duration)> = if threads == 1 {
        vec![one(0)]
    } else {
        let one = &one;
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
            let times = workers.into_iter().map(|worker| worker.join());
            times.map(|time| time.unwrap_or_else(|_| panic!("recording panicked"))).collect()
        })
    };
    target.settle();
    *operations += threads * (iterations + WARM_UP);
    let total: Duration = times.iter().map(|(start, end, _)| *end - *start).sum();
    let longest = times.iter().map(|(start, end, _)| *end - *start).max().unwrap_or_default();
    // A tenth alone, at the beginning or the end, is as good as it gets.
    let begun = times.iter().map(|(start, ..)| *start);
    let apart = begun.clone().max().zip(begun.min()).map_or(Duration::ZERO, |(last, first)| last - first);
    let alone = if apart > longest / 10 { apart } else { Duration::ZERO };
    let waited: Duration = times.iter().map(|(.., waited)| *waited).sum();
    (alone + waited, total.as_nanos() as f64 / (threads * iterations) as f64)
}

/// How long this thread has waited for a processor while it could have run; 0 where the system does
/// not tell.
fn waited() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// How long a recorder is held up by scrapes: the median, over the scrapes, of the longest
/// operation during one. A preemption by the operating system is as long; the figures without a
/// scrape show how often that happens.
fn blocked(series: &dyn Series, count: usize) -> Option<Vec<f64>> {
    const SCRAPES: usize = 9;
    const NEW: usize = 50;
    let old = count.checked_sub(2 * SCRAPES * NEW)?;
    let mut fresh = old;
    fill(series, 0..old);
    series.render();
    let start = Instant::now();
    series.render();
    let scrape = start.elapsed();
    // [recording, new series] by [during a scrape, without]
    let mut longest: [[Vec<Duration>; 2]; 2] = Default::default();
    for round in 0..16 * SCRAPES {
        let without = round % 2;
        if longest[0][without].len() == SCRAPES || fresh == count {
            continue;
        }
        let (started, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let (recordings, recording, new) = std::thread::scope(|scope| {
            let (started, done) = (&started, &done);
            scope.spawn(move || {
                started.store(true, Ordering::Release);
                if without == 0 {
                    black_box(series.render());
                } else {
                    // As long as a scrape, on the same second core.
                    let start = Instant::now();
                    while start.elapsed() < scrape {
                        spin_loop();
                    }
                }
                done.store(true, Ordering::Release);
            });
            while !started.load(Ordering::Acquire) {
                spin_loop();
            }
            let time = |at: usize| {
                let start = Instant::now();
                series.record(at);
                start.elapsed()
            };
            let (mut recording, mut new) = (Duration::ZERO, Duration::ZERO);
            let (begin, first, end) = (Instant::now(), fresh, (fresh + NEW).min(count));
            let mut recordings = 0;
            while !done.load(Ordering::Acquire) {
                let due = begin.elapsed().as_nanos() * NEW as u128 / scrape.as_nanos().max(1);
                if fresh < end && due >= (fresh - first) as u128 {
                    new = new.max(time(fresh));
                    fresh += 1;
                } else {
                    // A prime step: other series, shards and pages at every recording.
                    recording = recording.max(time(recordings * 7919 % old));
                    recordings += 1;
                }
            }
            (recordings, recording, new)
        });
        // Else the recorder had no processor while the scrape ran, and could not be held up.
        if recordings > NEW && !new.is_zero() {
            longest[0][without].push(recording);
            longest[1][without].push(new);
        }
    }
    let mut median = |what: usize, without: usize| {
        let times = &mut longest[what][without];
        times.sort_unstable();
        times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_nanos() as f64)
    };
    Some(vec![median(0, 0), median(1, 0), median(0, 1), median(1, 1)])
}

/// Answers commands from standard input until it ends. The first line out names the libraries.
///
/// # Errors
/// When the other end is gone.
pub fn serve(mut bench: Bench) -> std::io::Result<()> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    writeln!(output, "{}", bench.names().join(" "))?;
    output.flush()?;
    let mut command = String::new();
    while input.read_line(&mut command)? > 0 {
        let answer = bench.execute(&command).unwrap_or_default();
        let numbers: Vec<String> = answer.iter().map(ToString::to_string).collect();
        writeln!(output, "{}", numbers.join(" "))?;
        output.flush()?;
        command.clear();
    }
    Ok(())
}

/// Runs one case and nothing else, for callgrind.
pub fn single(libraries: &[Library], library: &str, case: &str, iterations: usize) -> bool {
    let target = libraries.iter().find(|candidate| candidate.name == library);
    let Some(target) = target.zip(Case::parse(case)).and_then(|(library, case)| (library.target)(case))
    else {
        return false;
    };
    // All series exist before the counting begins.
    target.run(0, TABLE);
    counted(&*target, iterations);
    true
}

/// What callgrind counts, by this name.
#[inline(never)]
pub fn counted(target: &dyn Target, iterations: usize) {
    target.run(0, black_box(iterations));
}

/// Enums for the closed labels, with the derives of the library at hand.
#[macro_export]
macro_rules! closed_labels {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, dead_code, reason = "the names say it; not every library needs every method")]
        pub enum $name { $($variant),* }

        #[allow(dead_code, reason = "not every library needs every method")]
        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The value as text.
            #[inline]
            #[must_use]
            pub fn text(self) -> &'static str {
                const TEXTS: &[&str] = &[$(stringify!($variant)),*];
                TEXTS[self as usize]
            }
        }
    )*};
}

/// The closed labels of all cases, each with the same attributes.
#[macro_export]
macro_rules! labels {
    ($(#[$meta:meta])*) => {
        $crate::labels!(@each [$(#[$meta])*]
            Method { Get Post Put Delete }
            Operation { Create Read Update Remove List Search Export Import }
            Outcome { Success Failure Timeout Cancelled }
            RouteName { Login Logout Users User Orders Order Items Item Carts Cart Search Health Ready Export Import Events }
            Status { Ok Created NoContent NotModified BadRequest NotFound TooMany Internal }
            Digit { Zero One Two Three Four Five Six Seven Eight Nine }
        );
    };
    (@each $meta:tt $($name:ident { $($variant:ident)* })*) => {
        $($crate::labels!(@one $meta $name { $($variant)* });)*
    };
    (@one [$(#[$meta:meta])*] $name:ident { $($variant:ident)* }) => {
        $crate::closed_labels! { $(#[$meta])* $name { $($variant)* } }
    };
}

/// The routes as text, in the order of `RouteName`.
pub const ROUTES: [&str; 16] = [
    "/login",
    "/logout",
    "/api/v1/users",
    "/api/v1/users/{id}",
    "/api/v1/orders",
    "/api/v1/orders/{id}",
    "/api/v1/items",
    "/api/v1/items/{id}",
    "/api/v1/carts",
    "/api/v1/carts/{id}",
    "/api/v1/search",
    "/health",
    "/ready",
    "/api/v1/export",
    "/api/v1/import",
    "/api/v1/events/{id}",
];
