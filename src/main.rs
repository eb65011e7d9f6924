//! The `porecast` program: one match on the command, one call each.

use std::process::ExitCode;

use clap::Parser;
use porecast::cli::{Cli, Command};
use porecast::{campaign, import, inspect};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result: porecast::Result<()> = match &cli.command {
        Command::Simulate(args) => campaign::run(args, cli.verbosity),
        Command::Import(args) => import::run(args, cli.verbosity),
        Command::Inspect(args) => inspect::run(args, cli.verbosity),
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
