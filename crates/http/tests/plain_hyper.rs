//! The layer without axum: services of one's own, routes from a closure, what middleware does to
//! requests and bodies.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bellwether_core::{Config, Telemetry};
use bellwether_http::tower::{Endpoint, MetricsLayer, MetricsService};
use bellwether_http::{HttpMetrics, Route};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tower_layer::Layer;
use tower_service::Service;

/// A service from a function, as tower's `service_fn`.
#[derive(Clone)]
struct From<F>(F);

impl<F, Fut, B, R, E> Service<Request<B>> for From<F>
where
    F: FnMut(Request<B>) -> Fut,
    Fut: Future<Output = Result<R, E>>,
{
    type Response = R;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Fut {
        (self.0)(request)
    }
}

fn new<F>(serve: F) -> (Telemetry, MetricsService<From<F>>) {
    let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default()).unwrap();
    let layer = MetricsLayer::new(http).route(|request| match request.uri.path() {
        path if path.starts_with("/files/") => Some(Route::from("/files/{name}")),
        _ => None,
    });
    (telemetry, layer.layer(From(serve)))
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

#[track_caller]
fn has(telemetry: &Telemetry, line: &str) {
    let text = telemetry.render();
    assert!(text.lines().any(|has| has == line), "no {line} in\n{text}");
}

#[track_caller]
fn aborted(telemetry: &Telemetry, route: &str) -> bool {
    has(telemetry, "http_requests_in_flight 0");
    telemetry.render().contains(&format!("http_responses_aborted_total{{route=\"{route}\"}} 1"))
}

#[tokio::test]
async fn routes_come_from_the_closure() {
    let (telemetry, mut service) =
        new(|_| ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"text"))))));
    for path in ["/files/a", "/files/b", "/elsewhere"] {
        let answer = service.call(get(path)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "text");
    }
    has(&telemetry, r#"http_requests_total{method="GET",route="/files/{name}",status="200"} 2"#);
    has(&telemetry, r#"http_requests_total{method="GET",route="unmatched",status="200"} 1"#);
    has(&telemetry, r#"http_response_size_bytes_sum{method="GET",route="/files/{name}"} 8"#);
    assert!(!aborted(&telemetry, "/files/{name}"));
}

#[tokio::test]
async fn the_duration_runs_to_the_end_of_the_body() {
    const PAUSE: Duration = Duration::from_millis(30);
    let (telemetry, mut service) = new(|_| {
        let late = futures_util::stream::once(async {
            tokio::time::sleep(PAUSE).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"late")))
        });
        ready(Ok::<_, Infallible>(Response::new(StreamBody::new(late))))
    });
    let answer = service.call(get("/files/late")).await.unwrap();
    has(&telemetry, "http_requests_in_flight 1");
    assert!(!telemetry.render().contains("http_requests_total{"), "it is not over yet");
    answer.into_body().collect().await.unwrap();
    has(
        &telemetry,
        r#"http_request_duration_seconds_bucket{method="GET",route="/files/{name}",status="200",le="0.025"} 0"#,
    );
    has(
        &telemetry,
        r#"http_request_duration_seconds_bucket{method="GET",route="/files/{name}",status="200",le="+Inf"} 1"#,
    );
}

