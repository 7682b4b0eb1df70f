//! The same metrics on a recorder of somebody else.
#![cfg(all(feature = "sqlx", feature = "deadpool"))]

use std::collections::BTreeSet;

use bellwether_core::{MetricSet, Registrar};
use bellwether_database_pool::DatabasePoolMetrics;
use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
use metrics_util::debugging::DebuggingRecorder;
use sqlx::SqlitePool;

struct Numbers;

impl Manager for Numbers {
    type Type = u8;
    type Error = std::convert::Infallible;
    async fn create(&self) -> Result<u8, Self::Error> {
        Ok(7)
    }
    async fn recycle(&self, _: &mut u8, _: &Metrics) -> RecycleResult<Self::Error> {
        Ok(())
    }
}

#[tokio::test]
async fn every_metric_reaches_a_foreign_recorder() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let registrar = Registrar::on(recorder);
    let metrics = DatabasePoolMetrics::register(&registrar);

    let pool = SqlitePool::connect("sqlite::memory:").await.expect("a pool");
    let observed = metrics.observe_sqlx_pool("sqlite", &pool).with_durations();
    sqlx::query("SELECT * FROM missing").execute(&observed).await.expect_err("no such table");
    let numbers: Pool<Numbers> = Pool::builder(Numbers).max_size(1).build().expect("a pool");
    let _observed = metrics.observe_deadpool("numbers", &numbers);
    registrar.collect();

    let seen: BTreeSet<String> =
        snapshotter.snapshot().into_vec().iter().map(|(key, ..)| key.key().name().to_owned()).collect();
    let declared: BTreeSet<String> = DatabasePoolMetrics::describe().into_iter().map(|m| m.name).collect();
    assert_eq!(seen, declared);
}
