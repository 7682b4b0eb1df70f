//! When somebody is woken, with the proof that it works and what they do then.

use bellwether_artifacts::{Alert, Artifacts, Dashboard, Proof, Rules, Severity, Slo};

use crate::metrics::DatabasePoolMetrics;

impl Artifacts for DatabasePoolMetrics {
    fn dashboard() -> Dashboard {
        crate::dashboard::dashboard()
    }

    fn rules() -> Rules {
        Rules::new()
            .alert(pool_exhausted())
            .alert(callers_waiting())
            .alert(acquire_timeouts())
            .alert(queries_slow())
            .alert(query_errors_high())
            .slo(Slo::availability(
                "database-connections",
                "DatabaseConnectionBudgetBurn",
                0.999,
                "db_pool_acquire_duration_seconds_count",
                "db_pool_acquire_duration_seconds_count{status=~\"timeout|error\"}",
            ))
            .slo(Slo::latency(
                "database-latency",
                "DatabaseLatencyBudgetBurn",
                0.99,
                "db_query_duration_seconds",
                0.5,
                "",
            ))
    }
}

fn pool_exhausted() -> Alert {
    let active = r#"db_pool_connections{pool="main",state="active"}"#;
    let max = r#"db_pool_connections_max{pool="main"}"#;
    Alert::new(
        "DatabasePoolExhausted",
        "max without (state) (db_pool_connections{state=\"active\"}) / db_pool_connections_max > $ratio",
    )
    .threshold("ratio", 0.9, "share of a pool's connections in use")
    .hold("5m")
    .severity(Severity::Critical)
    .summary("A database pool is nearly exhausted")
    .description("{{ $value | humanizePercentage }} of the connections of pool {{ $labels.pool }} of {{ $labels.instance }} are in use.")
    .runbook(
        "Nearly all connections are in use for five minutes. The next caller waits, and then times out.",
        &[
            "\"Waits by outcome\" on the Database dashboard: are there timeouts already?",
            "\"p95 by table\": slower queries keep their connections longer, which is the usual cause.",
            "In the database: sessions `idle in transaction` are transactions that somebody forgot to end.",
        ],
        &[
            "End the query or transaction that holds the connections.",
            "Raise the pool's maximum only if the database has room: its own limit is shared by all instances.",
            "Add a timeout to whatever holds connections while it waits for something else.",
        ],
    )
    .proof(Proof::fires("all ten in use", "15m", &[(active, "10x20"), (max, "10x20")]).with_label("pool", "main"))
    .proof(Proof::silent("one in use", "15m", &[(active, "1x20"), (max, "10x20")]))
}

fn callers_waiting() -> Alert {
    let waiting = r#"db_pool_waiting{pool="main"}"#;
    Alert::new("DatabaseCallersWaiting", "min_over_time(db_pool_waiting[5m]) > $callers")
        .threshold("callers", 0.0, "callers that wait for a connection, at every scrape of five minutes")
        .hold("5m")
        .severity(Severity::Warning)
        .summary("Callers wait for database connections all the time")
        .description("At least {{ $value | humanize }} callers have been waiting for a connection of pool {{ $labels.pool }} of {{ $labels.instance }} at every scrape.")
        .runbook(
            "The pool does not keep up: somebody waits at every scrape. Requests are slower than their queries.",
            &["\"Pool in use\" and \"Wait for a connection\" on the Database dashboard.", "Whether the request rate has grown, or the queries have become slower."],
            &["As for DatabasePoolExhausted: shorten what holds connections, then think about the pool's size."],
        )
        .proof(Proof::fires("five wait", "20m", &[(waiting, "5x25")]))
        .proof(Proof::silent("somebody waits now and then", "20m", &[(waiting, "0 3 0 2 0 3 0 2 0 3 0 2 0 3 0 2 0 3 0 2 0 3 0 2 0")]))
}

