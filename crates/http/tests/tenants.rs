//! Requests by tenant, for those who ask for it.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;

use bellwether_core::{Config, Telemetry};
use bellwether_http::actix_web::MetricsMiddleware;
use bellwether_http::tower::MetricsLayer;
use bellwether_http::{HttpMetrics, HttpTenantMetrics, Tenant};
use common::client::Client;
use common::{actix_app, axum_app, shows};

type Observed = (HttpMetrics, HttpTenantMetrics);

fn tenants(telemetry: &Telemetry, address: std::net::SocketAddr) {
    let mut client = Client::connect(address);
    client.ask("GET", "/users/7", "x-tenant: acme\r\n");
    client.ask("GET", "/users/8", "x-tenant: acme\r\n");
    client.ask("GET", "/nowhere", "x-tenant: bolt\r\n");
    client.ask("GET", "/users/9", "");
    shows(
        telemetry,
        &[
            r#"http_tenant_requests_total{tenant="acme",status_class="2xx"} 2"#,
            r#"http_tenant_requests_total{tenant="bolt",status_class="4xx"} 1"#,
            r#"http_tenant_request_duration_seconds_count{tenant="acme"} 2"#,
            r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 3"#,
            "http_requests_in_flight 0",
        ],
    );
    let text = telemetry.render();
    let used =
        text.lines().filter(|line| line.starts_with("http_tenant_requests_total{") && !line.ends_with(" 0"));
    assert_eq!(used.count(), 2);
}

#[test]
fn in_actix_web() {
    let (telemetry, (http, by_tenant)) = Telemetry::isolated::<Observed>(Config::default()).unwrap();
    let middleware = MetricsMiddleware::new(http)
        .tenant(by_tenant, |request| Some(Tenant::from(request.headers().get("x-tenant")?.to_str().ok()?)));
    tenants(&telemetry, actix_app::serve_with(&telemetry, middleware, None));
}

#[test]
fn in_axum() {
    let (telemetry, (http, by_tenant)) = Telemetry::isolated::<Observed>(Config::default()).unwrap();
    let layer = MetricsLayer::new(http)
        .tenant(by_tenant, |request| Some(Tenant::from(request.headers.get("x-tenant")?.to_str().ok()?)));
    tenants(&telemetry, axum_app::serve(axum_app::routes(&telemetry, None).layer(layer)));
}
