//! A layer and the `/metrics` service for axum, hyper, tonic and every other tower service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bellwether_core::{ScrapeRequest, Telemetry};
use bytes::{Buf, Bytes};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version, header};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::axum;
use crate::connection::ConnectionHandle;
use crate::exchange::{Exchange, Observer};
use crate::metrics::{HttpMetrics, HttpTenantMetrics, Method, Protocol, Route, Tenant};
use crate::status::Status;

/// Records every request of a tower service.
///
/// In axum give it to `Router::layer`, after all routes, so that requests that no route takes are
/// seen too (`Router::route_layer` leaves them out). Around the whole router, or behind
/// `nest_service`, the template is out of sight and every route is `unmatched`. For other routers
/// say the template with [`route`](Self::route).
///
/// Connections are counted when the server puts a [`ConnectionHandle`] into the extensions of each
/// request; see [`ConnectionGuard`](crate::ConnectionGuard). WebSockets leave the layer's sight
/// with the 101: keep [`HttpMetrics::websocket`] in the task that serves one, unless a guard in the
/// I/O object counts the connection already.
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use bellwether_core::{Config, Telemetry};
/// use bellwether_http::HttpMetrics;
/// use bellwether_http::tower::{Endpoint, MetricsLayer};
/// use http::Request;
/// use http_body_util::BodyExt;
/// use tower_service::Service;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default())?;
/// let mut app: Router = Router::new()
///     .route("/users/{id}", get(async || "a user"))
///     .route_service(telemetry.config().path(), Endpoint::new(&telemetry))
///     .layer(MetricsLayer::new(http));
///
/// let response = app.call(Request::get("/users/7").body(Body::empty())?).await?;
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "a user");
/// # #[cfg(feature = "axum")]
/// assert!(telemetry.render().contains(r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 1"#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MetricsLayer {
    observer: Arc<Observer>,
    route: Option<Of<Route>>,
    tenant: Option<Of<Tenant>>,
}

type Of<V> = Arc<dyn Fn(&Parts) -> Option<V> + Send + Sync>;

impl MetricsLayer {
    /// A layer that records with `metrics`.
    #[must_use]
    pub fn new(metrics: HttpMetrics) -> Self {
        Self { observer: Arc::new(Observer::new(metrics, None)), route: None, tenant: None }
    }

    /// Takes the route's template from `of`, `unmatched` for none. It must be one of a few texts:
    /// past the limit of [`Route`] they are counted as `other`.
    ///
    /// ```
    /// use bellwether_core::{Config, Telemetry};
    /// use bellwether_http::{HttpMetrics, Route};
    /// use bellwether_http::tower::MetricsLayer;
    ///
    /// let (_, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default())?;
    /// let layer = MetricsLayer::new(http).route(|request| match request.uri.path() {
    ///     "/health" => Some(Route::from("/health")),
    ///     path if path.starts_with("/files/") => Some(Route::from("/files/{name}")),
    ///     _ => None,
    /// });
    /// # Ok::<(), bellwether_core::InstallError>(())
    /// ```
    #[must_use]
    pub fn route(self, of: impl Fn(&Parts) -> Option<Route> + Send + Sync + 'static) -> Self {
        Self { route: Some(Arc::new(of)), ..self }
    }

    /// Counts requests by tenant as well; `of` tells whose a request is.
    #[must_use]
    pub fn tenant(
        self,
        metrics: HttpTenantMetrics,
        of: impl Fn(&Parts) -> Option<Tenant> + Send + Sync + 'static,
    ) -> Self {
        let observer = Observer::new(self.observer.metrics.clone(), Some(metrics));
        Self { observer: Arc::new(observer), tenant: Some(Arc::new(of)), ..self }
    }

    fn begin<B: http_body::Body>(&self, request: Request<B>) -> (Exchange, Request<B>) {
        let size = request.body().size_hint().exact();
        let method = Method::from(request.method());
        if self.route.is_none() && self.tenant.is_none() {
            let route = self.observer.route(axum::template(request.extensions()));
            return (Exchange::begin(&self.observer, method, route, None, size), request);
        }
        let (parts, body) = request.into_parts();
        let route = match &self.route {
            Some(of) => of(&parts).unwrap_or(self.observer.unmatched),
            None => self.observer.route(axum::template(&parts.extensions)),
        };
        let tenant = self.tenant.as_ref().and_then(|of| of(&parts));
        let exchange = Exchange::begin(&self.observer, method, route, tenant, size);
        (exchange, Request::from_parts(parts, body))
    }
}

impl fmt::Debug for MetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsLayer")
            .field("route", &self.route.is_some())
            .field("tenant", &self.tenant.is_some())
            .finish_non_exhaustive()
    }
}

impl<S> tower_layer::Layer<S> for MetricsLayer {
    type Service = MetricsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MetricsService { inner, layer: self.clone() }
    }
}

