//! Where in an axum application the layer sees which route.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bellwether_core::{Config, Telemetry};
use bellwether_http::HttpMetrics;
use bellwether_http::tower::MetricsLayer;
use http::Request;
use http_body_util::BodyExt;
use tower_layer::Layer;
use tower_service::Service;

fn new() -> (Telemetry, MetricsLayer) {
    let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default()).unwrap();
    (telemetry, MetricsLayer::new(http))
}

/// The series of requests after these were asked for, shortened to route and status.
async fn counted<S, B>(telemetry: &Telemetry, mut app: S, paths: &[&str]) -> Vec<String>
where
    S: Service<Request<Body>, Response = http::Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body,
{
    for path in paths {
        let answer = app.call(Request::get(*path).body(Body::empty()).unwrap()).await.unwrap();
        assert!(answer.into_body().collect().await.is_ok());
    }
    let text = telemetry.render();
    let lines =
        text.lines().filter_map(|line| line.strip_prefix(r#"http_requests_total{method="GET",route=""#));
    lines.map(|line| line.replace("\",status=\"", " ").replace("\"}", "")).collect()
}

fn users() -> Router {
    Router::new().route("/users/{id}", get(async || "a user"))
}

#[tokio::test]
async fn a_layer_sees_all() {
    let (telemetry, layer) = new();
    let app = Router::new().merge(users()).nest("/v1", users()).layer(layer);
    let lines = counted(&telemetry, app, &["/users/1", "/v1/users/2", "/v1/none", "/none"]).await;
    assert_eq!(lines, ["unmatched 404 2", "/users/{id} 200 1", "/v1/users/{id} 200 1"]);
}

#[tokio::test]
async fn a_fallback_is_no_route() {
    let (telemetry, layer) = new();
    let app = users().fallback(async || "a page").layer(layer);
    let lines = counted(&telemetry, app, &["/any", "/path"]).await;
    assert_eq!(lines, ["unmatched 200 2"]);
}

#[tokio::test]
async fn a_layer_of_a_nested_router_sees_the_whole_template() {
    let (telemetry, layer) = new();
    let app = users().nest("/v2", users().layer(layer));
    let lines = counted(&telemetry, app, &["/users/1", "/v2/users/2"]).await;
    assert_eq!(lines, ["/v2/users/{id} 200 1"]);
}

#[tokio::test]
async fn a_route_layer_leaves_out_what_no_route_takes() {
    let (telemetry, layer) = new();
    let app = users().route_layer(layer);
    let lines = counted(&telemetry, app, &["/users/1", "/none"]).await;
    assert_eq!(lines, ["/users/{id} 200 1"]);
}

#[tokio::test]
async fn around_the_router_no_route_is_known() {
    let (telemetry, layer) = new();
    let app = layer.layer(users());
    let lines = counted(&telemetry, app, &["/users/1", "/none"]).await;
    assert_eq!(lines, ["unmatched 200 1", "unmatched 404 1"]);
}
