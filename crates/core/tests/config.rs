//! Every setting, from the environment and in code; and what a scrape is judged by.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod support;

use std::ffi::OsString;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellwether_core::{
    Config, ConfigError, Counter, Interned, LabelSet, LabelValue, MetricSet, OpenLabel, ScrapeRequest,
    Telemetry,
};
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use support::{find, value};

const SECRET: &str = "swordfish-9f3a";

#[derive(Clone, Copy, LabelValue)]
#[label(open, limit = 10)]
struct Guest(Interned);

#[derive(Clone, Copy, LabelSet)]
struct Guests {
    guest: Guest,
}

#[derive(Clone, MetricSet)]
#[metrics(domain = "tea")]
struct Tea {
    /// Cups poured.
    #[metric("tea_cups_total")]
    cups: Counter<Guests>,
}

fn from(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_vars("TEA", vars.iter().map(|(name, value)| (name.into(), value.into())))
}

fn telemetry(config: Config) -> (Telemetry, Tea) {
    let (telemetry, (tea,)) = Telemetry::isolated::<(Tea,)>(config).unwrap();
    (telemetry, tea)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

struct Scrape<'a> {
    method: Method,
    headers: &'a [(HeaderName, &'a str)],
    peer: Option<&'a str>,
}

impl Scrape<'_> {
    fn of(self, telemetry: &Telemetry) -> Response<Bytes> {
        let headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        let peer: Option<IpAddr> = self.peer.map(|peer| peer.parse().unwrap());
        telemetry.scrape(ScrapeRequest { method: &self.method, headers: &headers, peer })
    }
}

const GET: Scrape<'static> = Scrape { method: Method::GET, headers: &[], peer: None };

fn header(response: &Response<Bytes>, name: HeaderName) -> Option<&str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn rejected(telemetry: &Telemetry, reason: &str) -> f64 {
    value(&telemetry.render(), &format!("bellwether_scrapes_rejected_total{{reason=\"{reason}\"}}"))
}

#[test]
fn every_setting_is_read() {
    let (password, token) = (file(&format!("{SECRET}\n")), file("token-1\r\n"));
    let config = from(&[
        ("TEA_METRICS_ENABLED", " Yes "),
        ("TEA_METRICS_PATH", "/internal/metrics"),
        ("TEA_METRICS_PREFIX", "shop"),
        ("TEA_METRICS_BASIC_AUTH_USER", "scraper"),
        ("TEA_METRICS_BASIC_AUTH_PASSWORD_FILE", password.path().to_str().unwrap()),
        ("TEA_METRICS_BEARER_TOKEN_FILE", token.path().to_str().unwrap()),
        ("TEA_METRICS_ALLOW", "10.0.0.0/8, 127.0.0.1,::1"),
        ("TEA_METRICS_RATE_LIMIT", "5, 7"),
        ("TEA_METRICS_GLOBAL_LABELS", "cluster=a, zone = b=c ,"),
        ("TEA_METRICS_SERIES_LIMIT", "300"),
        // Not ours.
        ("OTHER_METRICS_PATH", "nonsense"),
        ("TEA_METRICSPATH", "nonsense"),
        ("METRICS_PATH", "nonsense"),
    ])
    .unwrap();
    assert_eq!((config.enabled(), config.path(), config.prefix()), (true, "/internal/metrics", "shop_"));
    let shown = format!("{config:?}");
    assert!(!shown.contains(SECRET) && !shown.contains("token-1"), "{shown}");
    let (telemetry, tea) = telemetry(config);
    tea.cups.inc(Guests { guest: Guest::new("read") });
    let text = telemetry.render();
    assert_eq!(value(&text, "shop_tea_cups_total{cluster=\"a\",zone=\"b=c\",guest=\"read\"}"), 1.0);
    assert_eq!(value(&text, "bellwether_series_limit{cluster=\"a\",zone=\"b=c\"}"), 300.0);
    let basic = format!("Basic {}", STANDARD.encode(format!("scraper:{SECRET}")));
    for credentials in [basic.as_str(), "Bearer token-1"] {
        let headers = &[(AUTHORIZATION, credentials)][..];
        let scrape = Scrape { headers, peer: Some("10.1.2.3"), ..GET };
        assert_eq!(scrape.of(&telemetry).status(), StatusCode::OK);
    }
}

