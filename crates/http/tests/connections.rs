//! Connections by protocol, and WebSockets.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use bellwether_core::{Config, Telemetry};
use bellwether_http::{ConnectionGuard, HttpMetrics, Protocol};
use common::client::Client;
use common::{Server, actix_app, axum_app, shows, value};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

const HTTP1: &str = r#"http_connections{protocol="http1"}"#;
const HTTP2: &str = r#"http_connections{protocol="http2"}"#;
const WEBSOCKET: &str = r#"http_connections{protocol="websocket"}"#;

fn new() -> (Telemetry, HttpMetrics) {
    let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default()).unwrap();
    (telemetry, http)
}

#[track_caller]
fn connections(telemetry: &Telemetry, http1: u64, http2: u64, websocket: u64) {
    let lines = [(HTTP1, http1), (HTTP2, http2), (WEBSOCKET, websocket)];
    let lines = lines.map(|(series, value)| format!("{series} {value}"));
    shows(telemetry, &lines.each_ref().map(String::as_str));
}

/// Upgrades, talks, and leaves.
fn websocket(telemetry: &Telemetry, address: SocketAddr) {
    let mut client = Client::connect(address);
    client.send("GET /socket HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 101"));
    client.send("hello");
    assert_eq!(client.read(5), b"hello");
    connections(telemetry, 0, 0, 1);
    shows(
        telemetry,
        &[
            r#"http_requests_total{method="GET",route="/socket",status="101"} 1"#,
            // The socket is no request that would be under way.
            "http_requests_in_flight 0",
        ],
    );
    drop(client);
    connections(telemetry, 0, 0, 0);
    let text = telemetry.render();
    assert!(!text.contains(r#"http_request_duration_seconds_count{method="GET",route="/socket"#), "{text}");
    assert!(!text.contains("http_responses_aborted_total{"), "{text}");
    assert_eq!(value(telemetry, r#"http_requests_total{method="GET",route="/socket",status="101"}"#), 1);
}

#[test]
fn a_websocket_in_actix_web() {
    let server = Server::actix();
    websocket(&server.telemetry, server.address);
}

#[test]
fn a_websocket_in_actix_web_with_connections() {
    let (telemetry, http) = new();
    websocket(&telemetry, actix_app::serve(&telemetry, &http, true));
}

#[test]
fn a_websocket_in_axum() {
    let server = Server::axum();
    websocket(&server.telemetry, server.address);
}

#[test]
fn a_websocket_in_hyper_with_connections() {
    let (telemetry, http) = new();
    let app = axum_app::routes(&telemetry, None);
    websocket(&telemetry, serve_counted(app, http));
}

/// HTTP/1.1 and HTTP/2 side by side, each counted from its first request to its end.
fn both(telemetry: &Telemetry, address: SocketAddr) {
    let mut first = Client::connect(address);
    let silent = Client::connect(address);
    assert_eq!(first.ask("GET", "/users/1", "").text(), "a user");
    connections(telemetry, 1, 0, 0);
    let mut second = Client::connect(address);
    assert_eq!(second.ask("GET", "/users/2", "").text(), "a user");
    assert_eq!(second.ask("GET", "/users/3", "").text(), "a user");
    connections(telemetry, 2, 0, 0);
    drop(first);
    connections(telemetry, 1, 0, 0);
    http2(address, || connections(telemetry, 1, 1, 0));
    connections(telemetry, 1, 0, 0);
    drop((second, silent));
    connections(telemetry, 0, 0, 0);
    shows(telemetry, &[r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 5"#]);
}

/// Two requests over one connection of HTTP/2; `meanwhile` runs while it is open.
fn http2(address: SocketAddr, meanwhile: impl FnOnce()) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let connection = tokio::spawn(connection);
        for _ in 0..2 {
            let request = http::Request::get("http://test/users/9").body(Body::empty()).unwrap();
            let answer = client.send_request(request).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
            let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
            assert_eq!(body.to_bytes(), "a user");
        }
        tokio::task::block_in_place(meanwhile);
        drop(client);
        connection.abort();
    });
}

#[test]
fn connections_of_actix_web() {
    let (telemetry, http) = new();
    both(&telemetry, actix_app::serve(&telemetry, &http, true));
}

#[test]
fn connections_of_hyper() {
    let (telemetry, http) = new();
    let app = axum_app::routes(&telemetry, None);
    both(&telemetry, serve_counted(app, http));
}

/// A server that keeps a guard in the I/O object and gives a handle to every request.
fn serve_counted(app: Router, http: HttpMetrics) -> SocketAddr {
    let app = app.layer(bellwether_http::tower::MetricsLayer::new(http.clone()));
    axum_app::background(|listener: TcpListener| async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let guard = http.accepted();
            let (handle, app) = (guard.handle(), app.clone());
            let io = TokioIo::new(Counted { stream, _guard: guard });
            let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
                request.extensions_mut().insert(handle.clone());
                app.clone().call(request)
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection_with_upgrades(io, service).await;
            });
        }
    })
}

struct Counted {
    stream: TcpStream,
    _guard: ConnectionGuard,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[test]
fn a_guard_counts_one_protocol_at_a_time_and_nothing_after_its_end() {
    let (telemetry, http) = new();
    let guard = http.accepted();
    connections(&telemetry, 0, 0, 0);
    let handle = guard.handle();
    handle.speaks(Protocol::Http1);
    handle.speaks(Protocol::Http1);
    connections(&telemetry, 1, 0, 0);
    handle.speaks(Protocol::WebSocket);
    assert_eq!(guard.protocol(), Some(Protocol::WebSocket));
    connections(&telemetry, 0, 0, 1);
    drop(guard);
    handle.speaks(Protocol::Http2);
    connections(&telemetry, 0, 0, 0);
    let known = http.connection(Protocol::Http2);
    connections(&telemetry, 0, 1, 0);
    drop(known);
    connections(&telemetry, 0, 0, 0);
}
