//! `porecast evaluate`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_learning::predict;
use porecast_scoring::evaluate::{EvaluateOptions, Evaluation};

use super::{next, print_found};

/// Arguments of `porecast evaluate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast evaluate runs/demo-time --force\n  porecast evaluate runs/demo-time --dataset data/demo-2.h5\n  porecast evaluate runs/demo-time/predictions/test.h5 --dataset data/demo.h5 -o out/scores --json > scores.json"
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
    /// Device that computes missing predictions: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Print the content of scores.json.
    #[arg(long)]
    pub json: bool,
    /// Replace existing scores and the run's predictions.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast evaluate`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { input, dataset, output, device, json, force } = args;
    let options = EvaluateOptions { input, dataset, output, force };
    let evaluation = Evaluation::plan(&options)?;
    let _held = evaluation.hold()?;
    predict::predict_missing(&evaluation.missing(force), &device, verbosity)?;
    let found = evaluation.run()?;
    print_found(&found, json, verbosity)?;
    // A page shows the scores of a run on its own dataset.
    if options.input.is_dir() && options.dataset.is_none() && options.output.is_none() {
        next(verbosity, "report", &options.input);
    }
    Ok(())
}
