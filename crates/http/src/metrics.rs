//! What the domain measures: the single source of names, labels, buckets and help texts.

use std::time::Duration;

use bellwether_core::{
    Bytes, Counter, Gauge, Histogram, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, Seconds,
};

use crate::connection::ConnectionGuard;
use crate::status::{Status, StatusClass};

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub enum Method {
    /// `GET`.
    #[label("GET")]
    Get,
    /// `HEAD`.
    #[label("HEAD")]
    Head,
    /// `POST`.
    #[label("POST")]
    Post,
    /// `PUT`.
    #[label("PUT")]
    Put,
    /// `DELETE`.
    #[label("DELETE")]
    Delete,
    /// `CONNECT`.
    #[label("CONNECT")]
    Connect,
    /// `OPTIONS`.
    #[label("OPTIONS")]
    Options,
    /// `TRACE`.
    #[label("TRACE")]
    Trace,
    /// `PATCH`.
    #[label("PATCH")]
    Patch,
    /// Whatever else a client sent: methods are free text.
    #[label(other)]
    Other,
}

impl From<&str> for Method {
    /// Methods are case-sensitive: `get` is another method than `GET`.
    fn from(text: &str) -> Self {
        match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        Self::from(method.as_str())
    }
}

/// The template that a request was routed by (`/users/{id}`), never its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
#[label(open, limit = 200)]
pub struct Route(Interned);

impl Route {
    /// The text for requests that no route took.
    pub const UNMATCHED: &str = "unmatched";
}

impl From<&str> for Route {
    fn from(template: &str) -> Self {
        Self::new(template)
    }
}

/// Whom a request was for, of those that share the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
#[label(open, limit = 100)]
pub struct Tenant(Interned);

impl From<&str> for Tenant {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// WebSocket, after an upgrade.
    #[label("websocket")]
    WebSocket,
}

/// How an attempt to authenticate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, LabelValue)]
pub enum AuthStatus {
    /// The credentials were right.
    Success,
    /// They were wrong, missing or expired.
    Failure,
}

/// What a request is counted under once it is answered.
#[derive(Clone, Copy, Debug, LabelSet)]
#[labels(limit = 400)]
pub struct RequestLabels {
    /// The method.
    pub method: Method,
    /// The route's template.
    pub route: Route,
    /// The status of the answer.
    pub status: Status,
}

/// A route with a method.
#[derive(Clone, Copy, Debug, LabelSet)]
#[labels(limit = 200)]
pub struct MethodRouteLabels {
    /// The method.
    pub method: Method,
    /// The route's template.
    pub route: Route,
}

/// A route alone.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct RouteLabels {
    /// The route's template.
    pub route: Route,
}

/// A connection's protocol.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct ConnectionLabels {
    /// What it speaks.
    pub protocol: Protocol,
}

/// How an authentication ended.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct AuthLabels {
    /// Success or failure.
    pub status: AuthStatus,
}

