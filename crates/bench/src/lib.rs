//! What Bellwether costs beside its peers.
//!
//! One program measures all libraries in one run, in interleaved rounds: a noisy neighbour then
//! meets all of them alike, and the median over the rounds is a fair comparison on a busy machine.
//! Every case asserts the totals that the library itself exports.
//!
//! ```text
//! cargo run --release -p bellwether-bench -- [--quick] [--write docs/performance.md]
//! cargo run --release -p bellwether-bench -- --library NAME --case NAME --iterations N
//! ```
//!
//! The second form runs one case alone, for `valgrind --tool=callgrind`.

pub mod driver;
pub mod libraries;
pub mod plan;
pub mod programs;
pub mod report;

use driver::Library;

/// The libraries of this program. `foundations-metrics` is in `bench-foundations`, a workspace of its
/// own, because its features change those of `prometheus-client`.
pub const LIBRARIES: [Library; 5] = [
    libraries::bellwether::LIBRARY,
    libraries::measured::LIBRARY,
    libraries::prometheus_client::LIBRARY,
    libraries::prometheus::LIBRARY,
    libraries::metrics::LIBRARY,
];
