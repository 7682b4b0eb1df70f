//! The application on actix-web.

use std::convert::Infallible;
use std::net::SocketAddr;

use actix_web::http::StatusCode;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, error, guard};
use bellwether_core::Telemetry;
use bellwether_http::HttpMetrics;
use bellwether_http::actix_web::{MetricsMiddleware, endpoint, on_connect};
use futures_util::{StreamExt, stream};

pub fn serve(telemetry: &Telemetry, http: &HttpMetrics, connections: bool) -> SocketAddr {
    serve_with(telemetry, MetricsMiddleware::new(http.clone()), connections.then(|| http.clone()))
}

pub fn serve_with(
    telemetry: &Telemetry,
    middleware: MetricsMiddleware,
    connections: Option<HttpMetrics>,
) -> SocketAddr {
    let (send, receive) = std::sync::mpsc::channel();
    let telemetry = telemetry.clone();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let mut server = HttpServer::new(move || {
                let telemetry = telemetry.clone();
                App::new()
                    .configure(move |config| routes(config, &telemetry))
                    .wrap(NormalizePath::trim())
                    .wrap(middleware.clone())
            })
            .workers(2)
            .disable_signals();
            if let Some(http) = connections {
                server = server.on_connect(on_connect(http));
            }
            let server = server.bind_auto_h2c("127.0.0.1:0").unwrap();
            send.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    receive.recv().unwrap()
}

fn routes(config: &mut web::ServiceConfig, telemetry: &Telemetry) {
    let chunk = || Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1000]));
    let api = web::scope("/api").route("/items/{item}", web::get().to(async || "an item"));
    // Only its guard tells this scope from the next one.
    let guarded =
        web::scope("/of").guard(guard::Header("x-of", "one")).route("/{one}", web::get().to(async || "one"));
    let other = web::scope("/of").route("/{two}", web::get().to(async || "two"));
    let refused = web::scope("/refused")
        .wrap(from_fn(async |_, _: actix_web::middleware::Next<actix_web::body::BoxBody>| {
            Err::<actix_web::dev::ServiceResponse, _>(error::ErrorForbidden("not you"))
        }))
        .route("", web::get().to(async || "never"));
    config
        .service(endpoint(telemetry))
        .service(web::resource("/users/{id}").get(async || "a user"))
        .route("/upload", web::post().to(async |body: Bytes| HttpResponse::Created().body(body)))
        .service(api)
        .service(guarded)
        .service(other)
        .service(refused)
        .route("/panic", web::get().to(async || -> &'static str { panic!("as it should") }))
        .route("/failing", web::get().to(async || Err::<&str, Error>(error::ErrorBadGateway("no"))))
        .route("/teapot", web::get().to(async || HttpResponse::build(StatusCode::IM_A_TEAPOT).finish()))
        .route("/empty", web::get().to(async || HttpResponse::NoContent().finish()))
        .route("/large", web::to(async || vec![b'x'; 3000]))
        .route(
            "/chunks",
            web::to(move || async move {
                HttpResponse::Ok().streaming(stream::iter([chunk(), chunk(), chunk()]))
            }),
        )
        .route(
            "/endless",
            web::get().to(move || async move { HttpResponse::Ok().streaming(stream::repeat_with(chunk)) }),
        )
        .route(
            "/broken",
            web::get().to(move || async move {
                HttpResponse::Ok().streaming(stream::iter([
                    Ok(Bytes::from_static(b"half")),
                    Err(error::ErrorBadGateway("no")),
                ]))
            }),
        )
        .route("/socket", web::get().to(socket));
}

/// Takes the upgrade and echoes what comes, as a WebSocket's frames come and go in actix-web.
async fn socket(_: HttpRequest, body: web::Payload) -> HttpResponse {
    HttpResponse::SwitchingProtocols()
        .upgrade("websocket")
        .streaming(body.take_while(|part| std::future::ready(part.is_ok())))
}
