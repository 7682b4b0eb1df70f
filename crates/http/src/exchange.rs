//! A request and its answer, counted exactly once whatever becomes of them. Both adapters drive it.

use std::sync::Arc;
use std::time::Instant;

use bellwether_core::OpenLabel;

use crate::metrics::{
    HttpMetrics, HttpTenantMetrics, Method, MethodRouteLabels, RequestLabels, Route, RouteLabels, Tenant,
    TenantLabels, TenantStatusLabels,
};
use crate::status::Status;

/// What an adapter records with; shared by all its requests, so that one costs one clone of an `Arc`.
pub(crate) struct Observer {
    pub(crate) metrics: HttpMetrics,
    /// Interned before any request: a flood of routes cannot take its place.
    pub(crate) unmatched: Route,
    pub(crate) tenants: Option<HttpTenantMetrics>,
}

impl Observer {
    pub(crate) fn new(metrics: HttpMetrics, tenants: Option<HttpTenantMetrics>) -> Self {
        Self { metrics, unmatched: Route::new(Route::UNMATCHED), tenants }
    }

    pub(crate) fn route(&self, template: Option<&str>) -> Route {
        template.map_or(self.unmatched, Route::new)
    }
}

/// How the answer goes over the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// With a body, of this many bytes if that is known.
    Body(Option<u64>),
    /// Without one, whatever the handler made: to `HEAD`, 204, 304.
    Bodyless,
    /// What follows is another protocol.
    Upgrade,
}

impl Framing {
    pub(crate) fn of(method: Method, code: u16, length: Option<u64>) -> Self {
        match (method, code) {
            (_, 101) | (Method::Connect, 200..=299) => Self::Upgrade,
            (Method::Head, _) | (_, 100..=199 | 204 | 304) => Self::Bodyless,
            _ => Self::Body(length),
        }
    }
}

enum State {
    /// The handler is at work.
    Handling,
    /// The body is on its way.
    Answering { status: Status, framing: Framing, sent: u64, complete: bool },
    /// Everything is counted.
    Counted,
}

/// One request from its head to the end of its answer's body. Dropped early, it counts what became
/// of the request: a panic (500), a client that went away before the answer (499) or during it.
pub(crate) struct Exchange {
    observer: Arc<Observer>,
    pub(crate) method: Method,
    pub(crate) route: Route,
    pub(crate) tenant: Option<Tenant>,
    start: Instant,
    state: State,
}

impl Exchange {
    pub(crate) fn begin(
        observer: &Arc<Observer>,
        method: Method,
        route: Route,
        tenant: Option<Tenant>,
        request_size: Option<u64>,
    ) -> Self {
        observer.metrics.in_flight.inc(());
        if let Some(size) = request_size {
            observer.metrics.request_size.observe(MethodRouteLabels { method, route }, size);
        }
        let observer = observer.clone();
        Self { observer, method, route, tenant, start: Instant::now(), state: State::Handling }
    }

    #[cfg(feature = "actix-web")]
    pub(crate) fn metrics(&self) -> &HttpMetrics {
        &self.observer.metrics
    }

    /// The answer will be one that this place cannot see the body of.
    pub(crate) fn failed(&mut self, status: Status) {
        self.count(status, true);
    }

    /// There is an answer. A further call for the same exchange changes nothing.
    pub(crate) fn answered(&mut self, code: u16, length: Option<u64>) {
        if !matches!(self.state, State::Handling) {
            return;
        }
        let (status, framing) = (Status::from_code(code), Framing::of(self.method, code, length));
        if framing == Framing::Upgrade {
            // The life of a WebSocket is no latency.
            self.count(status, false);
            return;
        }
        let complete = framing == Framing::Bodyless || length == Some(0);
        self.state = State::Answering { status, framing, sent: 0, complete };
    }

    /// A part of the body goes to the connection.
    pub(crate) fn sending(&mut self, bytes: u64) {
        if let State::Answering { framing: Framing::Body(length), sent, complete, .. } = &mut self.state {
            *sent += bytes;
            // A server stops asking at the announced length, without waiting for the end.
            *complete |= length.is_some_and(|length| *sent >= length);
        }
    }

    /// The body has no more to give.
    pub(crate) fn body_ended(&mut self) {
        if let State::Answering { complete, .. } = &mut self.state {
            *complete = true;
        }
    }

    /// Runs a step of the handler; if that panics, the request is a 500 from then on, also when
    /// somebody further out catches the panic and drops the handler later.
    pub(crate) fn guard<T>(&mut self, step: impl FnOnce() -> T) -> T {
        struct Panicked<'a>(&'a mut Exchange);
        impl Drop for Panicked<'_> {
            fn drop(&mut self) {
                self.0.failed(Status::InternalServerError);
            }
        }
        let panicked = Panicked(self);
        let done = step();
        std::mem::forget(panicked);
        done
    }

    fn count(&mut self, status: Status, timed: bool) {
        if matches!(self.state, State::Counted) {
            return;
        }
        let metrics = &self.observer.metrics;
        let Self { method, route, .. } = *self;
        let labels = RequestLabels { method, route, status };
        let elapsed = self.start.elapsed();
        metrics.requests.inc(labels);
        if timed {
            metrics.duration.observe(labels, elapsed);
        }
        if let State::Answering { sent, complete, .. } = self.state {
            metrics.response_size.observe(MethodRouteLabels { method, route }, sent);
            if !complete {
                metrics.aborted.inc(RouteLabels { route });
            }
        }
        if let (Some(tenants), Some(tenant)) = (&self.observer.tenants, self.tenant) {
            tenants.requests.inc(TenantStatusLabels { tenant, status_class: status.class() });
            if timed {
                tenants.duration.observe(TenantLabels { tenant }, elapsed);
            }
        }
        // Last, so that nothing is in flight only when everything is counted.
        metrics.in_flight.dec(());
        self.state = State::Counted;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let status = match self.state {
            State::Counted => return,
            State::Answering { status, .. } => status,
            // A service can panic before it has made its future: then no step was guarded.
            State::Handling if std::thread::panicking() => Status::InternalServerError,
            State::Handling => Status::ClientClosedRequest,
        };
        self.count(status, true);
    }
}
