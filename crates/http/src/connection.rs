//! Connections, counted by what they speak.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::metrics::{ConnectionLabels, HttpMetrics, Protocol};

/// Counts a connection in `http_connections` until it is dropped.
///
/// Keep it with what lives as long as the connection: in actix-web's connection data (see
/// `bellwether_http::actix_web::on_connect`), beside hyper's connection future, or inside the I/O
/// object, which is the only place that an upgraded connection of hyper keeps. A connection is
/// counted under one protocol at a time: one that turns into a WebSocket changes over.
#[must_use = "the connection is no longer counted when this is dropped"]
pub struct ConnectionGuard(ConnectionHandle);

/// Tells a [`ConnectionGuard`] what its connection speaks. Once the guard is gone it does nothing,
/// so a request that outlives its connection holds nothing up.
#[derive(Clone)]
pub struct ConnectionHandle(Arc<Connection>);

struct Connection {
    metrics: HttpMetrics,
    state: AtomicU8,
}

/// No protocol is known yet.
const UNKNOWN: u8 = 0;
const CLOSED: u8 = u8::MAX;

fn state_of(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Http1 => 1,
        Protocol::Http2 => 2,
        Protocol::WebSocket => 3,
    }
}

fn protocol_of(state: u8) -> Option<Protocol> {
    match state {
        1 => Some(Protocol::Http1),
        2 => Some(Protocol::Http2),
        3 => Some(Protocol::WebSocket),
        _ => None,
    }
}

impl Connection {
    fn change(&self, to: u8) {
        // Nearly always it is known already: a read costs less than a swap.
        if self.state.load(Ordering::Relaxed) == to {
            return;
        }
        let before = self.state.try_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            (now != CLOSED && now != to).then_some(to)
        });
        let Ok(before) = before else { return };
        if let Some(protocol) = protocol_of(to) {
            self.metrics.connections.inc(ConnectionLabels { protocol });
        }
        if let Some(protocol) = protocol_of(before) {
            self.metrics.connections.dec(ConnectionLabels { protocol });
        }
    }
}

impl ConnectionGuard {
    pub(crate) fn new(metrics: HttpMetrics, protocol: Option<Protocol>) -> Self {
        let connection = Connection { metrics, state: AtomicU8::new(UNKNOWN) };
        if let Some(protocol) = protocol {
            connection.change(state_of(protocol));
        }
        Self(ConnectionHandle(Arc::new(connection)))
    }

    /// A handle to give to the connection's requests, as an extension: the layer of
    /// `bellwether_http::tower` tells it the protocol.
    #[must_use]
    pub fn handle(&self) -> ConnectionHandle {
        self.0.clone()
    }

    /// Counts the connection under this protocol from now on.
    pub fn speaks(&self, protocol: Protocol) {
        self.0.speaks(protocol);
    }

    /// What the connection is counted under, if that is known.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        protocol_of(self.0.0.state.load(Ordering::Relaxed))
    }
}

impl ConnectionHandle {
    /// Counts the connection under this protocol from now on, while its guard lives.
    pub fn speaks(&self, protocol: Protocol) {
        self.0.change(state_of(protocol));
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.0.change(CLOSED);
    }
}

impl fmt::Debug for ConnectionGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionGuard").field(&self.protocol()).finish()
    }
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = protocol_of(self.0.state.load(Ordering::Relaxed));
        f.debug_tuple("ConnectionHandle").field(&protocol).finish()
    }
}
