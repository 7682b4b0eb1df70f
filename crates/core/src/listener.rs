//! An own HTTP listener for the scrape: for services without a web framework, and for a separate
//! admin port. It has a thread and a runtime of its own, so that it answers when the service's
//! runtime is stuck.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};

use crate::scrape::ScrapeRequest;
use crate::telemetry::{Inner, Telemetry};

/// Connections at a time; the others wait in the system's queue.
const CONNECTIONS: usize = 32;
/// A client that sends no complete header, or reads no answer, is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// The listener at work; it ends when this is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Listener {
    /// Serves from a new thread until dropped.
    pub(crate) fn serve(address: SocketAddr, telemetry: Weak<Inner>) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("metrics-scrape".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = accept(socket, telemetry) => {
                        if let Err(error) = result {
                            tracing::error!(%address, %error, "the metrics listener has ended");
                        }
                    }
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, _stop: stop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(socket: TcpListener, telemetry: Weak<Inner>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let (stream, peer) = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                // Out of file descriptors, or a connection that is gone already.
                tracing::warn!(%error, "the metrics listener could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let telemetry = telemetry.clone();
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let response = answer(&telemetry, &request, peer);
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            // Scrapers keep connections open between scrapes; one that stays idle gives its place up.
            let _ = tokio::time::timeout(PATIENCE * 12, connection).await;
        });
    }
}

fn answer(telemetry: &Weak<Inner>, request: &Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
    let telemetry = telemetry.upgrade().map(|inner| Telemetry { inner });
    match telemetry {
        Some(telemetry) if request.uri().path() == telemetry.config().path() => {
            let request =
                ScrapeRequest { method: request.method(), headers: request.headers(), peer: Some(peer.ip()) };
            telemetry.scrape(request).map(Full::new)
        }
        _ => {
            let mut response = Response::new(Full::new(Bytes::from_static(b"not found\n")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}
