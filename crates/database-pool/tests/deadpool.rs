//! A deadpool pool of real connections.
#![cfg(feature = "deadpool")]
#![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

mod common;

use std::time::Duration;

use common::{acquires, telemetry, until, value};
use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Pool, PoolError, RecycleResult, TimeoutType};
use tokio::net::{TcpListener, TcpStream};

struct Connections(std::net::SocketAddr);

impl Manager for Connections {
    type Type = TcpStream;
    type Error = std::io::Error;

    async fn create(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.0).await
    }

    async fn recycle(&self, _: &mut TcpStream, _: &Metrics) -> RecycleResult<std::io::Error> {
        Ok(())
    }
}

async fn pool(size: usize) -> (TcpListener, Pool<Connections>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let manager = Connections(listener.local_addr().expect("its address"));
    (listener, Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).build().expect("a pool"))
}

#[tokio::test]
async fn gauges_follow_the_pool() {
    let (telemetry, metrics) = telemetry();
    let (_listener, pool) = pool(2).await;
    let observed = metrics.observe_deadpool("tcp", &pool);
    let state = |state| value(&telemetry, &format!(r#"db_pool_connections{{pool="tcp",state="{state}"}}"#));
    assert_eq!((state("active"), state("idle")), (Some(0.0), Some(0.0)));
    assert_eq!(value(&telemetry, r#"db_pool_connections_max{pool="tcp"}"#), Some(2.0));
    assert_eq!(value(&telemetry, r#"db_pool_connections_min{pool="tcp"}"#), None);

    let (one, two) = (observed.get().await.expect("one"), observed.get().await.expect("two"));
    assert_eq!((state("active"), state("idle")), (Some(2.0), Some(0.0)));
    assert_eq!(acquires(&telemetry, "tcp", "success"), Some(2.0));

    let waiting = tokio::spawn({
        let observed = observed.clone();
        async move { observed.get().await.map(drop) }
    });
    until("a caller", || value(&telemetry, r#"db_pool_waiting{pool="tcp"}"#) == Some(1.0)).await;
    waiting.abort();
    until("a cancellation", || acquires(&telemetry, "tcp", "cancelled") == Some(1.0)).await;
    assert_eq!(value(&telemetry, r#"db_pool_waiting{pool="tcp"}"#), Some(0.0));
    drop((one, two));
    assert_eq!((state("active"), state("idle")), (Some(0.0), Some(2.0)));
}

#[tokio::test]
async fn timeouts_and_errors_are_told_apart() {
    let (telemetry, metrics) = telemetry();
    let (listener, pool) = pool(1).await;
    let observed = metrics.observe_deadpool("tcp2", &pool);
    let one = observed.get().await.expect("one");
    drop(one);
    assert_eq!(acquires(&telemetry, "tcp2", "success"), Some(1.0));

    let manager = Connections(listener.local_addr().expect("its address"));
    let impatient: Pool<Connections> = Pool::builder(manager)
        .max_size(1)
        .wait_timeout(Some(Duration::from_millis(20)))
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a pool");
    let hasty = metrics.observe_deadpool("hasty", &impatient);
    let held = hasty.get().await.expect("one");
    assert!(matches!(hasty.get().await, Err(PoolError::Timeout(TimeoutType::Wait))));
    assert_eq!(acquires(&telemetry, "hasty", "timeout"), Some(1.0));
    drop(held);

    let nowhere = Connections(([127, 0, 0, 1], bellwether_testkit::free_port()).into());
    let pool: Pool<Connections> = Pool::builder(nowhere).max_size(1).build().expect("a pool");
    let nowhere = metrics.observe_deadpool("nowhere", &pool);
    assert!(matches!(nowhere.get().await, Err(PoolError::Backend(_))));
    assert_eq!(acquires(&telemetry, "nowhere", "error"), Some(1.0));
}

#[tokio::test]
async fn series_end_with_the_guard_and_with_the_pool() {
    let (telemetry, metrics) = telemetry();
    let (_listener, guarded) = pool(1).await;
    let observed = metrics.observe_deadpool("guarded", &guarded);
    assert!(telemetry.render().contains(r#"pool="guarded""#));
    drop(observed);
    assert!(!telemetry.render().contains(r#"pool="guarded""#));

    let (_listener, dropped) = pool(1).await;
    let weak = dropped.weak();
    let observed = metrics.observe_deadpool("dropped", &dropped);
    drop(observed.get().await.expect("one"));
    drop(dropped);
    assert!(weak.upgrade().is_none(), "nobody holds the pool");
    assert!(!telemetry.render().contains(r#"pool="dropped""#));
    assert!(matches!(observed.get().await, Err(PoolError::Closed)));

    let (_listener, closed) = pool(1).await;
    let observed = metrics.observe_deadpool("closed", &closed);
    assert!(telemetry.render().contains(r#"pool="closed""#));
    closed.close();
    assert!(!telemetry.render().contains(r#"pool="closed""#));
    drop(observed);
}
