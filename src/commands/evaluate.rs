//! `porecast evaluate`.

use std::path::PathBuf;

use porecast_base::progress::say;
use porecast_base::{Result, Verbosity};
use porecast_learning::predict;
use porecast_scoring::evaluate::{EvaluateOptions, Evaluation};

use super::print;

/// Arguments of `porecast evaluate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast evaluate runs/time\n  porecast evaluate runs/time --dataset data/other.h5\n  porecast evaluate predictions.h5 --dataset data/demo.h5 -o scores/"
)]
pub struct Args {
    /// Run folder, or predictions file of any program (it needs `--dataset` and `-o`).
    pub input: PathBuf,
    /// Dataset with the true sequences or masks; without it, the dataset that the run was trained on.
    #[arg(long)]
    pub dataset: Option<PathBuf>,
    /// Folder for scores and figures; without it, `<run>/evaluation`, or `<run>/evaluation-<dataset>` for
    /// another dataset.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Device that computes missing predictions: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace existing scores and the run's predictions.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast evaluate`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { input, dataset, output, device, force } = args;
    let options = EvaluateOptions { input, dataset, output, force };
    let evaluation = Evaluation::plan(&options)?;
    let _held = evaluation.hold()?;
    evaluation.notes().iter().for_each(|note| say(verbosity, &format!("note: {note}")));
    predict::predict_missing(&evaluation.missing(force), &device, verbosity)?;
    let found = evaluation.run()?;
    if !verbosity.quiet {
        print(&found.to_text())?;
    }
    Ok(())
}
