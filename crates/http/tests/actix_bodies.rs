//! Bodies that actix-web, or middleware further out, takes in another way than chunk by chunk.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, test};
use bellwether_core::{Config, Telemetry};
use bellwether_http::HttpMetrics;
use bellwether_http::actix_web::MetricsMiddleware;
use futures_util::stream;

fn new() -> (Telemetry, MetricsMiddleware) {
    let (telemetry, (http,)) = Telemetry::isolated::<(HttpMetrics,)>(Config::default()).unwrap();
    (telemetry, MetricsMiddleware::new(http))
}

#[track_caller]
fn has(telemetry: &Telemetry, line: &str) {
    let text = telemetry.render();
    assert!(text.lines().any(|has| has == line), "no {line} in\n{text}");
}

/// As compression and error pages do.
#[actix_web::test]
async fn bytes_taken_at_once_are_sent() {
    let (telemetry, middleware) = new();
    let app = App::new()
        .route("/text", web::get().to(async || "text"))
        .route("/none", web::get().to(async || HttpResponse::NoContent().finish()))
        .route(
            "/stream",
            web::get().to(async || {
                let chunk = Ok::<_, std::io::Error>(Bytes::from_static(b"part"));
                HttpResponse::Ok().streaming(stream::iter([chunk]))
            }),
        )
        .wrap(middleware)
        .wrap_fn(|request, app| {
            let answer = app.call(request);
            async { answer.await.map(ServiceResponse::map_into_boxed_body) }
        });
    let app = test::init_service(app).await;
    for (path, body) in [("/text", "text"), ("/none", ""), ("/stream", "part")] {
        let request = test::TestRequest::get().uri(path).to_request();
        assert_eq!(test::call_and_read_body(&app, request).await, body, "{path}");
    }
    has(&telemetry, r#"http_requests_total{method="GET",route="/text",status="200"} 1"#);
    has(&telemetry, r#"http_response_size_bytes_sum{method="GET",route="/text"} 4"#);
    has(&telemetry, r#"http_requests_total{method="GET",route="/none",status="204"} 1"#);
    has(&telemetry, r#"http_response_size_bytes_sum{method="GET",route="/stream"} 4"#);
    has(&telemetry, "http_requests_in_flight 0");
    assert!(!telemetry.render().contains("http_responses_aborted_total{"));
}

struct Sized(Option<&'static [u8]>);

impl MessageBody for Sized {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(4)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Bytes::from_static(bytes))))
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        self.0.map(Bytes::from_static).ok_or(self)
    }
}

#[actix_web::test]
async fn a_wrapped_body_is_the_body() {
    let (telemetry, middleware) = new();
    let answer = async |taken: bool| {
        let app = App::new().wrap(middleware.clone()).default_service(web::to(move || async move {
            HttpResponse::Ok().message_body(Sized(if taken { None } else { Some(b"four") }))
        }));
        let app = test::init_service(app).await;
        app.call(test::TestRequest::default().to_request()).await.unwrap().into_body()
    };
    let body = answer(false).await;
    assert_eq!(body.size(), BodySize::Sized(4));
    assert_eq!(body.try_into_bytes().ok().unwrap(), "four");
    assert!(answer(true).await.try_into_bytes().is_err(), "what cannot be taken comes back");
    has(&telemetry, r#"http_requests_total{method="GET",route="unmatched",status="200"} 2"#);
    has(&telemetry, r#"http_responses_aborted_total{route="unmatched"} 1"#);
    has(&telemetry, "http_requests_in_flight 0");
}
