//! One scrape over HTTP, for whatever server carries it.

use std::io::Write;
use std::net::IpAddr;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use governor::clock::{Clock, DefaultClock};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE,
    HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Response, StatusCode};
use subtle::ConstantTimeEq;

use crate::config::Config;
use crate::render::Format;
use crate::self_metrics::{Rejection, RejectionLabels};
use crate::telemetry::Telemetry;

/// What a scrape is judged by.
#[derive(Clone, Copy, Debug)]
pub struct ScrapeRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The other end of the connection, as the server sees it (never a `Forwarded` header).
    pub peer: Option<IpAddr>,
}

impl Telemetry {
    /// Answers a scrape: 404 when metrics are off, 405 for a method other than GET and HEAD, 403
    /// from an address that is not allowed, 401 without the right credentials, 429 over the rate
    /// limit, and otherwise the metrics in the format and encoding that the headers ask for.
    ///
    /// Cost: that of [`render_as`](Self::render_as), and for gzip about as long as copying the text
    /// a hundred times: on a busy service call it where blocking is allowed.
    #[must_use]
    pub fn scrape(&self, request: ScrapeRequest<'_>) -> Response<Bytes> {
        let inner = &*self.inner;
        if !inner.config.enabled {
            return plain(StatusCode::NOT_FOUND, "metrics are off\n");
        }
        if let Some((rejection, response)) = self.refuse(request) {
            inner.own.rejected.inc(RejectionLabels { reason: rejection });
            return response;
        }
        let start = Instant::now();
        let format = negotiate(request.headers);
        let body = self.render_as(format);
        let zipped = if accepts_gzip(request.headers) { gzip(&body) } else { None };
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if zipped.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        *response.body_mut() = zipped.unwrap_or(body).into();
        tracing::trace!(elapsed = ?start.elapsed(), "scrape");
        response
    }

    fn refuse(&self, request: ScrapeRequest<'_>) -> Option<(Rejection, Response<Bytes>)> {
        let inner = &*self.inner;
        if !matches!(*request.method, Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some((Rejection::Method, response));
        }
        if !allowed(&inner.config, request.peer) {
            return Some((Rejection::Address, plain(StatusCode::FORBIDDEN, "this address may not scrape\n")));
        }
        if !authorized(&inner.config, request.headers) {
            let mut response = plain(StatusCode::UNAUTHORIZED, "credentials are missing or wrong\n");
            let scheme = if inner.config.basic.is_some() { "Basic realm=\"metrics\"" } else { "Bearer" };
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            return Some((Rejection::Credentials, response));
        }
        let early = inner.limiter.as_ref()?.check().err()?;
        let wait = early.wait_time_from(DefaultClock::default().now());
        let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "too many scrapes\n");
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        Some((Rejection::Rate, response))
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn allowed(config: &Config, peer: Option<IpAddr>) -> bool {
    config.allow.is_empty()
        || peer.is_some_and(|peer| {
            let peer = peer.to_canonical();
            config.allow.iter().any(|network| network.contains(&peer))
        })
}

fn authorized(config: &Config, headers: &HeaderMap) -> bool {
    if config.basic.is_none() && config.bearer.is_none() {
        return true;
    }
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let at = given.iter().position(|byte| *byte == b' ').unwrap_or(given.len());
    let (scheme, given) = (given[..at].to_ascii_lowercase(), given[at..].trim_ascii());
    // Each comparison takes the same time wherever the first difference is.
    match scheme.as_slice() {
        b"basic" => config.basic.as_ref().is_some_and(|(user, password)| {
            let expected = STANDARD.encode(format!("{user}:{}", password.0));
            expected.as_bytes().ct_eq(given).into()
        }),
        b"bearer" => config.bearer.as_ref().is_some_and(|token| token.0.as_bytes().ct_eq(given).into()),
        _ => false,
    }
}

/// The elements of a comma-separated header with their parameters.
fn elements(headers: &HeaderMap, name: http::header::HeaderName) -> Vec<(String, Vec<(String, String)>)> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(|element| {
            let mut parts = element.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameter = |part: &str| {
                let (name, value) = part.split_once('=')?;
                Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
            };
            (name, parts.filter_map(parameter).collect())
        })
        .collect()
}

fn quality(parameters: &[(String, String)]) -> f32 {
    let given = parameters.iter().find(|(name, _)| name == "q");
    given.map_or(1.0, |(_, value)| value.parse().unwrap_or(0.0))
}

/// OpenMetrics if it is asked for by name and not less liked than the text format.
fn negotiate(headers: &HeaderMap) -> Format {
    let (mut open, mut text) = (0.0_f32, 0.0_f32);
    for (name, parameters) in elements(headers, ACCEPT) {
        let version = parameters.iter().find(|(name, _)| name == "version").map(|(_, value)| value.as_str());
        match name.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                open = open.max(quality(&parameters));
            }
            "text/plain" if matches!(version, None | Some("0.0.4")) => text = text.max(quality(&parameters)),
            _ => {}
        }
    }
    if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let elements = elements(headers, ACCEPT_ENCODING);
    let of = |wanted: &str| {
        elements.iter().find(|(name, _)| name == wanted).map(|(_, parameters)| quality(parameters))
    };
    of("gzip").or_else(|| of("*")).is_some_and(|quality| quality > 0.0)
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn formats() {
        // What Prometheus 2.42 and 3 send.
        for (accept, format) in [
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1",
                Format::OpenMetrics,
            ),
            ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1", Format::Text),
            ("application/openmetrics-text; version=0.0.1", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("*/*", Format::Text),
            (";;,,=;q=x", Format::Text),
        ] {
            assert_eq!(negotiate(&headers(ACCEPT, accept)), format, "{accept}");
        }
    }

    #[test]
    fn encodings() {
        for (accept, gzip) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("*", true),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&headers(ACCEPT_ENCODING, accept)), gzip, "{accept}");
        }
    }
}
