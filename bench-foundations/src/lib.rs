//! `foundations-metrics` in Bellwether's bench: started by `bellwether-bench`, and told over a pipe
//! what to run. The cases and the loops are those of the other libraries.

#[path = "../../crates/bench/src/driver.rs"]
pub mod driver;
mod instruments;

use driver::Library;

/// The library by three idioms: families of closed labels, families for any labels, and counters
/// with a cell for each thread.
pub const LIBRARIES: [Library; 3] = [instruments::CLOSED, instruments::FAMILY, instruments::THREAD_LOCAL];
