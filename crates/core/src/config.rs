//! Settings, by builder and by environment.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use bellwether_catalog::{is_label_name, is_metric_name};
use ipnet::IpNet;

/// How metrics are named, limited and handed out.
///
/// Every setting can be given in code or as an environment variable `<SERVICE>_METRICS_<SETTING>`:
///
/// | variable | takes | default |
/// |---|---|---|
/// | `ENABLED` | `true` or `false`: with `false` instruments do nothing and the endpoint is a 404 | `true` |
/// | `PATH` | the path of the endpoint | `/metrics` |
/// | `PREFIX` | a snake_case word put before the names of declared metrics | none |
/// | `LISTEN` | `address:port` of an own listener for the scrape | off |
/// | `BASIC_AUTH_USER`, and `BASIC_AUTH_PASSWORD_FILE` or `BASIC_AUTH_PASSWORD` | a user and a password | off |
/// | `BEARER_TOKEN_FILE` | a file with a token | off |
/// | `ALLOW` | networks or addresses that may scrape, separated by commas | all |
/// | `RATE_LIMIT` | scrapes per second and burst, such as `2,10` | off |
/// | `GLOBAL_LABELS` | labels on every series, such as `cluster=a,zone=b` | none |
/// | `SERIES_LIMIT` | the most series that open labels may bring about | `100000` |
///
/// ```
/// use bellwether_core::Config;
///
/// let config = Config::builder().prefix("streamvault").rate_limit(2, 10).build()?;
/// assert_eq!(config.path(), "/metrics");
/// # Ok::<(), bellwether_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) enabled: bool,
    pub(crate) path: String,
    pub(crate) prefix: String,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) basic: Option<(String, Secret)>,
    pub(crate) bearer: Option<Secret>,
    pub(crate) allow: Vec<IpNet>,
    pub(crate) rate_limit: Option<(NonZeroU32, NonZeroU32)>,
    pub(crate) global_labels: Vec<(String, String)>,
    pub(crate) series_limit: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "/metrics".to_owned(),
            prefix: String::new(),
            listen: None,
            basic: None,
            bearer: None,
            allow: Vec::new(),
            rate_limit: None,
            global_labels: Vec::new(),
            series_limit: 100_000,
        }
    }
}

impl Config {
    /// Starts from the defaults.
    #[must_use]
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder { service: None, settings: Vec::new() }
    }

    /// Reads `<service>_METRICS_*` from the environment: `Config::from_env("STREAMVAULT")` reads
    /// `STREAMVAULT_METRICS_PATH` and its sisters.
    ///
    /// # Errors
    /// Names the first variable that cannot be read and says what it takes; so does a variable of
    /// that form that is no setting. Secrets are never part of an error.
    pub fn from_env(service: &str) -> Result<Self, ConfigError> {
        Self::from_vars(service, std::env::vars_os())
    }

    /// The same from any list of variables.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_vars(
        service: &str,
        vars: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let start = format!("{service}_METRICS_");
        let mut settings = Vec::new();
        for (name, value) in vars {
            let Some(setting) = name.to_str().and_then(|name| name.strip_prefix(&start)) else { continue };
            // Kubernetes sets these beside a Service called `<service>-metrics`.
            if setting.starts_with("SERVICE_") || setting == "PORT" || setting.starts_with("PORT_") {
                continue;
            }
            let value = value.into_string().map_err(|_| {
                ConfigError::new(&Source::of(Some(service), setting), "<not UTF-8>", "UTF-8 text")
            })?;
            settings.push((setting.to_owned(), value));
        }
        settings.sort();
        ConfigBuilder { service: Some(service.to_owned()), settings }.build()
    }

    /// The path of the endpoint.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The prefix of declared names, with its `_`, or nothing.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether anything is measured.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.enabled
    }
}

/// A text that is never shown.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Collects settings; [`build`](Self::build) checks them all.
#[derive(Clone)]
pub struct ConfigBuilder {
    service: Option<String>,
    settings: Vec<(String, String)>,
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.settings.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl ConfigBuilder {
    fn with(mut self, setting: &str, value: impl fmt::Display) -> Self {
        self.settings.retain(|(name, _)| name != setting);
        self.settings.push((setting.to_owned(), value.to_string()));
        self
    }

    /// Whether to measure at all.
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.with("ENABLED", enabled)
    }

