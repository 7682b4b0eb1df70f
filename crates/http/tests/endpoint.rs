//! The scrape over real servers.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;

use std::io::Read;

use bellwether_core::Config;
use common::Server;
use common::client::{Client, ask};

fn formats(server: &Server) {
    let mut client = Client::connect(server.address);
    client.ask("GET", "/users/7", "");
    let text = client.ask("GET", "/metrics", "");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(text.text().contains("http_requests_in_flight 1\n"), "the scrape itself");
    let open = client.ask("GET", "/metrics", "accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.text().ends_with("# EOF\n"));
    let zipped = client.ask("GET", "/metrics", "accept-encoding: gzip\r\n");
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut unzipped = String::new();
    flate2::read::GzDecoder::new(&*zipped.body).read_to_string(&mut unzipped).unwrap();
    assert!(unzipped.contains(r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 1"#));
    let head = client.ask("HEAD", "/metrics", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let refused = client.ask("DELETE", "/metrics", "");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(client.ask("FOOBAR", "/metrics", "").status, 405);
    server.shows(&[
        r#"http_requests_total{method="GET",route="/metrics",status="200"} 3"#,
        r#"http_requests_total{method="DELETE",route="/metrics",status="405"} 1"#,
        r#"http_requests_total{method="other",route="/metrics",status="405"} 1"#,
        r#"bellwether_scrapes_rejected_total{reason="method"} 2"#,
    ]);
}

#[test]
fn formats_in_actix_web() {
    formats(&Server::actix());
}

#[test]
fn formats_in_axum() {
    formats(&Server::axum());
}

fn credentials(server: &Server) {
    let mut client = Client::connect(server.address);
    let refused = client.ask("GET", "/inner/metrics", "");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"metrics\""));
    // bell:wether
    let given = client.ask("GET", "/inner/metrics", "authorization: Basic YmVsbDp3ZXRoZXI=\r\n");
    assert_eq!(given.status, 200);
}

fn locked() -> Config {
    Config::builder().path("/inner/metrics").basic_auth("bell", "wether").build().unwrap()
}

#[test]
fn credentials_in_actix_web() {
    credentials(&Server::actix_with(locked()));
}

#[test]
fn credentials_in_axum() {
    credentials(&Server::axum_with(locked()));
}

/// The address is that of the connection, whatever a header says.
fn addresses(server: impl Fn(Config) -> Server) {
    let allow = |network| Config::builder().allow(network).build().unwrap();
    let elsewhere = server(allow("192.0.2.0/24"));
    let forwarded = "x-forwarded-for: 192.0.2.1\r\nforwarded: for=192.0.2.1\r\n";
    assert_eq!(Client::connect(elsewhere.address).ask("GET", "/metrics", forwarded).status, 403);
    let here = server(allow("127.0.0.0/8"));
    assert_eq!(ask(here.address, "GET", "/metrics").status, 200);
}

#[test]
fn addresses_in_actix_web() {
    addresses(Server::actix_with);
}

#[test]
fn addresses_in_axum() {
    addresses(Server::axum_with);
}

fn off(server: &Server) {
    assert_eq!(ask(server.address, "GET", "/metrics").status, 404);
    assert_eq!(ask(server.address, "GET", "/users/7").text(), "a user");
}

#[test]
fn metrics_off_in_actix_web() {
    off(&Server::actix_with(Config::builder().enabled(false).build().unwrap()));
}

#[test]
fn metrics_off_in_axum() {
    off(&Server::axum_with(Config::builder().enabled(false).build().unwrap()));
}
