//! What is done with a run: predict, evaluate, compare, report.
//!
//! A run, its predictions and its comparisons are of invasions or of annotated images. That is asked here, of the format
//! that each of them names; everything after is written for any [`Dataset`]. Errors are those of the stages.

use std::path::Path;

use serde::Deserialize;

use crate::cli::{CompareArgs, EvaluateArgs, PredictArgs, ReportArgs, Verbosity};
use crate::error::Result;
use crate::evaluate::{Plan, Scored};
use crate::predict::Predicted;
use crate::store::run::{SegmentationCard, TrainedOn};
use crate::store::{Dataset, InvasionDataset, SegmentationDataset, listing, mask_prediction};
use crate::{evaluate, predict, report};

/// Calls a function that is generic over a dataset for the kind of dataset that the files at a path are of.
macro_rules! on_dataset {
    ($path:expr, $($function:ident)::+($($argument:expr),*)) => {
        match is_of_images($path) {
            true => $($function)::+::<SegmentationDataset>($($argument),*),
            false => $($function)::+::<InvasionDataset>($($argument),*),
        }
    };
}

/// Whether a run folder, a comparison or a file of predictions is of annotated images. What cannot be read is not, so that
/// whoever opens it next says why.
pub(crate) fn is_of_images(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Header {
        format: String,
    }
    let of_json = |file: &str| -> Option<String> {
        let bytes = std::fs::read(path.join(file)).ok()?;
        Some(serde_json::from_slice::<Header>(&bytes).ok()?.format)
    };
    let format = match path.is_dir() {
        true => of_json(evaluate::compare::FILE).or_else(|| of_json("run.json")),
        false => listing::hdf5_format(path).ok().flatten(),
    };
    let of_images = [SegmentationCard::FORMAT, mask_prediction::FORMAT, SegmentationDataset::COMPARISON];
    format.is_some_and(|format| of_images.contains(&format.as_str()))
}

/// `porecast predict`.
pub fn predict(args: &PredictArgs, verbosity: Verbosity) -> Result<()> {
    on_dataset!(&args.run, predict::run(args, verbosity))
}

/// `porecast evaluate`.
pub fn evaluate(args: &EvaluateArgs, verbosity: Verbosity) -> Result<()> {
    fn evaluate<D: Predicted + Scored>(args: &EvaluateArgs, verbosity: Verbosity) -> Result<()> {
        let plan = Plan::<D>::new(args)?;
        predict_first(&plan, &args.device, args.force, verbosity)?;
        evaluate::run(&plan, verbosity)
    }
    on_dataset!(&args.input, evaluate(args, verbosity))
}

/// `porecast compare`.
pub fn compare(args: &CompareArgs, verbosity: Verbosity) -> Result<()> {
    fn compare<D: Predicted + Scored>(args: &CompareArgs, verbosity: Verbosity) -> Result<()> {
        let unscored: Vec<Plan<D>> = evaluate::unscored(args)?;
        unscored.iter().try_for_each(|plan| predict_first(plan, &args.device, false, verbosity))?;
        unscored.iter().try_for_each(|plan| evaluate::execute(plan).map(drop))?;
        evaluate::compare::<D>(args, verbosity)
    }
    on_dataset!(&args.runs[0], compare(args, verbosity))
}

/// `porecast report`.
pub fn report(args: &ReportArgs, verbosity: Verbosity) -> Result<()> {
    on_dataset!(&args.input, report::run(args, verbosity))
}

/// Scores need predictions: makes those that are missing, or all of them anew.
fn predict_first<D: Predicted + Scored>(
    plan: &Plan<D>,
    device: &str,
    anew: bool,
    verbosity: Verbosity,
) -> Result<()> {
    let Some((run, _)) = &plan.run else { return Ok(()) };
    let parts = plan.parts.iter().filter(|part| anew || !part.predictions.exists());
    let parts: Vec<_> = parts.map(|part| (part.ids.as_slice(), part.predictions.as_path())).collect();
    predict::predict_parts(run, &plan.dataset, &parts, device, verbosity)
}