fn acquire_timeouts() -> Alert {
    let timeouts = r#"db_pool_acquire_duration_seconds_count{pool="main",status="timeout"}"#;
    Alert::new(
        "DatabaseAcquireTimeouts",
        "sum by (job, pool) (increase(db_pool_acquire_duration_seconds_count{status=\"timeout\"}[5m])) > $timeouts",
    )
    .threshold("timeouts", 3.0, "waits in five minutes that ended without a connection")
    .hold("2m")
    .severity(Severity::Critical)
    .summary("Requests fail for want of a database connection")
    .description("{{ $value | humanize }} callers of pool {{ $labels.pool }} of {{ $labels.job }} got no connection in five minutes.")
    .runbook(
        "Callers waited for the pool's whole timeout and then failed.",
        &["Is the database reachable at all? Then the pool's connections break as fast as they are made.", "Otherwise as for DatabasePoolExhausted."],
        &["Free connections, or shed load until the database is back."],
    )
    .proof(Proof::fires("ten a minute", "15m", &[(timeouts, "0+10x20")]).with_label("pool", "main"))
    .proof(Proof::silent("none", "15m", &[(timeouts, "0x20")]))
}

fn queries_slow() -> Alert {
    let bucket = |le: &str| {
        format!(r#"db_query_duration_seconds_bucket{{operation="select",table="recordings",le="{le}"}}"#)
    };
    let buckets = [bucket("0.1"), bucket("5.0"), bucket("10.0"), bucket("+Inf")];
    let series = |fast: &'static str| {
        [
            (buckets[0].as_str(), fast),
            (buckets[1].as_str(), fast),
            (buckets[2].as_str(), "0+60x30"),
            (buckets[3].as_str(), "0+60x30"),
        ]
    };
    Alert::new(
        "DatabaseQueriesSlow",
        "histogram_quantile(0.95, sum by (job, operation, table, le) (rate(db_query_duration_seconds_bucket[5m]))) > $seconds",
    )
    .threshold("seconds", 1.0, "seconds within which 95 % of a table's queries are to be done")
    .hold("10m")
    .severity(Severity::Warning)
    .summary("Queries on a table are slow")
    .description("95 % of the {{ $labels.operation }} queries on {{ $labels.table }} of {{ $labels.job }} take up to {{ $value | humanizeDuration }}.")
    .runbook(
        "Queries of one kind on one table have been slow for ten minutes, without the wait for a connection.",
        &["`EXPLAIN (ANALYZE)` of the query: a sequential scan where there was an index?", "Locks: who waits for whom?", "Whether the table has grown, or its statistics are old."],
        &["Create the index, or `ANALYZE` the table.", "End the transaction that holds the lock."],
    )
    .proof(Proof::fires("5 to 10 seconds each", "25m", &series("0x30")).with_label("table", "recordings"))
    .proof(Proof::silent("all fast", "25m", &series("0+60x30")))
}

fn query_errors_high() -> Alert {
    let errors = r#"db_query_errors_total{operation="insert",reason="connection"}"#;
    let constraint = r#"db_query_errors_total{operation="insert",reason="constraint"}"#;
    let cancelled = r#"db_query_errors_total{operation="insert",reason="cancelled"}"#;
    let all = r#"db_query_duration_seconds_count{operation="insert",table="recordings"}"#;
    Alert::new(
        "DatabaseQueryErrorsHigh",
        "sum by (job, reason) (rate(db_query_errors_total{reason!~\"cancelled|constraint\"}[5m])) \
         / on (job) group_left sum by (job) (rate(db_query_duration_seconds_count[5m])) > $ratio",
    )
    .threshold("ratio", 0.05, "failed queries for each query that ran")
    .hold("5m")
    .severity(Severity::Critical)
    .summary("Many database queries fail")
    .description("{{ $value | humanizePercentage }} of the queries of {{ $labels.job }} fail: {{ $labels.reason }}.")
    .runbook(
        "Queries fail for one reason more often than a handful of odd requests can explain. Callers that gave up and broken constraints are not in it: both are often an ordinary answer.",
        &["The reason: `connection` is the network or the server, `syntax` is code, often a new release, `conflict` is contention."],
        &["Roll back a release that began with it.", "For `connection`, follow the database's own alerts."],
    )
    .proof(Proof::fires("half of them", "20m", &[(errors, "0+30x25"), (all, "0+60x25")]).with_label("reason", "connection"))
    .proof(Proof::silent("none", "20m", &[(errors, "0x25"), (all, "0+60x25")]))
    .proof(Proof::silent("only callers that gave up", "20m", &[(cancelled, "0+30x25"), (all, "0+60x25")]))
    .proof(Proof::silent("only titles that exist", "20m", &[(constraint, "0+30x25"), (all, "0+60x25")]))
}
