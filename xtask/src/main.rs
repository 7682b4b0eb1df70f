//! The command line of this workspace: the one that every user has, over the demo's domains, and
//! the whole test run in the place of `test`. A user's own `xtask` is three lines; see
//! `examples/own-workspace`.

mod test;

use std::process::ExitCode;

use bellwether_artifacts::cli;
use clap::{Parser, Subcommand};

/// Dashboards, rules and references from one source; the demo; the test run.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need, then run them all
    Test(test::Test),
    #[command(flatten)]
    Standard(cli::Command),
}

fn main() -> ExitCode {
    cli::finish(match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Standard(command) => cli::execute::<bellwether_demo::Observed>(&command),
    })
}