/// Latency in the service; 2.5 ms steps would be noise on a network, over 10 s clients give up.
const REQUEST_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// 100 B to 100 MB, a decade each.
const BODY_BYTES: &[f64] = &[100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// What an HTTP server does. The adapters record it; what they cannot see (authentication, rate
/// limits, WebSockets behind hyper) the application records through the methods.
#[derive(Clone, MetricSet)]
#[metrics(domain = "http")]
pub struct HttpMetrics {
    /// Requests answered, by method, route template and status; 499 is a client that went away before the answer.
    #[metric("http_requests_total")]
    pub requests: Counter<RequestLabels>,
    /// Time from the request's head to the end of the answer's body; upgrades such as WebSockets are not in it.
    #[metric("http_request_duration_seconds", buckets = REQUEST_SECONDS)]
    pub duration: Histogram<RequestLabels, Seconds>,
    /// Requests that are being answered now, up to the end of the body.
    #[metric("http_requests_in_flight")]
    pub in_flight: Gauge,
    /// Size of the bodies of requests as announced; those of unknown length are not in it.
    #[metric("http_request_size_bytes", buckets = BODY_BYTES)]
    pub request_size: Histogram<MethodRouteLabels, Bytes>,
    /// Size of the bodies of answers as handed to the connection, after compression by inner layers.
    #[metric("http_response_size_bytes", buckets = BODY_BYTES)]
    pub response_size: Histogram<MethodRouteLabels, Bytes>,
    /// Open connections that carried a request, by protocol.
    #[metric("http_connections")]
    pub connections: Gauge<ConnectionLabels>,
    /// Answers whose body was not sent to its end: the client went away, or the body failed.
    #[metric("http_responses_aborted_total")]
    pub aborted: Counter<RouteLabels>,
    /// Attempts to authenticate, by how they ended.
    #[metric("http_auth_attempts_total")]
    pub auth_attempts: Counter<AuthLabels>,
    /// Requests turned away by a rate limit.
    #[metric("http_rate_limited_total")]
    pub rate_limited: Counter<RouteLabels>,
}

// A service's budget of series should not be a surprise: a limit raised above shows here.
const _: () = assert!(HttpMetrics::MAX_SERIES <= 15_000);

impl HttpMetrics {
    /// Counts a request and observes its duration in one call, for servers without an adapter here.
    ///
    /// ```
    /// use std::time::Duration;
    /// use bellwether_core::{Config, Telemetry};
    /// use bellwether_http::HttpMetrics;
    ///
    /// let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default())?;
    /// http.record_request("GET", "/users/{id}", 200, Duration::from_millis(3));
    /// let text = telemetry.render();
    /// assert!(text.contains(r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 1"#));
    /// # Ok::<(), bellwether_core::InstallError>(())
    /// ```
    pub fn record_request(
        &self,
        method: impl Into<Method>,
        route: impl Into<Route>,
        status: impl Into<Status>,
        duration: Duration,
    ) {
        let labels = RequestLabels { method: method.into(), route: route.into(), status: status.into() };
        self.requests.inc(labels);
        self.duration.observe(labels, duration);
    }

    /// Counts an attempt to authenticate.
    pub fn auth_attempt(&self, success: bool) {
        let status = if success { AuthStatus::Success } else { AuthStatus::Failure };
        self.auth_attempts.inc(AuthLabels { status });
    }

    /// Counts a request that a rate limit turned away, by its route's template.
    pub fn rate_limited(&self, route: impl Into<Route>) {
        self.rate_limited.inc(RouteLabels { route: route.into() });
    }

    /// A connection whose protocol the first request will tell; it is not counted before, so that
    /// port scans and failed TLS handshakes are not connections. See [`ConnectionGuard`].
    pub fn accepted(&self) -> ConnectionGuard {
        ConnectionGuard::new(self.clone(), None)
    }

    /// A connection of a known protocol, counted until the guard is dropped.
    pub fn connection(&self, protocol: Protocol) -> ConnectionGuard {
        ConnectionGuard::new(self.clone(), Some(protocol))
    }

    /// A WebSocket, counted until the guard is dropped: keep it in the task that serves the socket.
    ///
    /// actix-web's middleware counts WebSockets by itself; behind hyper and axum the socket is out
    /// of a layer's sight, and this is how it is counted.
    ///
    /// ```
    /// use bellwether_core::{Config, Telemetry};
    /// use bellwether_http::HttpMetrics;
    ///
    /// let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default())?;
    /// let socket = http.websocket();
    /// assert!(telemetry.render().contains(r#"http_connections{protocol="websocket"} 1"#));
    /// drop(socket);
    /// assert!(telemetry.render().contains(r#"http_connections{protocol="websocket"} 0"#));
    /// # Ok::<(), bellwether_core::InstallError>(())
    /// ```
    pub fn websocket(&self) -> ConnectionGuard {
        self.connection(Protocol::WebSocket)
    }
}

/// A tenant with the class of an answer.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct TenantStatusLabels {
    /// The tenant.
    pub tenant: Tenant,
    /// The class of the status.
    pub status_class: StatusClass,
}

/// A tenant alone.
#[derive(Clone, Copy, Debug, LabelSet)]
pub struct TenantLabels {
    /// The tenant.
    pub tenant: Tenant,
}

/// Requests by tenant, for services that have them: register it beside [`HttpMetrics`] and tell
/// the adapter who the tenant is.
#[derive(Clone, MetricSet)]
#[metrics(domain = "http-tenant")]
pub struct HttpTenantMetrics {
    /// Requests answered, by tenant and class of status.
    #[metric("http_tenant_requests_total")]
    pub requests: Counter<TenantStatusLabels>,
    /// Time from the request's head to the end of the answer's body, by tenant; upgrades are not in it.
    #[metric("http_tenant_request_duration_seconds", buckets = REQUEST_SECONDS)]
    pub duration: Histogram<TenantLabels, Seconds>,
}

impl HttpTenantMetrics {
    /// Counts a tenant's request and observes its duration.
    pub fn record_request(&self, tenant: impl Into<Tenant>, status: impl Into<Status>, duration: Duration) {
        let (tenant, status) = (tenant.into(), status.into());
        self.requests.inc(TenantStatusLabels { tenant, status_class: status.class() });
        self.duration.observe(TenantLabels { tenant }, duration);
    }
}
