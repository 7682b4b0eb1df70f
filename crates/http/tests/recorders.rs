//! The same instruments on a recorder of somebody else, and on none.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bellwether_core::{MetricSet, Registrar};
use bellwether_http::tower::MetricsLayer;
use bellwether_http::{HttpMetrics, HttpTenantMetrics, Tenant};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_layer::Layer;
use tower_service::Service;

#[derive(Clone)]
struct Hello;

impl<B> Service<Request<B>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"hello")))))
    }
}

async fn ask(registrar: &Registrar) {
    let http = HttpMetrics::register(registrar);
    let layer = MetricsLayer::new(http.clone())
        .tenant(HttpTenantMetrics::register(registrar), |_| Some(Tenant::from("acme")));
    let mut service = layer.layer(Hello);
    for _ in 0..3 {
        let answer = service.call(Request::new(Full::new(Bytes::from_static(b"hi")))).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    http.auth_attempt(true);
    http.rate_limited("/login");
    let _socket = http.websocket();
}

#[tokio::test]
async fn a_recorder_of_somebody_else() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    ask(&Registrar::on(recorder)).await;
    let mut seen = HashMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (name, labels) = key.key().clone().into_parts();
        let labels: Vec<_> =
            labels.iter().map(|label| format!("{}={}", label.key(), label.value())).collect();
        seen.insert(format!("{} {}", name.as_str(), labels.join(",")), value);
    }
    let request = "method=GET,route=unmatched";
    let counter = |name: String| match seen.get(&name) {
        Some(DebugValue::Counter(count)) => *count,
        other => panic!("{name}: {other:?} in {:#?}", seen.keys()),
    };
    assert_eq!(counter(format!("http_requests_total {request},status=200")), 3);
    assert_eq!(counter("http_tenant_requests_total tenant=acme,status_class=2xx".into()), 3);
    assert_eq!(counter("http_auth_attempts_total status=success".into()), 1);
    assert_eq!(counter("http_rate_limited_total route=/login".into()), 1);
    let gauge = |name: &str| match seen.get(name) {
        Some(DebugValue::Gauge(value)) => value.0,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(gauge("http_requests_in_flight "), 0.0);
    assert_eq!(gauge("http_connections protocol=websocket"), 0.0);
    let histogram = |name: String| match seen.get(&name) {
        Some(DebugValue::Histogram(values)) => values.iter().map(|value| value.0).collect::<Vec<_>>(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(histogram(format!("http_request_size_bytes {request}")), [2.0; 3]);
    assert_eq!(histogram(format!("http_response_size_bytes {request}")), [5.0; 3]);
    let seconds = histogram(format!("http_request_duration_seconds {request},status=200"));
    assert!(seconds.len() == 3 && seconds.iter().all(|seconds| (0.0..10.0).contains(seconds)), "{seconds:?}");
}

#[tokio::test]
async fn no_recorder() {
    ask(&Registrar::off()).await;
}
