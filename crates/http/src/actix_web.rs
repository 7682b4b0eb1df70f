//! Middleware, the `/metrics` service and connections for actix-web.

use std::any::Any;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Extensions, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::{Version, header};
use actix_web::web::Bytes;
use actix_web::{Error, HttpRequest, HttpResponse, Resource, web};
use bellwether_core::{ScrapeRequest, Telemetry};
use pin_project_lite::pin_project;

use crate::connection::ConnectionGuard;
use crate::exchange::{Exchange, Observer};
use crate::metrics::{HttpMetrics, HttpTenantMetrics, Method, Protocol, Route, Tenant};
use crate::status::Status;

type TenantOf = Arc<dyn Fn(&HttpRequest) -> Option<Tenant> + Send + Sync>;

/// Records every request of an actix-web application.
///
/// Wrap it around the whole application and last, so that it is outermost: a middleware further
/// out may still change the status. Make it outside the factory closure and clone it in.
///
/// ```
/// use actix_web::{App, test, web};
/// use bellwether_core::{Config, Telemetry};
/// use bellwether_http::HttpMetrics;
/// use bellwether_http::actix_web::{MetricsMiddleware, endpoint};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), bellwether_core::InstallError> {
/// let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default())?;
/// let app = App::new()
///     .route("/users/{id}", web::get().to(async || "a user"))
///     .service(endpoint(&telemetry))
///     .wrap(MetricsMiddleware::new(http));
///
/// let app = test::init_service(app).await;
/// let request = test::TestRequest::get().uri("/users/7").to_request();
/// assert_eq!(test::call_and_read_body(&app, request).await, "a user");
/// let text = telemetry.render();
/// assert!(text.contains(r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 1"#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MetricsMiddleware {
    observer: Arc<Observer>,
    tenant: Option<TenantOf>,
}

impl MetricsMiddleware {
    /// Middleware that records with `metrics`.
    #[must_use]
    pub fn new(metrics: HttpMetrics) -> Self {
        Self { observer: Arc::new(Observer::new(metrics, None)), tenant: None }
    }

    /// Counts requests by tenant as well. `of` tells whose a request is; it is asked when the
    /// request comes in and, if it knew nothing then, once more with the answer: what inner
    /// middleware has put into the extensions is there by then.
    ///
    /// ```
    /// use bellwether_core::{Config, Telemetry};
    /// use bellwether_http::{HttpMetrics, HttpTenantMetrics, Tenant};
    /// use bellwether_http::actix_web::MetricsMiddleware;
    ///
    /// let (_, (http, tenants)) =
    ///     Telemetry::isolated::<(HttpMetrics, HttpTenantMetrics)>(Config::default())?;
    /// let middleware = MetricsMiddleware::new(http)
    ///     .tenant(tenants, |request| Some(Tenant::from(request.headers().get("x-tenant")?.to_str().ok()?)));
    /// # Ok::<(), bellwether_core::InstallError>(())
    /// ```
    #[must_use]
    pub fn tenant(
        self,
        metrics: HttpTenantMetrics,
        of: impl Fn(&HttpRequest) -> Option<Tenant> + Send + Sync + 'static,
    ) -> Self {
        let observer = Observer::new(self.observer.metrics.clone(), Some(metrics));
        Self { observer: Arc::new(observer), tenant: Some(Arc::new(of)) }
    }
}

impl fmt::Debug for MetricsMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsMiddleware").field("tenant", &self.tenant.is_some()).finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for MetricsMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<Body<B>>;
    type Error = Error;
    type Transform = MetricsService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(MetricsService { inner, middleware: self.clone() }))
    }
}

/// What [`MetricsMiddleware`] makes of a service.
#[derive(Debug)]
pub struct MetricsService<S> {
    inner: S,
    middleware: MetricsMiddleware,
}

impl<S, B> Service<ServiceRequest> for MetricsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<Body<B>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    actix_web::dev::forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let MetricsMiddleware { observer, tenant } = &self.middleware;
        if let Some(connection) = request.conn_data::<ConnectionGuard>() {
            // A connection that has become a WebSocket has no further requests.
            connection.speaks(spoken(request.request()));
        }
        let mut exchange = Exchange::begin(
            observer,
            Method::from(request.method().as_str()),
            observer.route(request.match_pattern().as_deref()),
            tenant.as_ref().and_then(|of| of(request.request())),
            announced_size(request.request()),
        );
        let ask_again = if exchange.tenant.is_none() { tenant.clone() } else { None };
        let inner = exchange.guard(|| self.inner.call(request));
        ResponseFuture { inner, exchange: Some(exchange), tenant: ask_again }
    }
}

fn spoken(request: &HttpRequest) -> Protocol {
    if request.version() == Version::HTTP_2 { Protocol::Http2 } else { Protocol::Http1 }
}

fn announced_size(request: &HttpRequest) -> Option<u64> {
    let headers = request.headers();
    match headers.get(header::CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        // Up to HTTP/1.1 a request without either header has no body; HTTP/2 can stream one.
        None if headers.contains_key(header::TRANSFER_ENCODING) || request.version() > Version::HTTP_11 => {
            None
        }
        None => Some(0),
    }
}

