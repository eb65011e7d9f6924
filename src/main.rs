//! The `porecast` program: calls the function of each command.

mod cli;
mod commands;

use std::process::ExitCode;

use clap::Parser;
use porecast_base::interrupt;
use porecast_base::progress::print_line;

use cli::{Cli, Command};
use commands::{
    compare, evaluate, export, import, inspect, predict, prepare, report, search, simulate, synth, train,
};

fn main() -> ExitCode {
    interrupt::ignore_hangup();
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_line(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> porecast_base::Result<()> {
    let verbosity = cli.verbosity.into();
    match cli.command {
        Command::Simulate(args) => simulate::run(args, verbosity),
        Command::Import(args) => import::run(args, verbosity),
        Command::Synth(args) => synth::run(args, verbosity),
        Command::Prepare(args) => prepare::run(args, verbosity),
        Command::Inspect(args) => inspect::run(args, verbosity),
        Command::Train(args) => train::run(args, verbosity),
        Command::Search(args) => search::run(args, verbosity),
        Command::Predict(args) => predict::run(args, verbosity),
        Command::Evaluate(args) => evaluate::run(args, verbosity),
        Command::Compare(args) => compare::run(args, verbosity),
        Command::Report(args) => report::run(args, verbosity),
        Command::Export(args) => export::run(args, verbosity),
    }
}
