//! The own listener, over real sockets and for a real Prometheus.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![cfg(feature = "listener")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellwether_core::{
    Config, ConfigBuilder, Counter, Histogram, InstallError, LabelSet, LabelValue, MetricSet, Seconds,
    Telemetry,
};
use bellwether_testkit::http::{get, request};
use bellwether_testkit::prometheus::{Prometheus, Setup};
use bellwether_testkit::wait_for;

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, LabelValue)]
enum Size {
    Small,
    #[label("very \"big\"\\\n")]
    Big,
}

#[derive(Clone, Copy, LabelSet)]
struct Sizes {
    size: Size,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured.
    #[metric("tea_cups_total")]
    cups: Counter<Sizes>,
    /// Time to brew.
    #[metric("tea_brew_seconds", buckets = &[60.0, 180.0])]
    brew: Histogram<(), Seconds>,
}

fn listening(config: ConfigBuilder) -> (Telemetry, Tea, SocketAddr) {
    let config = config.listen(SocketAddr::from(([127, 0, 0, 1], 0))).build().unwrap();
    let (telemetry, (tea,)) = Telemetry::isolated::<(Tea,)>(config).unwrap();
    let address = telemetry.listening_on().unwrap();
    (telemetry, tea, address)
}

#[test]
fn methods_and_paths() {
    let (_telemetry, tea, address) = listening(Config::builder().path("/internal/metrics"));
    tea.cups.inc(Sizes { size: Size::Small });
    let path = "/internal/metrics";
    let scrape = get(address, path).unwrap();
    assert_eq!(scrape.status, 200);
    assert!(scrape.text().contains("\ntea_cups_total{size=\"small\"} 1\n"), "{}", scrape.text());
    assert_eq!(scrape.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(get(address, "/internal/metrics?format=x").unwrap().status, 200, "a query is no path");
    let head = request("HEAD", address, path, &[]).unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.header("content-length").is_some_and(|length| length != "0"), "{head:?}");
    let post = request("POST", address, path, &["Content-Length: 0"]).unwrap();
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    for wrong in ["/", "/metrics", "/internal/metrics/", "/internal/metricsx"] {
        assert_eq!(get(address, wrong).unwrap().status, 404, "{wrong}");
    }
}

#[test]
fn credentials() {
    let (_telemetry, _tea, address) = listening(Config::builder().basic_auth("scraper", "secret"));
    let answer = get(address, "/metrics").unwrap();
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").is_some());
    assert!(!answer.text().contains("tea_"));
    let credentials = format!("Authorization: Basic {}", STANDARD.encode("scraper:secret"));
    assert_eq!(request("GET", address, "/metrics", &[&credentials]).unwrap().status, 200);
    let wrong = format!("Authorization: Basic {}", STANDARD.encode("scraper:wrong"));
    assert_eq!(request("GET", address, "/metrics", &[&wrong]).unwrap().status, 401);
}

#[test]
fn addresses_are_those_of_the_socket() {
    let (_telemetry, _tea, address) = listening(Config::builder().allow("10.0.0.0/8"));
    let forwarded = ["X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1"];
    assert_eq!(request("GET", address, "/metrics", &forwarded).unwrap().status, 403);
    let (_telemetry, _tea, address) = listening(Config::builder().allow("127.0.0.0/8"));
    assert_eq!(get(address, "/metrics").unwrap().status, 200);
}

#[test]
fn slow_clients_do_not_hold_up_the_others() {
    let (_telemetry, _tea, address) = listening(Config::builder());
    let mut slow: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
            stream
        })
        .collect();
    for _ in 0..5 {
        assert_eq!(get(address, "/metrics").unwrap().status, 200);
    }
    // One of them goes on a byte at a time and is let go; the others are let go for their silence.
    let start = std::time::Instant::now();
    let gone = wait_for("the end of a slow client", LIMIT, || {
        slow[0].write_all(b"x").err().map(|_| start.elapsed())
    });
    assert!(gone < LIMIT);
    let mut rest = Vec::new();
    slow[1].set_read_timeout(Some(LIMIT)).unwrap();
    let _ = slow[1].read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains(" 200 "));
    assert_eq!(get(address, "/metrics").unwrap().status, 200);
}

#[test]
fn it_ends_with_the_telemetry() {
    let (telemetry, _tea, address) = listening(Config::builder());
    let clone = telemetry.clone();
    drop(telemetry);
    assert_eq!(get(address, "/metrics").unwrap().status, 200, "a clone keeps it");
    drop(clone);
    wait_for("the end of the listener", LIMIT, || TcpStream::connect(address).err());
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let (_telemetry, _tea, address) = listening(Config::builder());
    let config = Config::builder().listen(address).build().unwrap();
    let Err(error) = Telemetry::isolated::<(Tea,)>(config) else { panic!("two listeners") };
    assert!(matches!(error, InstallError::Listen { .. }));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn a_real_prometheus_scrapes_it() {
    let (_telemetry, tea, address) =
        listening(Config::builder().basic_auth("scraper", "secret").prefix("shop"));
    tea.cups.add(Sizes { size: Size::Big }, 3);
    tea.brew.observe((), Duration::from_secs(100));
    let setup = Setup::new()
        .scrape_with("tea", address, "basic_auth: {username: scraper, password: secret}")
        .scrape("locked-out", address);
    let prometheus = Prometheus::start(&setup);
    wait_for("a scrape", LIMIT, || (prometheus.value("up{job=\"tea\"}")? == 1.0).then_some(()));
    wait_for("a scrape that is turned away", LIMIT, || {
        (prometheus.value("up{job=\"locked-out\"}")? == 0.0).then_some(())
    });
    for (expr, expected) in [
        ("shop_tea_cups_total{size=\"small\"}", 0.0),
        ("shop_tea_cups_total{size=\"very \\\"big\\\"\\\\\\n\"}", 3.0),
        ("shop_tea_brew_seconds_bucket{le=\"60.0\"}", 0.0),
        ("shop_tea_brew_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("shop_tea_brew_seconds_sum", 100.0),
        ("histogram_quantile(0.5, shop_tea_brew_seconds_bucket)", 120.0),
    ] {
        assert_eq!(prometheus.value(expr), Some(expected), "{expr}: {}", prometheus.query("{job=\"tea\"}"));
    }
    tea.cups.add(Sizes { size: Size::Big }, 4);
    wait_for("the next scrape", LIMIT, || {
        (prometheus.value("sum(shop_tea_cups_total)")? == 7.0).then_some(())
    });
    let targets = prometheus.targets();
    let error = |job: &str| {
        let of_job = |target: &&serde_json::Value| target["labels"]["job"] == job;
        targets.as_array().unwrap().iter().find(of_job).unwrap()["lastError"].to_string()
    };
    assert_eq!(error("tea"), "\"\"");
    assert!(error("locked-out").contains("401"), "{targets}");
}
