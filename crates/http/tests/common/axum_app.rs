//! The application on axum.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::serve::ListenerExt;
use axum::{Router, ServiceExt};
use bellwether_core::Telemetry;
use bellwether_http::HttpMetrics;
use bellwether_http::tower::{Endpoint, MetricsLayer};
use futures_util::stream;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Runs `serve` on a listener of its own, up to the end of the process.
pub fn background<F: Future<Output = ()>>(
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> SocketAddr {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().unwrap().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            serve(listener).await;
        });
    });
    receive.recv().unwrap()
}

pub fn serve(router: Router) -> SocketAddr {
    background(|listener| async move {
        let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(router);
        // Pipelined answers would each wait for an acknowledgement otherwise.
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        axum::serve(listener, service).await.unwrap();
    })
}

pub fn router(telemetry: &Telemetry, http: &HttpMetrics) -> Router {
    // A plain socket is out of the layer's sight: the task that serves it holds the guard.
    routes(telemetry, Some(http.clone())).layer(MetricsLayer::new(http.clone()))
}

pub fn routes(telemetry: &Telemetry, sockets: Option<HttpMetrics>) -> Router {
    let chunk = || Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1000]));
    Router::new()
        .route_service(telemetry.config().path(), Endpoint::new(telemetry))
        .route("/users/{id}", get(async || "a user"))
        .route("/upload", post(async |body: Bytes| (StatusCode::CREATED, body)))
        .nest("/api", Router::new().route("/items/{item}", get(async || "an item")))
        .route("/refused", get(async || "never").layer(from_fn(async |_: Request, _| StatusCode::FORBIDDEN)))
        .route("/panic", get(async || -> &'static str { panic!("as it should") }))
        .route("/failing", get(async || Err::<&str, _>((StatusCode::BAD_GATEWAY, "no"))))
        .route("/teapot", get(async || StatusCode::IM_A_TEAPOT))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route("/large", any(async || vec![b'x'; 3000]))
        .route(
            "/chunks",
            any(move || async move { Body::from_stream(stream::iter([chunk(), chunk(), chunk()])) }),
        )
        .route("/endless", get(move || async move { Body::from_stream(stream::repeat_with(chunk)) }))
        .route(
            "/announced",
            get(move || async move {
                ([(header::CONTENT_LENGTH, "1000")], Body::from_stream(stream::repeat_with(chunk)))
            }),
        )
        .route(
            "/broken",
            get(async || Body::from_stream(stream::iter([Ok("half"), Err(std::io::Error::other("no"))]))),
        )
        .route("/slow", get(async || std::future::pending::<&str>().await))
        .route("/socket", get(move |request| socket(sockets.clone(), request)))
}

async fn socket(sockets: Option<HttpMetrics>, request: Request) -> Response {
    tokio::spawn(async move {
        let _guard = sockets.map(|http| http.websocket());
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut socket = TokioIo::new(upgraded);
        let mut part = [0; 100];
        while let Ok(read @ 1..) = socket.read(&mut part).await {
            if socket.write_all(&part[..read]).await.is_err() {
                return;
            }
        }
    });
    let headers = [(header::UPGRADE, "websocket"), (header::CONNECTION, "upgrade")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
