//! One file per library: its instruments for every case, by the idiom of its users.

pub mod bellwether;
pub mod measured;
pub mod metrics;
pub mod prometheus;
pub mod prometheus_client;
