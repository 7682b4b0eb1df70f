//! Route templates, methods, statuses and sizes.

mod common;

use common::Server;
use common::client::{Client, ask};

fn labels(server: &Server) {
    let mut client = Client::connect(server.address);
    assert_eq!(client.ask("GET", "/users/7", "").text(), "a user");
    assert_eq!(client.ask("GET", "/users/8?x=1", "").text(), "a user");
    assert_eq!(client.ask("GET", "/api/items/5", "").text(), "an item");
    assert_eq!(client.ask("GET", "/nowhere/5", "").status, 404);
    assert_eq!(client.ask("GET", "/api/nowhere", "").status, 404);
    assert_eq!(client.ask("POST", "/users/7", "content-length: 0\r\n").status, 405);
    assert_eq!(client.ask("GET", "/teapot", "").status, 418);
    assert_eq!(client.ask("GET", "/failing", "").status, 502);
    assert_eq!(client.ask("GET", "/refused", "").status, 403);
    assert_eq!(client.ask("GET", "/empty", "").status, 204);
    assert_eq!(client.ask("FOOBAR", "/large", "").body.len(), 3000);
    assert_eq!(client.ask("BARFOO", "/large", "").body.len(), 3000);
    server.shows(&[
        r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 2"#,
        r#"http_request_duration_seconds_count{method="GET",route="/users/{id}",status="200"} 2"#,
        r#"http_requests_total{method="GET",route="/api/items/{item}",status="200"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"http_requests_total{method="POST",route="/users/{id}",status="405"} 1"#,
        r#"http_requests_total{method="GET",route="/teapot",status="4xx"} 1"#,
        r#"http_requests_total{method="GET",route="/failing",status="502"} 1"#,
        r#"http_requests_total{method="GET",route="/refused",status="403"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/refused",status="403"} 1"#,
        r#"http_requests_total{method="GET",route="/empty",status="204"} 1"#,
        r#"http_requests_total{method="other",route="/large",status="200"} 2"#,
        "http_requests_in_flight 0",
    ]);
    assert_eq!(server.total(), 12);
    assert_eq!(server.sum("http_responses_aborted_total"), 0);
}

#[test]
fn labels_of_actix_web() {
    labels(&Server::actix());
}

#[test]
fn labels_of_axum() {
    labels(&Server::axum());
}

fn sizes(server: &Server) {
    let mut client = Client::connect(server.address);
    client.send("POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(client.answer(false).text(), "hello");
    client.send(
        "POST /upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer(false).text(), "hel");
    assert_eq!(client.ask("GET", "/chunks", "").body.len(), 3000);
    assert_eq!(client.ask("GET", "/large", "").body.len(), 3000);
    server.shows(&[
        // What is sent in chunks announces no size.
        r#"http_request_size_bytes_count{method="POST",route="/upload"} 1"#,
        r#"http_request_size_bytes_sum{method="POST",route="/upload"} 5"#,
        r#"http_response_size_bytes_count{method="POST",route="/upload"} 2"#,
        r#"http_response_size_bytes_sum{method="POST",route="/upload"} 8"#,
        r#"http_request_size_bytes_sum{method="GET",route="/chunks"} 0"#,
        r#"http_request_size_bytes_count{method="GET",route="/chunks"} 1"#,
        r#"http_response_size_bytes_sum{method="GET",route="/chunks"} 3000"#,
        r#"http_response_size_bytes_bucket{method="GET",route="/large",le="1000.0"} 0"#,
        r#"http_response_size_bytes_bucket{method="GET",route="/large",le="10000.0"} 1"#,
    ]);
    assert_eq!(server.total(), 4);
    assert_eq!(server.sum("http_responses_aborted_total"), 0);
}

#[test]
fn sizes_in_actix_web() {
    sizes(&Server::actix());
}

#[test]
fn sizes_in_axum() {
    sizes(&Server::axum());
}

/// `HEAD` has the headers of a body that never comes: that is no aborted answer.
fn head(server: &Server) {
    let mut client = Client::connect(server.address);
    let answer = client.ask("HEAD", "/large", "");
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("3000")));
    assert_eq!(client.ask("HEAD", "/chunks", "").status, 200);
    assert_eq!(client.ask("HEAD", "/nowhere", "").status, 404);
    server.shows(&[
        r#"http_requests_total{method="HEAD",route="/large",status="200"} 1"#,
        r#"http_requests_total{method="HEAD",route="/chunks",status="200"} 1"#,
        r#"http_requests_total{method="HEAD",route="unmatched",status="404"} 1"#,
        r#"http_response_size_bytes_count{method="HEAD",route="/large"} 1"#,
        r#"http_response_size_bytes_sum{method="HEAD",route="/large"} 0"#,
        r#"http_response_size_bytes_sum{method="HEAD",route="/chunks"} 0"#,
    ]);
    assert_eq!(server.total(), 3);
    assert_eq!(server.sum("http_responses_aborted_total"), 0);
}

#[test]
fn head_in_actix_web() {
    head(&Server::actix());
}

#[test]
fn head_in_axum() {
    head(&Server::axum());
}

#[test]
fn actix_web_tells_routes_apart_that_only_a_guard_tells_apart() {
    let server = Server::actix();
    let mut client = Client::connect(server.address);
    assert_eq!(client.ask("GET", "/of/x", "x-of: one\r\n").text(), "one");
    assert_eq!(client.ask("GET", "/of/x", "").text(), "two");
    server.shows(&[
        r#"http_requests_total{method="GET",route="/of/{one}",status="200"} 1"#,
        r#"http_requests_total{method="GET",route="/of/{two}",status="200"} 1"#,
    ]);
}

#[test]
fn a_path_that_inner_middleware_normalises_has_its_route() {
    let server = Server::actix();
    assert_eq!(ask(server.address, "GET", "/users//7/").text(), "a user");
    server.shows(&[r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 1"#]);
    assert_eq!(server.total(), 1);
}
