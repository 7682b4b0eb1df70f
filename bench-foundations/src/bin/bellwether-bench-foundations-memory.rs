//! The same with an allocator that counts.

use std::alloc::System;

use bellwether_bench_foundations::LIBRARIES;
use bellwether_bench_foundations::driver::{Bench, serve};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> std::io::Result<()> {
    let probe = || {
        let stats = ALLOCATOR.stats();
        Some((stats.bytes_allocated - stats.bytes_deallocated, stats.allocations + stats.reallocations))
    };
    serve(Bench::new(LIBRARIES.to_vec(), probe))
}