    /// The path of the endpoint.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        self.with("PATH", path)
    }

    /// The prefix of declared names; a missing `_` at its end is added.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        self.with("PREFIX", prefix)
    }

    /// An own listener for the scrape.
    #[must_use]
    pub fn listen(self, address: SocketAddr) -> Self {
        self.with("LISTEN", address)
    }

    /// Asks scrapers for a user and a password.
    #[must_use]
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        self.with("BASIC_AUTH_USER", user).with("BASIC_AUTH_PASSWORD", password)
    }

    /// Asks scrapers for the token in this file, read once at the start.
    #[must_use]
    pub fn bearer_token_file(self, path: impl Into<PathBuf>) -> Self {
        self.with("BEARER_TOKEN_FILE", path.into().display())
    }

    /// Networks or addresses that may scrape, separated by commas.
    #[must_use]
    pub fn allow(self, networks: &str) -> Self {
        self.with("ALLOW", networks)
    }

    /// The most scrapes per second, and how many may come at once.
    #[must_use]
    pub fn rate_limit(self, per_second: u32, burst: u32) -> Self {
        self.with("RATE_LIMIT", format_args!("{per_second},{burst}"))
    }

    /// Labels on every series: `cluster=a,zone=b`.
    #[must_use]
    pub fn global_labels(self, labels: &str) -> Self {
        self.with("GLOBAL_LABELS", labels)
    }

    /// The most series that open labels may bring about. Series of closed labels and those of
    /// `other` are bounded already and always kept.
    #[must_use]
    pub fn series_limit(self, series: u64) -> Self {
        self.with("SERIES_LIMIT", series)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Names the first setting that cannot be read and says what it takes.
    pub fn build(self) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        let (mut user, mut password) = (None, None);
        let service = self.service.as_deref();
        for (setting, value) in &self.settings {
            let source = Source::of(service, setting);
            let bad = |accepts: &str| ConfigError::new(&source, value, accepts);
            match setting.as_str() {
                "ENABLED" => config.enabled = flag(value).ok_or_else(|| bad("true or false"))?,
                "PATH" => {
                    config.path =
                        path(value).ok_or_else(|| bad("a path such as /metrics, without ? and #"))?
                }
                "PREFIX" => {
                    config.prefix = prefix(value)
                        .ok_or_else(|| bad("lower-case letters, digits and _, a letter first"))?;
                }
                "LISTEN" => {
                    config.listen =
                        Some(value.parse().map_err(|_| bad("an address and port such as 127.0.0.1:9100"))?)
                }
                "BASIC_AUTH_USER" => {
                    // What stands behind a colon is likely to be the password.
                    let shown = value.split(':').next().unwrap_or_default();
                    let bad = || ConfigError::new(&source, shown, "a user name without a colon");
                    let good = !shown.is_empty() && shown == value;
                    user = Some(good.then(|| value.clone()).ok_or_else(bad)?);
                }
                "BASIC_AUTH_PASSWORD"
                    if self.settings.iter().any(|(name, _)| name == "BASIC_AUTH_PASSWORD_FILE") =>
                {
                    return Err(ConfigError::new(
                        &source,
                        "<secret>",
                        "no value beside BASIC_AUTH_PASSWORD_FILE: set one of them",
                    ));
                }
                "BASIC_AUTH_PASSWORD" => {
                    let hidden = || ConfigError::new(&source, "<secret>", "a password that is not empty");
                    password = Some(secret(value).ok_or_else(hidden)?);
                }
                "BASIC_AUTH_PASSWORD_FILE" => password = Some(secret_file(&source, value)?),
                "BEARER_TOKEN_FILE" => config.bearer = Some(secret_file(&source, value)?),
                "ALLOW" => {
                    config.allow = networks(value).ok_or_else(|| {
                        bad("networks or addresses separated by commas, such as 10.0.0.0/8,::1")
                    })?;
                }
                "RATE_LIMIT" => {
                    config.rate_limit =
                        Some(rate(value).ok_or_else(|| {
                            bad("scrapes per second and burst, both above 0, such as 2,10")
                        })?);
                }
                "GLOBAL_LABELS" => {
                    config.global_labels = labels(value).ok_or_else(|| {
                        bad("label=value pairs separated by commas, such as cluster=a,zone=b")
                    })?;
                }
                "SERIES_LIMIT" => {
                    config.series_limit = value.trim().parse().map_err(|_| bad("a whole number of series"))?
                }
                _ => {
                    return Err(ConfigError::new(
                        &source,
                        "",
                        &format!("no value: there is no such setting; there are {SETTINGS}"),
                    ));
                }
            }
        }
        config.basic = match (user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => {
                let source = Source::of(service, "BASIC_AUTH_PASSWORD_FILE");
                return Err(ConfigError::new(
                    &source,
                    "",
                    "a file with the password that belongs to BASIC_AUTH_USER",
                ));
            }
            (None, Some(_)) => {
                let source = Source::of(service, "BASIC_AUTH_USER");
                return Err(ConfigError::new(&source, "", "the user name that belongs to the password"));
            }
        };
        Ok(config)
    }
}