pin_project! {
    /// A request at work.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        exchange: Option<Exchange>,
        tenant: Option<TenantOf>,
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<Body<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.exchange {
            Some(exchange) => exchange.guard(|| this.inner.poll(cx)),
            None => this.inner.poll(cx),
        };
        let result = ready!(polled);
        let mut exchange = this.exchange.take();
        Poll::Ready(match result {
            Ok(response) => {
                let mut socket = None;
                if let Some(exchange) = &mut exchange {
                    socket = answered(exchange, this.tenant.take(), &response);
                }
                Ok(response.map_body(|_, inner| Body { inner, exchange, socket }))
            }
            Err(error) => {
                if let Some(exchange) = &mut exchange {
                    exchange.failed(Status::from_code(error.as_response_error().status_code().as_u16()));
                }
                Err(error)
            }
        })
    }
}

fn answered<B: MessageBody>(
    exchange: &mut Exchange,
    tenant: Option<TenantOf>,
    response: &ServiceResponse<B>,
) -> Option<ConnectionGuard> {
    let request = response.request();
    // Only now the guards of resources have been heard, and paths have been normalised.
    if let Some(template) = request.match_pattern() {
        exchange.route = Route::from(template.as_str());
    }
    if let Some(of) = tenant {
        exchange.tenant = of(request);
    }
    let code = response.status().as_u16();
    // Any other length does not matter: actix-web always asks a body until it says that it ends.
    exchange.answered(code, response.response().body().size().is_eof().then_some(0));
    let upgrade = response.headers().get(header::UPGRADE);
    if code != 101 || !upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return None;
    }
    match request.conn_data::<ConnectionGuard>() {
        Some(connection) => {
            connection.speaks(Protocol::WebSocket);
            None
        }
        None => Some(exchange.metrics().websocket()),
    }
}

pin_project! {
    /// An answer's body: counts its bytes, its end, and with it the request.
    pub struct Body<B> {
        #[pin]
        inner: B,
        exchange: Option<Exchange>,
        // actix-web carries a WebSocket as the body of the 101.
        socket: Option<ConnectionGuard>,
    }
}

impl<B: MessageBody> MessageBody for Body<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let chunk = ready!(this.inner.poll_next(cx));
        if let Some(exchange) = this.exchange {
            match &chunk {
                Some(Ok(bytes)) => exchange.sending(bytes.len() as u64),
                Some(Err(_)) => {}
                None => exchange.body_ended(),
            }
        }
        Poll::Ready(chunk)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { inner, mut exchange, socket } = self;
        match inner.try_into_bytes() {
            Ok(bytes) => {
                if let Some(exchange) = &mut exchange {
                    exchange.sending(bytes.len() as u64);
                    exchange.body_ended();
                }
                Ok(bytes)
            }
            Err(inner) => Err(Self { inner, exchange, socket }),
        }
    }
}

impl<B> fmt::Debug for Body<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("done", &self.exchange.is_none()).finish_non_exhaustive()
    }
}

/// Counts connections in `http_connections{protocol="http1|http2"}`: give it to
/// [`HttpServer::on_connect`](actix_web::HttpServer::on_connect), beside [`MetricsMiddleware`].
///
/// A connection is counted from its first request, which tells the protocol, until it is closed;
/// if it becomes a WebSocket it is counted as that instead. Without this, the middleware counts
/// WebSockets alone. A service that has an `on_connect` of its own inserts
/// [`HttpMetrics::accepted`] there itself.
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use bellwether_core::{Config, Telemetry};
/// use bellwether_http::HttpMetrics;
/// use bellwether_http::actix_web::{MetricsMiddleware, on_connect};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (_, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default())?;
/// let middleware = MetricsMiddleware::new(http.clone());
/// HttpServer::new(move || App::new().wrap(middleware.clone()))
///     .on_connect(on_connect(http))
///     .bind("127.0.0.1:8080")?
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub fn on_connect(metrics: HttpMetrics) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |_, data| {
        data.insert(metrics.accepted());
    }
}

/// The scrape, at the path of the settings (`/metrics`). It takes all methods, because
/// [`Telemetry::scrape`] itself turns down what is neither GET nor HEAD, and checks credentials,
/// address and rate. The address is that of the connection, never of a `Forwarded` header.
///
/// Cost: the scrape runs on actix-web's threads for blocking work, so that a slow collector holds
/// no request up.
pub fn endpoint(telemetry: &Telemetry) -> Resource {
    let telemetry = telemetry.clone();
    web::resource(telemetry.config().path())
        .to(move |request: HttpRequest| scrape(telemetry.clone(), request))
}

async fn scrape(telemetry: Telemetry, request: HttpRequest) -> HttpResponse {
    // actix-web is at version 0.2 of the http crate.
    let Ok(method) = http::Method::from_bytes(request.method().as_str().as_bytes()) else {
        return HttpResponse::BadRequest().finish();
    };
    let mut headers = http::HeaderMap::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let peer = request.peer_addr().map(|address| address.ip());
    let scrape =
        web::block(move || telemetry.scrape(ScrapeRequest { method: &method, headers: &headers, peer }));
    let Ok(scrape) = scrape.await else { return HttpResponse::InternalServerError().finish() };
    let (parts, body) = scrape.into_parts();
    let status = actix_web::http::StatusCode::from_u16(parts.status.as_u16());
    let mut response =
        HttpResponse::build(status.unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &parts.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(body)
}
