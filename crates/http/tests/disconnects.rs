//! Clients that go away.

mod common;

use common::Server;
use common::client::Client;

fn streaming(server: &Server) {
    let mut client = Client::connect(server.address);
    client.send("GET /endless HTTP/1.1\r\nhost: test\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200"));
    client.read(10_000);
    server.shows(&["http_requests_in_flight 1"]);
    assert_eq!(server.sum("http_requests_total"), 0, "it is not over yet");
    drop(client);
    server.shows(&[
        r#"http_requests_total{method="GET",route="/endless",status="200"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/endless",status="200"} 1"#,
        r#"http_responses_aborted_total{route="/endless"} 1"#,
        "http_requests_in_flight 0",
    ]);
    assert!(server.value(r#"http_response_size_bytes_sum{method="GET",route="/endless"}"#) >= 9_000);
    assert_eq!(server.total(), 1);
}

#[test]
fn during_the_body_in_actix_web() {
    streaming(&Server::actix());
}

#[test]
fn during_the_body_in_axum() {
    streaming(&Server::axum());
}

/// hyper drops the handler of a client that is gone; actix-web lets it run to its end.
#[test]
fn before_the_answer_in_axum() {
    let server = Server::axum();
    let mut client = Client::connect(server.address);
    client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n");
    server.shows(&["http_requests_in_flight 1"]);
    drop(client);
    server.shows(&[
        r#"http_requests_total{method="GET",route="/slow",status="499"} 1"#,
        "http_requests_in_flight 0",
    ]);
    assert_eq!(server.total(), 1);
    assert_eq!(server.sum("http_responses_aborted_total"), 0);
}

/// hyper lets go of a body at its announced length, without asking for its end.
#[test]
fn an_announced_length_is_an_end() {
    let server = Server::axum();
    let mut client = Client::connect(server.address);
    assert_eq!(client.ask("GET", "/announced", "").body.len(), 1000);
    assert_eq!(server.total(), 1);
    assert_eq!(server.sum("http_responses_aborted_total"), 0);
}
