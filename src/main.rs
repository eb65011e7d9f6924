//! The `porecast` program: one match on the command, one call each.

use std::process::ExitCode;

use clap::Parser;
use porecast::cli::{Cli, Command};
use porecast::{campaign, import, inspect, prepare, runs, search, synth, train};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: &Cli) -> porecast::Result<()> {
    let verbosity = cli.verbosity;
    match &cli.command {
        Command::Simulate(args) => campaign::run(args, verbosity),
        Command::Import(args) => import::run(args, verbosity),
        Command::Synth(args) => synth::run(args, verbosity),
        Command::Prepare(args) => prepare::run(args, verbosity),
        Command::Inspect(args) => inspect::run(args, verbosity),
        Command::Train(args) => train::run(args, verbosity),
        Command::Search(args) => search::run(args, verbosity),
        Command::Predict(args) => runs::predict(args, verbosity),
        Command::Evaluate(args) => runs::evaluate(args, verbosity),
        Command::Compare(args) => runs::compare(args, verbosity),
        Command::Report(args) => runs::report(args, verbosity),
    }
}