#[test]
fn without_variables_the_defaults_hold() {
    let config = from(&[]).unwrap();
    assert_eq!((config.enabled(), config.path(), config.prefix()), (true, "/metrics", ""));
    assert_eq!(GET.of(&telemetry(config).0).status(), StatusCode::OK);
    assert!(!from(&[("TEA_METRICS_ENABLED", "off")]).unwrap().enabled());
    assert_eq!(from(&[("TEA_METRICS_PREFIX", "")]).unwrap().prefix(), "");
}

#[test]
fn what_kubernetes_sets_for_a_service_is_no_setting() {
    // Beside a Service `tea-metrics`, every pod of the namespace gets these.
    from(&[
        ("TEA_METRICS_SERVICE_HOST", "10.0.0.1"),
        ("TEA_METRICS_SERVICE_PORT", "9100"),
        ("TEA_METRICS_SERVICE_PORT_HTTP", "9100"),
        ("TEA_METRICS_PORT", "tcp://10.0.0.1:9100"),
        ("TEA_METRICS_PORT_9100_TCP", "tcp://10.0.0.1:9100"),
        ("TEA_METRICS_PORT_9100_TCP_ADDR", "10.0.0.1"),
    ])
    .unwrap();
}

#[test]
fn a_bad_value_names_the_variable_and_what_it_takes() {
    let (empty, folder) = (file("\n"), tempfile::tempdir().unwrap());
    let empty = empty.path().to_str().unwrap();
    for (setting, value, takes) in [
        ("ENABLED", "maybe", "true or false"),
        ("ENABLED", "", "true or false"),
        ("PATH", "metrics", "/metrics"),
        ("PATH", "/a?b", "/metrics"),
        ("PATH", "/a b", "/metrics"),
        ("PREFIX", "9lives", "lower-case"),
        ("PREFIX", "Tea", "lower-case"),
        ("PREFIX", "tea-shop", "lower-case"),
        ("LISTEN", "9100", "127.0.0.1:9100"),
        ("LISTEN", "localhost:9100", "127.0.0.1:9100"),
        ("BASIC_AUTH_USER", "", "user"),
        ("BASIC_AUTH_USER", "scraper", "BASIC_AUTH_USER"),
        ("BASIC_AUTH_PASSWORD", "", "password"),
        ("BASIC_AUTH_PASSWORD", SECRET, "user name"),
        ("BASIC_AUTH_PASSWORD_FILE", "/does/not/exist", "readable text file"),
        ("BASIC_AUTH_PASSWORD_FILE", empty, "not empty"),
        ("BEARER_TOKEN_FILE", "/does/not/exist", "readable text file"),
        ("BEARER_TOKEN_FILE", folder.path().to_str().unwrap(), "readable text file"),
        ("BEARER_TOKEN_FILE", empty, "not empty"),
        ("ALLOW", "10.0.0.0/33", "10.0.0.0/8"),
        ("ALLOW", "example.org", "10.0.0.0/8"),
        ("ALLOW", "", "10.0.0.0/8"),
        ("RATE_LIMIT", "0,5", "2,10"),
        ("RATE_LIMIT", "fast", "2,10"),
        ("RATE_LIMIT", "1,2,3", "2,10"),
        ("GLOBAL_LABELS", "cluster", "cluster=a"),
        ("GLOBAL_LABELS", "job=a", "cluster=a"),
        ("GLOBAL_LABELS", "a=1,a=2", "cluster=a"),
        ("GLOBAL_LABELS", "A=1", "cluster=a"),
        ("SERIES_LIMIT", "-1", "whole number"),
        ("SERIES_LIMIT", "many", "whole number"),
        ("PAHT", "/metrics", "PATH"),
        ("BASIC_AUTH_PASWORD", SECRET, "BASIC_AUTH_PASSWORD"),
    ] {
        let error = from(&[(&format!("TEA_METRICS_{setting}"), value)]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(takes), "{setting}={value}: {text}");
        assert!(error.variable().starts_with("TEA_METRICS_"), "{setting}={value}: {text}");
        assert!(text.starts_with(error.variable()), "{setting}={value}: {text}");
        assert!(!text.contains(SECRET), "{setting}: {text}");
    }
}

