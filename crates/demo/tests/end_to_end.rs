//! The whole chain on real input: two demos under load, one of them told to fail requests, scraped by
//! a real Prometheus that has the committed rules. Every panel of every committed dashboard returns
//! data, the alert fires where the fault is, and nothing fires where there is none.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use bellwether_testkit::prometheus::{Prometheus, Setup, check_metrics};
use bellwether_testkit::{Server, free_port, http, python, wait_for, workspace};
use serde_json::Value;

struct Demo {
    address: SocketAddr,
    _server: Server,
}

fn demo(arguments: &[&str]) -> Demo {
    let port = free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether-demo"));
    let server =
        Server::start(command.args(["--port", &port.to_string(), "--traffic", "40"]).args(arguments));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for("the demo's scrape", Duration::from_secs(30), || {
        http::get(address, "/metrics").ok().filter(|answer| answer.status == 200)
    });
    Demo { address, _server: server }
}

/// The queries of all committed dashboards with their panels.
fn panels() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(workspace().join("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let name =
                    format!("{} / {}", path.file_name().unwrap().display(), panel["title"].as_str().unwrap());
                queries.push((name, target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    assert!(queries.len() > 80, "{} queries", queries.len());
    queries
}

/// As Grafana asks: all values of every variable, and its rate interval.
fn as_grafana_asks(expr: &str, job: &str) -> String {
    let expr = expr.replace("$__rate_interval", "1m").replace("$job", job);
    ["$instance", "$pool", "$tenant"].iter().fold(expr, |expr, variable| expr.replace(variable, ".*"))
}

fn firing(prometheus: &Prometheus) -> Vec<(String, String)> {
    let alerts = prometheus.alerts();
    let firing = alerts.as_array().into_iter().flatten().filter(|alert| alert["state"] == "firing");
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
    firing.map(|alert| (label(alert, "alertname"), label(alert, "job"))).collect()
}

#[test]
fn load_scrape_dashboards_and_an_alert() {
    let (faulty, sound) = (demo(&["--fail-ratio", "0.5"]), demo(&[]));
    let mut setup =
        Setup::new().interval("1s").scrape("faulty", faulty.address).scrape("sound", sound.address);
    for entry in std::fs::read_dir(workspace().join("alerts")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            setup = setup.rules(&std::fs::read_to_string(path).unwrap());
        }
    }
    let prometheus = Prometheus::start(&setup);
    wait_for("both targets", Duration::from_secs(30), || {
        (prometheus.value("sum(up)") == Some(2.0)).then_some(())
    });

    // Every panel has something to show, within the time that its slowest query needs.
    let mut empty = panels();
    let start = Instant::now();
    while !empty.is_empty() && start.elapsed() < Duration::from_secs(90) {
        empty.retain(|(_, expr)| {
            prometheus.query(&as_grafana_asks(expr, "faulty")).as_array().is_none_or(Vec::is_empty)
        });
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(empty.is_empty(), "panels without data: {empty:#?}");

    // The alert holds for two minutes before it fires.
    wait_for("HttpErrorRatioHigh", Duration::from_secs(240), || {
        let fired = firing(&prometheus);
        fired.contains(&("HttpErrorRatioHigh".to_owned(), "faulty".to_owned())).then_some(())
    });
    let of_the_sound_one: Vec<_> =
        firing(&prometheus).into_iter().filter(|(_, job)| job == "sound").collect();
    assert!(of_the_sound_one.is_empty(), "{of_the_sound_one:?}");

    // What the demo exposes is what Prometheus' own tools and clients read.
    let text = http::get(faulty.address, "/metrics").unwrap().text();
    let (clean, said) = check_metrics(&text);
    assert!(clean, "{said}");
    let accept = "Accept: application/openmetrics-text;version=1.0.0";
    let open = http::request("GET", faulty.address, "/metrics", &[accept]).unwrap().text();
    assert!(open.ends_with("# EOF\n"));
    assert!(python::parse(&text, false).len() > 500);
    assert!(python::parse(&open, true).len() > 500);
}
