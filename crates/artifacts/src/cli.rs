//! The command line, for this workspace and for a user's own.
//!
//! `fn main() -> ExitCode { bellwether_artifacts::cli::run::<my_service::Observed>() }` is a whole
//! `xtask`. A workspace with commands of its own flattens [`Command`] into its own clap enum.

mod demo;
mod prove;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::domain::Observed;
use crate::output::{Error, Outcome, Output};
use crate::source::Source;
use crate::{docs, grafana, lint, rules};

pub use demo::Demo;

/// Dashboards, rules and references of this workspace's service.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Standard {
    #[command(subcommand)]
    command: StandardCommand,
}

#[derive(Debug, Subcommand)]
enum StandardCommand {
    #[command(flatten)]
    Command(Command),
    /// Prove every alert: run the generated rules through promtool
    Test,
}

/// The commands that every workspace has. Beside them stands `test`: alone it is [`prove`]; a
/// workspace can have a larger one.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the Grafana dashboards
    Dashboards(Check),
    /// Write the alert and recording rules, as rule files and PrometheusRule manifests, and their promtool tests
    Rules(Check),
    /// Write the reference of metrics and alerts, and the runbooks
    Docs(Check),
    /// Write everything: dashboards, rules and docs
    Generate(Check),
    /// Check every PromQL expression of rules and dashboards against the metrics that the code exposes
    LintRules(Lint),
    /// Print the most series that each metric can have, and fail above the budget in bellwether.toml
    Cardinality,
    /// Print the catalog of metrics as JSON
    Catalog,
    /// Run the service's demo beside a Prometheus with the generated rules
    Demo(Demo),
}

/// Whether to write.
#[derive(Clone, Copy, Debug, Args)]
pub struct Check {
    /// Write nothing; fail if a committed file is not what the source says
    #[arg(long)]
    check: bool,
}

/// What to check.
#[derive(Clone, Debug, Args)]
pub struct Lint {
    /// Rule files, dashboards, or folders of them [default: those of bellwether.toml]
    paths: Vec<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    deny_warnings: bool,
    /// What to think of metrics that the catalog does not have
    #[arg(long, value_enum, default_value = "deny")]
    unknown_metrics: Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Unknown {
    /// They are findings.
    Deny,
    /// Somebody else exports them.
    Allow,
}

/// Runs the command line over the domains of a service.
#[must_use]
pub fn run<D: Observed>() -> ExitCode {
    finish(match Standard::parse().command {
        StandardCommand::Command(command) => execute::<D>(&command),
        StandardCommand::Test => prove::<D>(),
    })
}

/// Prints an error, if there is one, and gives the exit code.
#[must_use]
pub fn finish(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command in the workspace around the current folder.
///
/// # Errors
/// If the command fails; the message says what, where and what to do.
pub fn execute<D: Observed>(command: &Command) -> Result<(), Error> {
    let source = Source::of::<D>(workspace_root()?)?;
    match command {
        Command::Dashboards(check) => emit(&source, &grafana::write(&source)?, *check, "dashboards"),
        Command::Rules(check) => emit(&source, &rules::write(&source)?, *check, "rules"),
        Command::Docs(check) => emit(&source, &docs::write(&source)?, *check, "docs"),
        Command::Generate(check) => {
            let mut all = grafana::write(&source)?;
            all.append(rules::write(&source)?);
            all.append(docs::write(&source)?);
            emit(&source, &all, *check, "generate")
        }
        Command::LintRules(options) => lint_rules(&source, options),
        Command::Cardinality => cardinality(&source),
        Command::Catalog => {
            let json = serde_json::to_string_pretty(&source.exposed)
                .map_err(|error| Error::Failed(error.to_string()))?;
            anstream::println!("{json}");
            Ok(())
        }
        Command::Demo(options) => demo::run(&source, options),
    }
}

/// Runs the rules, as the source has them now, through `promtool check rules` and their proofs
/// through `promtool test rules`.
///
/// # Errors
/// If promtool is missing, or an alert does not do what its proofs say.
pub fn prove<D: Observed>() -> Result<(), Error> {
    prove::run(&Source::of::<D>(workspace_root()?)?)
}

/// The folder with `bellwether.toml`, or else with a workspace's `Cargo.lock`, at or above here.
fn workspace_root() -> Result<PathBuf, Error> {
    let here = std::env::current_dir().map_err(|source| Error::File { path: ".".into(), source })?;
    let above = |name: &str| here.ancestors().find(|folder| folder.join(name).is_file()).map(Path::to_owned);
    above(crate::Settings::FILE).or_else(|| above("Cargo.lock")).ok_or_else(|| {
        Error::Failed(format!(
            "neither {} nor Cargo.lock is in {} or above",
            crate::Settings::FILE,
            here.display()
        ))
    })
}

fn emit(source: &Source, output: &Output, check: Check, command: &str) -> Result<(), Error> {
    match output.emit(&source.root, check.check, &format!("cargo xtask {command}"))? {
        Outcome::Written { changed, unchanged } => {
            anstream::println!("{command}: {changed} written, {unchanged} unchanged")
        }
        Outcome::Checked(files) => anstream::println!("{command}: {files} files are up to date"),
    }
    Ok(())
}

fn lint_rules(source: &Source, options: &Lint) -> Result<(), Error> {
    let styled = std::io::stdout().is_terminal();
    let allow = options.unknown_metrics == Unknown::Allow;
    let count =
        lint::run(source, &options.paths, allow, styled, |finding| anstream::println!("{finding}\n"))?;
    let summary = format!(
        "{} expressions in {} files: {} errors, {} warnings",
        count.expressions, count.files, count.errors, count.warnings
    );
    if count.errors > 0 || (options.deny_warnings && count.warnings > 0) {
        return Err(Error::Failed(summary));
    }
    anstream::println!("{summary}");
    Ok(())
}

fn cardinality(source: &Source) -> Result<(), Error> {
    let mut metrics: Vec<_> = source.exposed.iter().collect();
    metrics.sort_by_key(|metric| (std::cmp::Reverse(metric.max_series()), metric.name.clone()));
    let width = metrics.iter().map(|metric| metric.name.len()).max().unwrap_or(0);
    anstream::println!("{:<width$}  {:>9}  {}", "metric", "series", "of");
    for metric in &metrics {
        let product: Vec<String> =
            metric.labels.iter().map(|label| format!("{} {}", label.max_values(), label.name)).collect();
        let mut of = if product.is_empty() { "1".to_owned() } else { product.join(" × ") };
        if let Some(limit) = metric.limit {
            of = format!("at most {limit} of {of}");
        }
        if !metric.buckets.is_empty() {
            of = format!("({of}) × {} bucket, sum and count series", metric.buckets.len() + 3);
        }
        anstream::println!("{:<width$}  {:>9}  {of}", metric.name, metric.max_series());
    }
    let (total, budget) = (source.exposed.max_series(), source.settings.series_budget);
    anstream::println!("{:<width$}  {total:>9}  budget {budget}", "total");
    if total > budget {
        let message = format!(
            "{total} series are over the budget of {budget}: lower the limits of open labels, or raise series_budget in {}",
            crate::Settings::FILE
        );
        return Err(Error::Failed(message));
    }
    Ok(())
}