#[test]
fn secrets_are_in_no_error() {
    // A whole `user:password`, as it is written elsewhere.
    let error = from(&[("TEA_METRICS_BASIC_AUTH_USER", &format!("scraper:{SECRET}"))]).unwrap_err();
    assert!(!error.to_string().contains(SECRET), "{error}");
    assert!(error.to_string().contains("without a colon"), "{error}");
    let mut bytes = SECRET.as_bytes().to_vec();
    bytes.push(0xff);
    let vars = [("TEA_METRICS_BASIC_AUTH_PASSWORD".into(), OsString::from_vec(bytes))];
    let error = Config::from_vars("TEA", vars).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    assert!(error.to_string().contains("UTF-8"), "{error}");
    let builder = Config::builder().basic_auth("scraper", SECRET);
    assert!(!format!("{builder:?}").contains(SECRET));
}

#[test]
fn global_labels_do_not_meet_a_metrics_own() {
    let config = Config::builder().global_labels("guest=me").build().unwrap();
    let Err(error) = Telemetry::isolated::<(Tea,)>(config) else { panic!("accepted") };
    assert!(error.to_string().contains("guest") && error.to_string().contains("tea_cups_total"), "{error}");
    let Err(error) = Telemetry::isolated::<(Tea, Tea)>(Config::default()) else { panic!("accepted") };
    assert!(error.to_string().contains("tea_cups_total"), "{error}");
}

#[test]
fn basic_auth() {
    let config = Config::builder().basic_auth("scraper", "pass:word").build().unwrap();
    let (telemetry, _) = telemetry(config);
    let good = STANDARD.encode("scraper:pass:word");
    for (credentials, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(format!("Basic {good}")), StatusCode::OK),
        (Some(format!("basic   {good} ")), StatusCode::OK),
        (Some(format!("Bearer {good}")), StatusCode::UNAUTHORIZED),
        (Some(format!("Basic {good}x")), StatusCode::UNAUTHORIZED),
        (Some("Basic".to_owned()), StatusCode::UNAUTHORIZED),
        (Some("Basic !!!".to_owned()), StatusCode::UNAUTHORIZED),
        (Some(format!("Basic {}", STANDARD.encode("scraper:password"))), StatusCode::UNAUTHORIZED),
    ] {
        let headers: Vec<_> = credentials.iter().map(|value| (AUTHORIZATION, value.as_str())).collect();
        let response = Scrape { headers: &headers, ..GET }.of(&telemetry);
        assert_eq!(response.status(), status, "{credentials:?}");
        let asks = header(&response, WWW_AUTHENTICATE).is_some_and(|value| value.starts_with("Basic"));
        assert_eq!(asks, status == StatusCode::UNAUTHORIZED);
    }
    assert_eq!(rejected(&telemetry, "credentials"), 6.0);
}

