//! [sqlx](https://docs.rs/sqlx) 0.9: pools, and queries of PostgreSQL, SQLite and MySQL.
//!
//! # Two ways to see queries
//! | | [`QueryLayer`] | [`Metered`], [`ObservedPool`] as executor |
//! |---|---|---|
//! | change to the code | none: it listens to sqlx's own events | the executor at the call site |
//! | query time | yes | after `.with_durations()` |
//! | errors, timeouts, cancellations | no: sqlx's event does not say | yes |
//!
//! They go together: an executor records no time unless told to, so nothing is counted twice. Tell
//! it to where no layer listens.
//!
//! # Two ways to see waits for a connection
//! [`ObservedPool::acquire`] (and queries with the observed pool as executor) sees every outcome and
//! the callers that wait. [`QueryLayer::acquire_events`] adds the successful waits of the plain
//! pool's `acquire`, `begin` and queries, from sqlx's own event; a wait that the former has timed is
//! left out there.

mod error;
mod events;
mod metered;
mod pool;
mod scan;
mod statement;

pub use events::{AcquireEvents, QueryLayer};
pub use metered::Metered;
pub use pool::ObservedPool;
pub use statement::{Dialect, MAX_STATEMENT, query_labels};