#[tokio::test]
async fn an_error_of_the_service_is_a_500() {
    let (telemetry, mut service) =
        new(|_| ready(Err::<Response<Empty<Bytes>>, _>(std::io::Error::other("no"))));
    assert!(service.call(get("/files/a")).await.is_err());
    has(&telemetry, r#"http_requests_total{method="GET",route="/files/{name}",status="500"} 1"#);
    has(&telemetry, "http_requests_in_flight 0");
}

/// Middleware further out may catch a panic and drop the handler only then.
#[tokio::test]
async fn a_panic_that_is_caught_further_out_is_a_500() {
    let (telemetry, mut service) = new(|_| async {
        if true {
            panic!("as it should");
        }
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let mut answer = Box::pin(service.call(get("/files/a")));
    let panicked = poll_fn(|cx| {
        let step = std::panic::AssertUnwindSafe(|| answer.as_mut().poll(cx).is_ready());
        Poll::Ready(std::panic::catch_unwind(step).is_err())
    });
    assert!(panicked.await);
    drop(answer);
    has(&telemetry, r#"http_requests_total{method="GET",route="/files/{name}",status="500"} 1"#);
    has(&telemetry, "http_requests_in_flight 0");
}

#[test]
fn a_panic_before_there_is_a_future_is_a_500() {
    type Never = std::future::Ready<Result<Response<Empty<Bytes>>, Infallible>>;
    let (telemetry, mut service) = new(|_| -> Never { panic!("as it should") });
    let call = std::panic::AssertUnwindSafe(|| drop(service.call(get("/files/a"))));
    assert!(std::panic::catch_unwind(call).is_err());
    has(&telemetry, r#"http_requests_total{method="GET",route="/files/{name}",status="500"} 1"#);
    has(&telemetry, "http_requests_in_flight 0");
}

#[test]
fn a_dropped_handler_is_a_499() {
    let (telemetry, mut service) =
        new(|_| std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>());
    let answer = service.call(get("/files/a"));
    has(&telemetry, "http_requests_in_flight 1");
    drop(answer);
    has(&telemetry, r#"http_requests_total{method="GET",route="/files/{name}",status="499"} 1"#);
    has(&telemetry, "http_requests_in_flight 0");
}

type Frames = Vec<Result<Frame<Bytes>, std::io::Error>>;

/// Answers with these frames, takes so many of them from the body, and drops it.
async fn take(request: Request<Empty<Bytes>>, status: u16, frames: fn() -> Frames, taken: usize) -> bool {
    let (telemetry, mut service) = new(move |_| {
        let body = StreamBody::new(futures_util::stream::iter(frames()));
        let answer = Response::builder().status(status).body(BoxBody::new(body)).unwrap();
        ready(Ok::<_, Infallible>(answer))
    });
    let answer = service.call(request).await.unwrap();
    let mut body = Box::pin(answer.into_body());
    for _ in 0..taken {
        let _ = poll_fn(|cx| Pin::as_mut(&mut body).poll_frame(cx)).await;
    }
    drop(body);
    aborted(&telemetry, "/files/{name}")
}

fn data() -> Frames {
    vec![Ok(Frame::data(Bytes::from_static(b"one"))), Ok(Frame::data(Bytes::from_static(b"two")))]
}

fn trailers() -> Frames {
    vec![Ok(Frame::data(Bytes::from_static(b"one"))), Ok(Frame::trailers(HeaderMap::new()))]
}

fn broken() -> Frames {
    vec![Err(std::io::Error::other("no"))]
}

#[tokio::test]
async fn what_is_an_aborted_body() {
    assert!(!take(get("/files/a"), 200, data, 3).await, "taken to its end");
    assert!(take(get("/files/a"), 200, data, 2).await, "nobody knew that it was at its end");
    assert!(take(get("/files/a"), 200, data, 0).await, "never asked for");
    assert!(!take(get("/files/a"), 200, trailers, 2).await, "trailers are the end");
    assert!(take(get("/files/a"), 200, broken, 1).await, "it failed");
    for status in [204, 304] {
        assert!(!take(get("/files/a"), status, data, 0).await, "{status} has no body");
    }
    let mut head = get("/files/a");
    *head.method_mut() = Method::HEAD;
    assert!(!take(head, 200, data, 0).await, "HEAD has no body");
    let mut connect = get("/files/a");
    *connect.method_mut() = Method::CONNECT;
    assert!(!take(connect, 200, data, 0).await, "a tunnel is no body");
}

#[tokio::test]
async fn the_endpoint_takes_the_peer_from_the_extensions() {
    let config = Config::builder().allow("192.0.2.0/24").build().unwrap();
    let (telemetry, _) = Telemetry::isolated::<(HttpMetrics,)>(config).unwrap();
    let mut endpoint = Endpoint::new(&telemetry);
    assert_eq!(endpoint.call(get("/metrics")).await.unwrap().status(), StatusCode::FORBIDDEN);
    let mut request = get("/metrics");
    request.extensions_mut().insert(std::net::SocketAddr::from(([192, 0, 2, 7], 99)));
    assert_eq!(endpoint.call(request).await.unwrap().status(), StatusCode::OK);
}
