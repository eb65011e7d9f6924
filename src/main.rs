//! The `porecast` program: one match on the command, one call each.

use std::process::ExitCode;

use clap::Parser;
use porecast::campaign;
use porecast::cli::{Cli, Command};
use porecast::{predict, train};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let is_quiet = cli.verbosity.quiet;
    let result: porecast::Result<()> = match &cli.command {
        Command::Train(args) => train::run(args, is_quiet),
        Command::Predict(args) => predict::run(args, is_quiet),
        Command::Simulate(args) => campaign::run(args, cli.verbosity),
        _ => todo!(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
