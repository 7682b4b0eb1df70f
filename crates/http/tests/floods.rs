//! Many requests, and many paths that nobody knows.

mod common;

use std::net::SocketAddr;

use bellwether_testkit::resident;
use common::Server;
use common::client::Client;

/// So many requests over four connections at once, written in batches.
fn flood(address: SocketAddr, requests: usize, path: impl Fn(usize) -> String + Sync, status: u16) {
    const CONNECTIONS: usize = 4;
    // actix-web queues 16 requests of a connection.
    const BATCH: usize = 10;
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let path = &path;
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for batch in 0..requests / CONNECTIONS / BATCH {
                    let numbers = (0..BATCH).map(|at| (batch * BATCH + at) * CONNECTIONS + connection);
                    let text: String = numbers
                        .map(|number| format!("GET {} HTTP/1.1\r\nhost: test\r\n\r\n", path(number)))
                        .collect();
                    client.send(&text);
                    for _ in 0..BATCH {
                        assert_eq!(client.answer(false).status, status);
                    }
                }
            });
        }
    });
}

fn exact(server: &Server) {
    flood(server.address, 10_000, |number| format!("/users/{number}"), 200);
    server.shows(&[
        r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 10000"#,
        r#"http_request_duration_seconds_count{method="GET",route="/users/{id}",status="200"} 10000"#,
        r#"http_request_duration_seconds_bucket{method="GET",route="/users/{id}",status="200",le="+Inf"} 10000"#,
        r#"http_response_size_bytes_sum{method="GET",route="/users/{id}"} 60000"#,
        "http_requests_in_flight 0",
    ]);
    assert_eq!(server.total(), 10_000);
    assert_eq!(server.sum("http_responses_aborted_total"), 0);
}

#[test]
fn ten_thousand_requests_to_actix_web() {
    exact(&Server::actix());
}

#[test]
fn ten_thousand_requests_to_axum() {
    exact(&Server::axum());
}

fn one_route(server: &Server) {
    // What a server keeps for its connections is there before the measurement.
    flood(server.address, 1_000, |number| format!("/warm-{number}.php"), 404);
    let before = resident();
    flood(server.address, 100_000, |number| format!("/wp-{number}.php"), 404);
    server.shows(&[r#"http_requests_total{method="GET",route="unmatched",status="404"} 101000"#]);
    // The other tests of this process have their servers and clients in it too.
    let growth = resident().saturating_sub(before) / 1024;
    println!("{growth} KiB more in RAM after 100,000 paths");
    assert!(growth < 32 * 1024, "{growth} KiB");
    let text = server.telemetry.render();
    assert_eq!(text.lines().filter(|line| line.starts_with("http_requests_total{")).count(), 1);
    assert_eq!(server.sum("bellwether_label_overflow_total"), 0);
}

#[test]
fn a_hundred_thousand_unknown_paths_in_actix_web() {
    one_route(&Server::actix());
}

#[test]
fn a_hundred_thousand_unknown_paths_in_axum() {
    one_route(&Server::axum());
}
