//! database-pool
