//! `cargo xtask demo` runs this beside a Prometheus; it runs alone as well.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{App, HttpServer};
use bellwether_core::Config;
use bellwether_database_pool::sqlx::{Dialect, QueryLayer};
use bellwether_demo::api::{Faults, State, routes};
use bellwether_demo::store::Store;
use bellwether_demo::{Observed, traffic};
use bellwether_http::Tenant;
use bellwether_http::actix_web::{MetricsMiddleware, endpoint, on_connect};
use clap::Parser;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// A small stream recorder with built-in traffic and metrics.
#[derive(Debug, Parser)]
struct Arguments {
    /// The loopback port to listen on
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The share of requests for recordings to fail, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = ratio)]
    fail_ratio: f64,
    /// Requests a second that the demo sends to itself; 0 for none
    #[arg(long, default_value_t = 20.0, value_parser = rate)]
    traffic: f64,
}

fn ratio(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "a ratio is a number from 0 to 1, such as 0.5".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1000.0).contains(value));
    value.ok_or_else(|| "a rate is a number of requests a second, from 0 to 1000".to_owned())
}

#[actix_web::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let (telemetry, (http, tenants, database, process, runtime, library)) =
        bellwether_core::install::<Observed>(Config::from_env("DEMO")?)?;
    tracing_subscriber::registry()
        .with(QueryLayer::new(&database).dialect(Dialect::Sqlite).layer())
        .with(tracing_subscriber::fmt::layer().with_filter(LevelFilter::WARN))
        .init();
    process.observe(env!("CARGO_PKG_VERSION"), option_env!("GIT_COMMIT").unwrap_or("unknown")).forever();
    runtime.observe(&tokio::runtime::Handle::current()).forever();

    let folder = tempfile::tempdir()?;
    let store = Store::open(folder.path(), &database).await?;
    let faults = Arc::new(Faults::new(arguments.fail_ratio));
    let state = State { store, http: http.clone(), library, faults };
    let middleware = MetricsMiddleware::new(http.clone())
        .tenant(tenants, |request| Some(Tenant::from(request.headers().get("x-tenant")?.to_str().ok()?)));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(state.clone()))
            .configure(routes)
            .service(endpoint(&telemetry))
            .wrap(middleware.clone())
    })
    .on_connect(on_connect(http))
    .workers(2)
    .shutdown_timeout(2)
    .bind(("127.0.0.1", arguments.port))
    .map_err(|error| {
        format!("port {} cannot be listened on ({error}): choose another with --port", arguments.port)
    })?;
    if arguments.traffic > 0.0 {
        tokio::spawn(traffic::run(format!("http://127.0.0.1:{}", arguments.port), arguments.traffic));
    }
    // Ends with Ctrl-C or SIGTERM; the folder with the database goes with it.
    server.run().await?;
    Ok(())
}
