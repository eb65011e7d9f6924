//! What is done with a run: predict, evaluate, compare, report.
//!
//! A run, its predictions and its comparisons are of invasions or of annotated images. That is asked here, of the format
//! that each of them names; everything after is written for any [`Dataset`](crate::store::Dataset). Errors are those of the
//! stages.

use crate::cli::{CompareArgs, EvaluateArgs, PredictArgs, ReportArgs, Verbosity};
use crate::error::Result;
use crate::evaluate::{Plan, Scored};
use crate::predict::Predicted;
use crate::store::{InvasionDataset, SegmentationDataset, is_of_images};
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
