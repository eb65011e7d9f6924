//! `porecast compare`.

use std::path::PathBuf;

use porecast_base::progress::say;
use porecast_base::{Result, Verbosity, lock};
use porecast_learning::predict;
use porecast_scoring::evaluate::{self, CompareOptions};

use super::print;

/// Arguments of `porecast compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  porecast compare runs/time runs/frames -o runs/comparison")]
pub struct Args {
    /// Run folders.
    #[arg(required = true, num_args = 1..)]
    pub runs: Vec<PathBuf>,
    /// Folder for the tables and figures.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Device that computes missing predictions: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace an existing comparison.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast compare`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { runs, output, device, force } = args;
    let options = CompareOptions { runs, output, force };
    let _held = lock::hold(&options.output)?;
    for evaluation in evaluate::unscored(&options)? {
        let _held = evaluation.hold()?;
        evaluation.notes().iter().for_each(|note| say(verbosity, &format!("note: {note}")));
        predict::predict_missing(&evaluation.missing(false), &device, verbosity)?;
        evaluation.run()?;
    }
    let found = evaluate::compare(&options)?;
    if !verbosity.quiet {
        print(&found.to_text())?;
    }
    Ok(())
}
