//! The `porecast` program: one match on the command, one call each.

use std::process::ExitCode;

use clap::Parser;
use porecast::cli::{Cli, Command, Verbosity};
use porecast::evaluate::masks;
use porecast::{campaign, evaluate, import, inspect, predict, prepare, report, search, synth, train};

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
        Command::Predict(args) => predict::run(args, verbosity),
        Command::Evaluate(args) if masks::are_in(&args.input) => {
            let plan = masks::Plan::new(args)?;
            segment_first(&plan, &args.device, args.force, verbosity)?;
            masks::run(&plan, verbosity)
        }
        Command::Evaluate(args) => {
            let plan = evaluate::Plan::new(args)?;
            predict_first(&plan, &args.device, args.force, verbosity)?;
            evaluate::run(&plan, verbosity)
        }
        Command::Compare(args) if masks::are_in(&args.runs[0]) => {
            for plan in masks::unscored(args)? {
                segment_first(&plan, &args.device, false, verbosity)?;
            }
            masks::compare(args, verbosity)
        }
        Command::Compare(args) => {
            for plan in evaluate::unscored(args)? {
                predict_first(&plan, &args.device, false, verbosity)?;
            }
            evaluate::compare(args, verbosity)
        }
        Command::Report(args) => report::run(args, verbosity),
    }
}

/// Scores need predictions: makes those that a run lacks, or all of them anew.
fn predict_first(
    plan: &evaluate::Plan,
    device: &str,
    anew: bool,
    verbosity: Verbosity,
) -> porecast::Result<()> {
    let Some((run, _)) = &plan.run else { return Ok(()) };
    let wanted = plan.parts.iter().filter(|part| anew || !part.predictions.exists());
    let parts = wanted.map(|part| (part.ids.as_slice(), part.predictions.as_path()));
    predict::predict_parts(run, &plan.dataset, parts, device, verbosity)
}

/// As [`predict_first`], for masks.
fn segment_first(plan: &masks::Plan, device: &str, anew: bool, verbosity: Verbosity) -> porecast::Result<()> {
    let Some((run, _)) = &plan.run else { return Ok(()) };
    let wanted = plan.parts.iter().filter(|part| anew || !part.predictions.exists());
    let parts = wanted.map(|part| (part.ids.as_slice(), part.predictions.as_path()));
    predict::predict_masks(run, &plan.dataset, parts, device, verbosity)
}