/// What [`MetricsLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct MetricsService<S> {
    inner: S,
    layer: MetricsLayer,
}

impl<S, In, Out> Service<Request<In>> for MetricsService<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    In: http_body::Body,
    Out: http_body::Body,
{
    type Response = Response<Body<Out>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        // HTTP/2 carries a WebSocket in one of its streams, and goes on.
        let http1 = request.version() < Version::HTTP_2;
        if let Some(connection) = &connection {
            connection.speaks(if http1 { Protocol::Http1 } else { Protocol::Http2 });
        }
        let (mut exchange, request) = self.layer.begin(request);
        let inner = exchange.guard(|| self.inner.call(request));
        ResponseFuture { inner, exchange: Some(exchange), connection: connection.filter(|_| http1) }
    }
}

pin_project! {
    /// A request at work.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        exchange: Option<Exchange>,
        connection: Option<ConnectionHandle>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body,
{
    type Output = Result<Response<Body<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.exchange {
            Some(exchange) => exchange.guard(|| this.inner.poll(cx)),
            None => this.inner.poll(cx),
        };
        let result = ready!(polled);
        let mut exchange = this.exchange.take();
        match (&result, &mut exchange) {
            (Ok(response), Some(exchange)) => {
                exchange.answered(response.status().as_u16(), length(response));
                if let Some(connection) = this.connection.take().filter(|_| is_websocket(response)) {
                    connection.speaks(Protocol::WebSocket);
                }
            }
            // What becomes of it is the server's affair; hyper closes the connection.
            (Err(_), Some(exchange)) => exchange.failed(Status::InternalServerError),
            (_, None) => {}
        }
        Poll::Ready(result.map(|response| response.map(|inner| Body { inner, exchange })))
    }
}

/// What the server will have of the body, if it can be known: at that many bytes hyper lets go of it.
fn length<B: http_body::Body>(response: &Response<B>) -> Option<u64> {
    if response.body().is_end_stream() {
        return Some(0);
    }
    response
        .body()
        .size_hint()
        .exact()
        .or_else(|| response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok())
}

fn is_websocket<B>(response: &Response<B>) -> bool {
    let upgrade = response.headers().get(header::UPGRADE);
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

pin_project! {
    /// An answer's body: counts its bytes, its end, and with it the request.
    pub struct Body<B> {
        #[pin]
        inner: B,
        exchange: Option<Exchange>,
    }
}

impl<B: http_body::Body> http_body::Body for Body<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(exchange) = this.exchange {
            match &frame {
                Some(Ok(frame)) => {
                    exchange.sending(frame.data_ref().map_or(0, |data| data.remaining() as u64));
                    // A server asks no further after trailers, or once the body says that it ends.
                    if frame.is_trailers() || this.inner.is_end_stream() {
                        exchange.body_ended();
                    }
                }
                Some(Err(_)) => {}
                None => exchange.body_ended(),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("done", &self.exchange.is_none()).finish_non_exhaustive()
    }
}

/// The scrape as a service: `Router::route_service(telemetry.config().path(), Endpoint::new(&telemetry))`.
///
/// It takes all methods, because [`Telemetry::scrape`] itself turns down what is neither GET nor
/// HEAD, and checks credentials, address and rate. The address is that of the connection, from the
/// extensions: axum's `ConnectInfo<SocketAddr>` (feature `axum`, with
/// `into_make_service_with_connect_info`), or a plain `SocketAddr` that the server put there; with
/// neither, a list of allowed networks lets nobody in.
///
/// Cost: inside a tokio runtime the scrape runs on a thread for blocking work, so that a slow
/// collector holds no request up.
#[derive(Clone, Debug)]
pub struct Endpoint {
    telemetry: Telemetry,
}

impl Endpoint {
    /// The scrape of `telemetry`.
    #[must_use]
    pub fn new(telemetry: &Telemetry) -> Self {
        Self { telemetry: telemetry.clone() }
    }
}

impl<B> Service<Request<B>> for Endpoint {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, _) = request.into_parts();
        let telemetry = self.telemetry.clone();
        let scrape = move || {
            let peer = peer(&parts.extensions);
            telemetry.scrape(ScrapeRequest { method: &parts.method, headers: &parts.headers, peer })
        };
        Box::pin(async move {
            let response = match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime.spawn_blocking(scrape).await.unwrap_or_else(|_| {
                    let mut failed = Response::new(Bytes::from_static(b"the scrape failed\n"));
                    *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    failed
                }),
                Err(_) => scrape(),
            };
            Ok(response.map(Full::new))
        })
    }
}

fn peer(extensions: &http::Extensions) -> Option<IpAddr> {
    let given = extensions.get::<SocketAddr>().map(SocketAddr::ip);
    given.or_else(|| axum::peer(extensions))
}
