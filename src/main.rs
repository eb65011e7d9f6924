//! The `porecast` program: one match on the command, one call each.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use porecast::cli::{Cli, Command};
use porecast::store::RunFolder;
use porecast::{campaign, evaluate, import, inspect, predict, report, train};

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
        Command::Inspect(args) => inspect::run(args, verbosity),
        Command::Train(args) => train::run(args, verbosity),
        Command::Predict(args) => predict::run(args, verbosity),
        Command::Evaluate(args) => {
            if args.dataset.is_none() {
                predict_first(&args.input, &args.device, args.force, cli)?;
            }
            evaluate::run(args, verbosity)
        }
        Command::Compare(args) => {
            for run in &args.runs {
                predict_first(run, &args.device, false, cli)?;
            }
            evaluate::compare(args, verbosity)
        }
        Command::Report(args) => report::run(args, verbosity),
    }
}

/// Scores need predictions: makes those that a run lacks.
fn predict_first(run: &Path, device: &str, anew: bool, cli: &Cli) -> porecast::Result<()> {
    let folder = RunFolder::new(run);
    if folder.card_path().exists() { predict::complete(&folder, device, anew, cli.verbosity) } else { Ok(()) }
}
