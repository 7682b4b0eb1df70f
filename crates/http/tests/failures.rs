//! Panics, failing handlers, failing bodies.

mod common;

use common::Server;
use common::client::Client;

fn panics(server: &Server) {
    let mut client = Client::connect(server.address);
    client.send("GET /panic HTTP/1.1\r\nhost: test\r\n\r\n");
    client.closed();
    server.shows(&[
        r#"http_requests_total{method="GET",route="/panic",status="500"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/panic",status="500"} 1"#,
        "http_requests_in_flight 0",
    ]);
    assert_eq!(server.total(), 1);
}

#[test]
fn a_panic_in_actix_web() {
    panics(&Server::actix());
}

#[test]
fn a_panic_in_axum() {
    panics(&Server::axum());
}

fn broken_bodies(server: &Server) {
    let mut client = Client::connect(server.address);
    client.send("GET /broken HTTP/1.1\r\nhost: test\r\n\r\n");
    client.closed();
    server.shows(&[
        r#"http_requests_total{method="GET",route="/broken",status="200"} 1"#,
        r#"http_responses_aborted_total{route="/broken"} 1"#,
        r#"http_response_size_bytes_sum{method="GET",route="/broken"} 4"#,
        "http_requests_in_flight 0",
    ]);
    assert_eq!(server.total(), 1);
}

#[test]
fn a_broken_body_in_actix_web() {
    broken_bodies(&Server::actix());
}

#[test]
fn a_broken_body_in_axum() {
    broken_bodies(&Server::axum());
}
