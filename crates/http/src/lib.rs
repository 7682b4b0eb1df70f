//! What an HTTP server does, measured: for actix-web, axum and every other tower service.
//!
//! # What is measured
//! Requests by method, route template and status; their duration to the end of the body; requests
//! in flight; sizes of bodies; connections by protocol; answers broken off; attempts to
//! authenticate; rate limits. [`HttpMetrics`] declares it all; with [`HttpTenantMetrics`] beside
//! it, requests are counted by tenant too.
//!
//! Each request is counted exactly once, under what became of it:
//!
//! | what happens | `status` | also |
//! |---|---|---|
//! | an answer, sent to its end | its code | |
//! | the client goes away during the body, or the body fails | the code sent | `http_responses_aborted_total` |
//! | the client goes away before the answer, and the server drops the handler | 499 | |
//! | the handler panics | 500 | |
//! | a middleware further in fails | the error's code | no body size: its body is made further out |
//! | an upgrade, such as a WebSocket | 101 | no duration; `http_connections{protocol="websocket"}` |
//!
//! Labels are bounded: the route is the router's template, never the path; what no route takes is
//! `unmatched`; an unknown method is `other`; an unusual status goes by its class (`4xx`).
//!
//! # Usage
//! ```
//! use std::time::Duration;
//! use bellwether_core::{Config, Telemetry};
//! use bellwether_http::{HttpMetrics, HttpTenantMetrics};
//!
//! // In a service: `bellwether_core::install`, once, at the start of `main`.
//! let (telemetry, (http, tenants)) =
//!     Telemetry::isolated::<(HttpMetrics, HttpTenantMetrics)>(Config::default())?;
//!
//! // What the adapters do for each request, and what other servers can do by hand:
//! http.record_request("GET", "/recordings/{id}", 200, Duration::from_millis(12));
//! tenants.record_request("acme", 200, Duration::from_millis(12));
//! // What no adapter can see:
//! http.auth_attempt(false);
//! http.rate_limited("/login");
//!
//! let text = telemetry.render();
//! assert!(text.contains(r#"http_requests_total{method="GET",route="/recordings/{id}",status="200"} 1"#));
//! assert!(text.contains(r#"http_tenant_requests_total{tenant="acme",status_class="2xx"} 1"#));
//! assert!(text.contains(r#"http_auth_attempts_total{status="failure"} 1"#));
//! assert!(text.contains(r#"http_rate_limited_total{route="/login"} 1"#));
//! # Ok::<(), bellwether_core::InstallError>(())
//! ```
//!
//! The adapters have examples of their own: `actix_web::MetricsMiddleware` and `actix_web::endpoint`,
//! `tower::MetricsLayer` and `tower::Endpoint`.
//!
//! # Trade-offs
//! - A request is counted at the end of its body: one that streams for an hour shows in
//!   `http_requests_in_flight` until then.
//! - Bytes are counted when the server takes them; what the network then loses is out of sight.
//! - A malformed request that the server itself turns down (400) reaches no middleware.
//!
//! # Features
//! None is on by default.
//! - `actix-web`: middleware, the `/metrics` service and connections for actix-web 4.
//! - `tower`: a layer and the `/metrics` service for tower: hyper, tonic and others.
//! - `axum`: `tower`, with route templates from axum's `MatchedPath` and peers from its `ConnectInfo`.
//! - `artifacts`: the dashboard, the alerts and their proofs.

#[cfg(feature = "actix-web")]
pub mod actix_web;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(feature = "artifacts")]
mod alerts;
#[cfg(feature = "axum")]
mod axum;
#[cfg(all(feature = "tower", not(feature = "axum")))]
#[path = "no_axum.rs"]
mod axum;
#[cfg(feature = "artifacts")]
mod dashboard;

mod connection;
#[cfg(any(feature = "actix-web", feature = "tower"))]
mod exchange;
mod metrics;
mod status;

pub use connection::{ConnectionGuard, ConnectionHandle};
pub use metrics::{
    AuthLabels, AuthStatus, ConnectionLabels, HttpMetrics, HttpTenantMetrics, Method, MethodRouteLabels,
    Protocol, RequestLabels, Route, RouteLabels, Tenant, TenantLabels, TenantStatusLabels,
};
pub use status::{Status, StatusClass};
