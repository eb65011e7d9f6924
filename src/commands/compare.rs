//! `porecast compare`.

use std::path::PathBuf;

use porecast_base::progress::say;
use porecast_base::{Result, Verbosity, lock};
use porecast_learning::predict;
use porecast_scoring::evaluate::{self, CompareOptions};

use super::{next, print_found};

/// Arguments of `porecast compare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast compare runs/demo-time runs/demo-frames -o out/comparison\n  porecast compare runs/demo-time runs/demo-frames -o out/comparison-2 --json > comparison.json"
)]
pub struct Args {
    /// Run folders.
    #[arg(required = true, num_args = 1..)]
    pub runs: Vec<PathBuf>,
    /// Folder for the tables and figures.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Device that computes missing predictions: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print the content of comparison.json.
    #[arg(long)]
    pub json: bool,
    /// Replace an existing comparison.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast compare`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { runs, output, device, json, force } = args;
    let options = CompareOptions { runs, output, force };
    let _held = lock::hold(&options.output)?;
    for evaluation in evaluate::unscored(&options)? {
        let _held = evaluation.hold()?;
        evaluation.notes().iter().for_each(|note| say(verbosity, &format!("note: {note}")));
        predict::predict_missing(&evaluation.missing(false), &device, verbosity)?;
        evaluation.run()?;
    }
    let found = evaluate::compare(&options)?;
    print_found(&found, json, verbosity)?;
    next(verbosity, "report", &options.output);
    Ok(())
}