const SETTINGS: &str = "ENABLED, PATH, PREFIX, LISTEN, BASIC_AUTH_USER, BASIC_AUTH_PASSWORD_FILE, \
    BASIC_AUTH_PASSWORD, BEARER_TOKEN_FILE, ALLOW, RATE_LIMIT, GLOBAL_LABELS and SERIES_LIMIT";

fn flag(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn path(value: &str) -> Option<String> {
    let good =
        value.starts_with('/') && value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'));
    good.then(|| value.to_owned())
}

fn prefix(value: &str) -> Option<String> {
    if value.is_empty() {
        return Some(String::new());
    }
    let prefix = format!("{}_", value.trim_end_matches('_'));
    is_metric_name(&prefix).then_some(prefix)
}

fn secret(value: &str) -> Option<Secret> {
    (!value.is_empty()).then(|| Secret(value.to_owned()))
}

fn secret_file(source: &Source, path: &str) -> Result<Secret, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new(source, path, &format!("a readable text file ({error})")))?;
    secret(text.trim_end_matches(['\n', '\r']))
        .ok_or_else(|| ConfigError::new(source, path, "a file that is not empty"))
}

fn networks(value: &str) -> Option<Vec<IpNet>> {
    let network = |text: &str| {
        let address = || IpAddr::from_str(text).ok().map(IpNet::from);
        text.parse().ok().or_else(address)
    };
    value.split(',').map(|text| network(text.trim())).collect()
}

fn rate(value: &str) -> Option<(NonZeroU32, NonZeroU32)> {
    let (per_second, burst) = value.split_once(',').unwrap_or((value, value));
    Some((per_second.trim().parse().ok()?, burst.trim().parse().ok()?))
}

fn labels(value: &str) -> Option<Vec<(String, String)>> {
    let mut seen = BTreeSet::new();
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        let name = name.trim();
        (is_label_name(name) && seen.insert(name.to_owned()))
            .then(|| (name.to_owned(), value.trim().to_owned()))
    };
    value.split(',').filter(|text| !text.trim().is_empty()).map(pair).collect()
}

/// Where a setting came from, as an error names it.
struct Source(String);

impl Source {
    fn of(service: Option<&str>, setting: &str) -> Self {
        Self(service.map_or_else(|| setting.to_owned(), |service| format!("{service}_METRICS_{setting}")))
    }
}

/// A setting that cannot be read.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}{shown} cannot be used: it takes {accepts}")]
pub struct ConfigError {
    variable: String,
    shown: String,
    accepts: String,
}

impl fmt::Debug for ConfigError {
    /// As [`Display`](fmt::Display): it is what `main` prints of an error that it returns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConfigError {
    fn new(source: &Source, value: &str, accepts: &str) -> Self {
        let shown = if value.is_empty() { String::new() } else { format!(" = {value:?}") };
        Self { variable: source.0.clone(), shown, accepts: accepts.to_owned() }
    }

    /// The environment variable, or in code the setting.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }
}
