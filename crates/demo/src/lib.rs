//! A small stream recorder, made to show what a service looks like that uses Bellwether: an API over
//! SQLite, with built-in traffic, some of which goes wrong as traffic does.
//!
//! [`Observed`] is the one place that names the domains: `main` installs it, `xtask` generates from it.

pub mod api;
pub mod metrics;
pub mod store;
pub mod traffic;

use bellwether_database_pool::DatabasePoolMetrics;
use bellwether_http::{HttpMetrics, HttpTenantMetrics};
use bellwether_process::{ProcessMetrics, TokioMetrics};

pub use metrics::LibraryMetrics;

/// The domains of the service.
pub type Observed =
    (HttpMetrics, HttpTenantMetrics, DatabasePoolMetrics, ProcessMetrics, TokioMetrics, LibraryMetrics);

// A label with a limit that is too high does not compile.
const _: () = assert!(<Observed as bellwether_core::Domains>::MAX_SERIES <= 40_000, "over the series budget");
