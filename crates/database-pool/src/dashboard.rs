//! What to look at: the pools first, then the queries.

use bellwether_artifacts::{Dashboard, Panel};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard::new("database-pool", "Database", "Pools: use, saturation and waits. Queries: rate, errors and duration.")
        .variable("pool", "db_pool_connections_max", "pool")
        .row("Pools", [
            Panel::gauge("Pool in use", "The fullest pool: connections in use, of the most that it opens. At 1 callers wait.", 0.0, 1.0)
                .query("max(max without (state) (db_pool_connections{state=\"active\",pool=~\"$pool\"}) / db_pool_connections_max{pool=~\"$pool\"})", "fullest")
                .alert("DatabasePoolExhausted", "ratio")
                .overview(),
            Panel::stat("Callers waiting", "Callers that wait for a connection now. Anything above 0 for long is a pool that is too small or connections kept too long.")
                .query("sum(db_pool_waiting{pool=~\"$pool\"})", "waiting")
                .alert("DatabaseCallersWaiting", "callers")
                .overview(),
            Panel::timeseries("Connections", "Connections of each pool by state, and the most that it opens.")
                .query("sum by (pool, state) (db_pool_connections{pool=~\"$pool\"})", "{{pool}} {{state}}")
                .query("sum by (pool) (db_pool_connections_max{pool=~\"$pool\"})", "{{pool}} max")
                .min(0.0),
            Panel::timeseries("Waiting", "Callers that wait for a connection, by pool.")
                .query("sum by (pool) (db_pool_waiting{pool=~\"$pool\"})", "{{pool}}")
                .alert("DatabaseCallersWaiting", "callers")
                .min(0.0),
        ])
        .row("Acquiring a connection", [
            Panel::timeseries("Wait for a connection", "How long callers wait. Milliseconds mean an idle connection; more means a new one or a full pool.")
                .quantiles("db_pool_acquire_duration_seconds", "{pool=~\"$pool\"}", &[0.5, 0.95, 0.99])
                .min(0.0),
            Panel::timeseries("Waits by outcome", "Waits a second by how they ended. Timeouts are requests that failed without ever reaching the database.")
                .query("sum by (pool, status) (rate(db_pool_acquire_duration_seconds_count{pool=~\"$pool\"}[$__rate_interval]))", "{{pool}} {{status}}")
                .stacked()
                .min(0.0),
        ])
        .row("Queries: rate, errors, duration", [
            Panel::timeseries("Queries by operation", "Queries a second.")
                .query("sum by (operation) (rate(db_query_duration_seconds_count[$__rate_interval]))", "{{operation}}")
                .stacked()
                .min(0.0)
                .overview(),
            Panel::timeseries("Errors by reason", "Failed queries a second. `cancelled` are callers that gave up, `conflict` can be tried again.")
                .query("sum by (reason) (rate(db_query_errors_total[$__rate_interval]))", "{{reason}}")
                .stacked()
                .min(0.0),
            Panel::timeseries("Query time", "How long queries take, without the wait for a connection.")
                .quantiles("db_query_duration_seconds", "", &[0.5, 0.95, 0.99])
                .alert("DatabaseQueriesSlow", "seconds")
                .min(0.0)
                .overview(),
        ])
        .row("Queries by table", [
            Panel::timeseries("p95 by table", "The slow tables: a missing index shows here.")
                .query("histogram_quantile(0.95, sum by (le, table) (rate(db_query_duration_seconds_bucket[$__rate_interval])))", "{{table}}")
                .alert("DatabaseQueriesSlow", "seconds")
                .min(0.0),
            Panel::timeseries("Time spent by table", "Seconds of query time a second: where the database's time goes, fast but frequent queries too.")
                .query("sum by (operation, table) (rate(db_query_duration_seconds_sum[$__rate_interval]))", "{{operation}} {{table}}")
                .unit("short")
                .stacked()
                .min(0.0),
            Panel::heatmap("Distribution", "Queries by duration over time.")
                .query("sum by (le) (increase(db_query_duration_seconds_bucket[$__rate_interval]))", "{{le}}"),
        ])
}