#[test]
fn bearer_token() {
    let token = file("token-2");
    let config = Config::builder().bearer_token_file(token.path()).build().unwrap();
    let (telemetry, _) = telemetry(config);
    for (credentials, status) in [
        ("Bearer token-2", StatusCode::OK),
        ("bearer token-2", StatusCode::OK),
        ("Bearer token-3", StatusCode::UNAUTHORIZED),
        ("Bearer", StatusCode::UNAUTHORIZED),
        ("token-2", StatusCode::UNAUTHORIZED),
    ] {
        let response = Scrape { headers: &[(AUTHORIZATION, credentials)], ..GET }.of(&telemetry);
        assert_eq!(response.status(), status, "{credentials}");
    }
    assert_eq!(header(&GET.of(&telemetry), WWW_AUTHENTICATE), Some("Bearer"));
}

#[test]
fn addresses() {
    let config = Config::builder().allow("10.0.0.0/8,192.168.1.7,fd00::/8").build().unwrap();
    let (telemetry, _) = telemetry(config);
    for (peer, allowed) in [
        (Some("10.200.1.1"), true),
        (Some("192.168.1.7"), true),
        (Some("192.168.1.8"), false),
        (Some("fd12::1"), true),
        (Some("fe80::1"), false),
        // What a socket that listens for both families says of IPv4.
        (Some("::ffff:10.0.0.1"), true),
        (Some("::ffff:11.0.0.1"), false),
        (None, false),
    ] {
        let status = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(Scrape { peer, ..GET }.of(&telemetry).status(), status, "{peer:?}");
    }
    assert_eq!(rejected(&telemetry, "address"), 4.0);
}

#[test]
fn rate_limit() {
    let (telemetry, _) = telemetry(Config::builder().rate_limit(1, 3).build().unwrap());
    for _ in 0..3 {
        assert_eq!(GET.of(&telemetry).status(), StatusCode::OK);
    }
    let response = GET.of(&telemetry);
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&response, RETRY_AFTER), Some("1"));
    assert_eq!(rejected(&telemetry, "rate"), 1.0);
}

#[test]
fn methods() {
    let (telemetry, _) = telemetry(Config::default());
    for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::from_bytes(b"FOOBAR").unwrap()] {
        let response = Scrape { method, ..GET }.of(&telemetry);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, ALLOW), Some("GET, HEAD"));
    }
    assert_eq!(Scrape { method: Method::HEAD, ..GET }.of(&telemetry).status(), StatusCode::OK);
    assert_eq!(rejected(&telemetry, "method"), 4.0);
}

#[test]
fn the_answer_fits_what_was_asked_for() {
    let (telemetry, tea) = telemetry(Config::default());
    tea.cups.add(Guests { guest: Guest::new("asked") }, 5);
    let series = "tea_cups_total{guest=\"asked\"}";
    for (accept, content_type, last) in [
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8", ""),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# EOF\n",
        ),
    ] {
        let plain = Scrape { headers: &[(ACCEPT, accept)], ..GET }.of(&telemetry);
        assert_eq!(header(&plain, CONTENT_TYPE), Some(content_type));
        assert_eq!(header(&plain, CONTENT_ENCODING), None);
        assert_eq!(header(&plain, CACHE_CONTROL), Some("no-store"));
        let text = String::from_utf8(plain.body().to_vec()).unwrap();
        assert_eq!(find(&text, series), Some(5.0));
        assert!(text.ends_with(last));

        let headers = &[(ACCEPT, accept), (ACCEPT_ENCODING, "gzip")];
        let zipped = Scrape { headers, ..GET }.of(&telemetry);
        assert_eq!(header(&zipped, CONTENT_ENCODING), Some("gzip"));
        assert_eq!(header(&zipped, CONTENT_TYPE), Some(content_type));
        assert_eq!(header(&zipped, VARY), Some("accept, accept-encoding"));
        let mut unzipped = String::new();
        flate2::read::GzDecoder::new(&zipped.body()[..]).read_to_string(&mut unzipped).unwrap();
        assert!(zipped.body().len() * 2 < unzipped.len());
        assert_eq!(find(&unzipped, series), Some(5.0));
        assert!(unzipped.ends_with(last));
    }
}
