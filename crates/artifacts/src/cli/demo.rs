//! `cargo xtask demo`: the service's demo beside a Prometheus that has the generated rules.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::duration;
use crate::output::Error;
use crate::rules;
use crate::source::Source;

/// How long children have to end before they are killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long the service has to answer: it may be compiled first.
const START: Duration = Duration::from_secs(1800);

/// How to run the demo.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// The port that the service listens on
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The port that Prometheus listens on [default: 9090, or a free one]
    #[arg(long)]
    prometheus_port: Option<u16>,
    /// Run the service alone
    #[arg(long)]
    no_prometheus: bool,
    /// End by itself after a time, such as 90s or 10m
    #[arg(long, value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Arguments for the service itself
    #[arg(last = true)]
    arguments: Vec<String>,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| format!("{text:?} is no duration: write 90s or 10m"))
}

/// A process with its own children, ended together.
struct Group {
    name: &'static str,
    child: Child,
}

impl Group {
    fn start(name: &'static str, command: &mut Command) -> Result<Self, Error> {
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::File { path: program.into(), source })?;
        Ok(Self { name, child })
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may be gone already.
            let _ = kill_process_group(group, signal);
        }
    }

    /// An error if it has ended by itself.
    fn running(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(Error::Failed(format!("{} has ended by itself: {status}", self.name))),
            _ => Ok(()),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

pub(super) fn run(source: &Source, options: &Demo) -> Result<(), Error> {
    let Some(demo) = &source.settings.demo else {
        let message = "bellwether.toml has no [demo] with the command to run: command = [\"cargo\", \"run\", …, \"{port}\"]";
        return Err(Error::Failed(message.to_owned()));
    };
    let stop = interrupts()?;
    free(options.port)?;
    let port = options.port.to_string();
    let mut words = demo
        .command
        .iter()
        .map(|word| word.replace("{port}", &port))
        .chain(options.arguments.iter().cloned());
    let program = words.next().ok_or_else(|| Error::Failed("[demo] command is empty".to_owned()))?;
    let mut service =
        Group::start("the service", Command::new(program).args(words).current_dir(&source.root))?;
    wait_for(options.port, "/metrics", START, &stop, &mut service)?;
    expected_names(source, options.port)?;
    let url = format!("http://127.0.0.1:{port}");
    anstream::println!("service      {url}\nmetrics      {url}/metrics");

    let folder = tempfile::tempdir().map_err(|source| Error::File { path: std::env::temp_dir(), source })?;
    let mut groups = vec![service];
    if !options.no_prometheus {
        match prometheus(source, options, folder.path())? {
            Some((mut prometheus, at)) => {
                wait_for(at, "/-/ready", Duration::from_secs(60), &stop, &mut prometheus)?;
                // Debian's package has only the older of the two pages.
                let page = if answers(at, "/alerts") { "/alerts" } else { "/classic/alerts" };
                let url = format!("http://127.0.0.1:{at}");
                anstream::println!("prometheus   {url}\nalerts       {url}{page}");
                groups.insert(0, prometheus);
            }
            None => anstream::println!(
                "prometheus   not installed: `apt-get install -y prometheus` on Debian, then run this again"
            ),
        }
    }
    for hint in &demo.hints {
        anstream::println!("{}", hint.replace("{url}", &url));
    }
    anstream::println!("Ctrl-C ends it.");
    let end = options.duration.and_then(|duration| Instant::now().checked_add(duration));
    loop {
        let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        match stop.recv_timeout(left.min(Duration::from_millis(500))) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if left.is_zero() => break,
            Err(RecvTimeoutError::Timeout) => groups.iter_mut().try_for_each(Group::running)?,
        }
    }
    anstream::println!("ending");
    Ok(())
}

/// One message for each Ctrl-C, hang-up or termination.
fn interrupts() -> Result<Receiver<()>, Error> {
    let (sender, receiver) = channel();
    ctrlc::set_handler(move || {
        // The receiver is gone only when the demo is.
        let _ = sender.send(());
    })
    .map_err(|error| Error::Failed(error.to_string()))?;
    Ok(receiver)
}

fn free(port: u16) -> Result<(), Error> {
    TcpListener::bind(("127.0.0.1", port)).map(drop).map_err(|error| {
        Error::Failed(format!("port {port} cannot be used ({error}): choose another with --port"))
    })
}

fn wait_for(
    port: u16,
    path: &str,
    limit: Duration,
    stop: &Receiver<()>,
    group: &mut Group,
) -> Result<(), Error> {
    let start = Instant::now();
    while !answers(port, path) {
        group.running()?;
        if stop.recv_timeout(Duration::from_millis(200)) == Ok(()) {
            return Err(Error::Failed("interrupted".to_owned()));
        }
        if start.elapsed() > limit {
            return Err(Error::Failed(format!(
                "{} did not answer on port {port} within {limit:?}",
                group.name
            )));
        }
    }
    Ok(())
}

/// Rules over names that the service does not expose would be silent for ever.
fn expected_names(source: &Source, port: u16) -> Result<(), Error> {
    let text = get(port, "/metrics").unwrap_or_default();
    let types: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let missing = source.exposed.iter().find(|metric| !types.contains(&metric.name.as_str()));
    let Some(missing) = missing else { return Ok(()) };
    let message = format!(
        "the service does not expose {}, which the rules are about: its prefix ({:?} in {}) must be the same as the \
         variable <SERVICE>_METRICS_PREFIX or the setting in its code, and it must install the same domains",
        missing.name,
        source.settings.prefix.trim_end_matches('_'),
        crate::Settings::FILE,
    );
    Err(Error::Failed(message))
}

/// Whether a GET is answered with 200.
fn answers(port: u16, path: &str) -> bool {
    get(port, path).is_ok_and(|answer| answer.lines().next().is_some_and(|status| status.contains(" 200")))
}

/// The answer to a GET, head and body.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    // Far more than any scrape of a demo.
    stream.take(64 << 20).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Starts Prometheus with the generated rules, if it is installed.
fn prometheus(source: &Source, options: &Demo, folder: &Path) -> Result<Option<(Group, u16)>, Error> {
    let installed =
        Command::new("prometheus").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if installed.is_err() {
        return Ok(None);
    }
    let port = match options.prometheus_port {
        Some(port) => port,
        None => [9090, 0]
            .iter()
            .find_map(|port| Some(TcpListener::bind(("127.0.0.1", *port)).ok()?.local_addr().ok()?.port()))
            .unwrap_or(9090),
    };
    free(port)
        .map_err(|_| Error::Failed(format!("port {port} is taken: choose another with --prometheus-port")))?;
    rules::write(source)?.emit(folder, false, "cargo xtask rules")?;
    let service = &source.settings.service;
    let alerts = folder.join(&source.settings.output.alerts);
    let job = source.settings.rules.matchers.get("job").unwrap_or(service);
    let config = format!(
        "global:\n  scrape_interval: 5s\n  evaluation_interval: 5s\nrule_files: ['{}/*.yaml']\nscrape_configs:\n  - job_name: '{job}'\n    static_configs:\n      - targets: ['127.0.0.1:{}']\n",
        alerts.display(),
        options.port
    );
    let path = folder.join("prometheus.yml");
    fs::write(&path, config).map_err(|source| Error::File { path: path.clone(), source })?;
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", path.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--log.level=error");
    Ok(Some((Group::start("Prometheus", &mut command)?, port)))
}
