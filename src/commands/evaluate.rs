//! `porecast evaluate`.

use std::path::PathBuf;

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
    /// Run folder, or a predictions file of any program (then `--dataset` and `-o` are needed).
    pub input: PathBuf,
    /// Dataset with the true sequences; the run's own when absent.
    #[arg(long)]
    pub dataset: Option<PathBuf>,
    /// Folder for scores and figures; `<run>/evaluation` when absent.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Where to compute missing predictions.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace existing scores and predict anew.
    #[arg(long)]
    pub force: bool,
}

/// Runs it.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { input, dataset, output, device, force } = args;
    let options = EvaluateOptions { input, dataset, output, force };
    let evaluation = Evaluation::plan(&options)?;
    predict::predict_missing(&evaluation.missing(force), &device, verbosity)?;
    let found = evaluation.run()?;
    if !verbosity.quiet {
        print(&found.to_text());
    }
    Ok(())
}
