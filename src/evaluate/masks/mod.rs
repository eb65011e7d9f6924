//! Scoring predicted masks: `porecast evaluate` and `porecast compare` for segmentations.
//!
//! [`Plan`] says what is to be scored and where its files are, [`score`] scores one image, [`baseline`] makes what has
//! to be beaten, [`scores`] holds and averages the result, [`tables`], [`figures`] and [`overlays`] show it, and
//! [`compare`](mod@compare) sets several runs side by side. As for invasions, predictions are read from files.
//!
//! Files in the output folder:
//!
//! ```text
//! scores.json     counts of every image, and what is known of the set (scores::MaskScores)
//! summary.csv     part, source, measure, over (set, images or groups), count, mean, low, high
//! per_image.csv   part, source, id, group, measures, Hausdorff distance of each scored class
//! per_group.csv   part, source, group, images, measures; only where groups are not the images themselves
//! per_class.csv   part, source, class, pixels, measures, Hausdorff distances
//! precision-recall, confusion, dice, groups, training, overlays-{best,even,worst} (.svg and .png)
//! ```

pub mod baseline;
pub mod compare;
pub mod figures;
pub mod measure;
pub mod overlays;
pub mod plan;
pub mod score;
pub mod scores;
pub mod source;
pub mod tables;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ndarray::Array2;
use porecast_imaging::measure::ScoreHistogram;
use rayon::prelude::*;

pub use compare::{compare, unscored};
pub use measure::Measure;
pub use plan::Plan;
pub use scores::MaskScores;
pub use source::Source;

use super::document::Document;
use super::plan::Part;
use crate::cli::Verbosity;
use crate::error::{Error, ErrorKind, Result};
use crate::store::mask_prediction::{self, most_probable};
use crate::store::{MaskFile, RunFolder, listing};
use baseline::MeanMasks;
use score::ImageScore;
use scores::{PartScores, ScoredImages, SourceScores};

/// Whether what `porecast evaluate` was given is a run on annotated images or a file of predicted masks.
pub fn are_in(input: &Path) -> bool {
    match input.is_dir() {
        true => RunFolder::new(input).is_segmentation(),
        false => {
            let format = listing::hdf5_format(input);
            format.is_ok_and(|format| format.as_deref() == Some(mask_prediction::FORMAT))
        }
    }
}

/// Runs `porecast evaluate`: scores the predicted masks that [`Plan::new`] finds and writes tables and figures.
///
/// # Errors
/// No part of the split is predicted, predictions and dataset do not belong together, or the output cannot be written.
pub fn run(plan: &Plan, verbosity: Verbosity) -> Result<()> {
    let scores = execute(plan)?;
    if !verbosity.quiet {
        let last = format!("scores and figures: {}", plan.output.display());
        super::print(&tables::terminal(&scores), &scores.notes, &last);
    }
    Ok(())
}

/// Scores what is planned and writes everything; `scores.json` last, so that it stands for a finished evaluation.
///
/// # Errors
/// As [`run`].
pub fn execute(plan: &Plan) -> Result<MaskScores> {
    let scores = measure_all(plan)?;
    tables::write_csv(&scores, &plan.output)?;
    figures::write(plan, &scores)?;
    overlays::write(plan, &scores)?;
    scores.write(&plan.output.join("scores.json"))?;
    Ok(scores)
}

fn measure_all(plan: &Plan) -> Result<MaskScores> {
    let (present, missing): (Vec<&Part>, Vec<&Part>) =
        plan.parts.iter().partition(|part| part.predictions.exists());
    if present.is_empty() {
        let (place, names) = match plan.parts.first() {
            Some(part) => (part.predictions.clone(), plan.part_names()),
            None => (plan.output.clone(), "any part of the split".into()),
        };
        let what =
            format!("is missing: there are no predicted masks of {names}; run `porecast predict` first");
        return Err(Error::input(&place, what));
    }
    let means = MeanMasks::of(plan)?;
    let scored =
        present.iter().map(|part| score_part(plan, part, means.as_ref())).collect::<Result<Vec<_>>>()?;
    let is_postprocessed = scored.iter().any(|(differs, _)| *differs);
    let mut parts: Vec<PartScores> = scored.into_iter().map(|(_, part)| part).collect();
    if !is_postprocessed {
        let is_shown = |scores: &SourceScores| scores.source != Source::Postprocessed;
        parts.iter_mut().for_each(|part| part.sources.retain(is_shown));
    }
    Ok(MaskScores {
        format: MaskScores::FORMAT.into(),
        version: MaskScores::VERSION,
        source: plan.source.clone(),
        run: plan.run.as_ref().map(|(_, card)| card.clone()),
        dataset: ScoredImages {
            path: plan.dataset.path().to_owned(),
            fingerprint: plan.fingerprint.clone(),
            shape: plan.dataset.shape(),
            classes: plan.dataset.classes().to_vec(),
        },
        scored_classes: plan.scored_classes.clone(),
        notes: plan.notes(&missing, means.is_some()),
        parts,
    })
}

/// Scores a part, and says whether post-processing changes any of its masks.
fn score_part(plan: &Plan, part: &Part, means: Option<&MeanMasks>) -> Result<(bool, PartScores)> {
    let predictions = Predictions::open(plan, part)?;
    let places = plan.places();
    let (with_mask, without_mask): (Vec<&String>, Vec<&String>) =
        part.ids.iter().partition(|id| plan.dataset.has_mask()[places[id.as_str()]]);
    if with_mask.is_empty() {
        let what = format!("no {} image has a mask, so there is nothing to score", part.name);
        return Err(Error::input(plan.dataset.path(), what));
    }
    let histogram = (plan.dataset.classes().len() == 2).then(Mutex::<ScoreHistogram>::default);
    let scored: Vec<(bool, Vec<ImageScore>)> = with_mask
        .par_iter()
        .map(|id| {
            let sample = plan.dataset.sample(places[id.as_str()])?;
            let prediction = predictions.of(id)?;
            let truth = sample.mask.as_ref().expect("images without a mask are left out");
            let network = most_probable(&prediction.probability);
            if let Some(histogram) = &histogram {
                let foreground = prediction.probability.outer_iter().next_back().expect("a class at least");
                let all = Array2::from_elem(truth.dim(), true);
                // A histogram is whole between two counts, so a panic elsewhere spoils nothing.
                let mut histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner);
                histogram.count(foreground, truth.mapv(|class| class == 1).view(), all.view());
            }
            let score = |mask: &Array2<u8>| {
                ImageScore::new(&sample, truth, mask, plan.dataset.classes().len(), &plan.scored_classes)
            };
            let mut scores =
                vec![score(&network), score(&prediction.mask), score(&Array2::zeros(truth.dim()))];
            scores.extend(means.map(|means| score(means.of_image(id))));
            Ok((network != prediction.mask, scores))
        })
        .collect::<Result<_>>()?;
    let sources = Source::ALL.into_iter().enumerate().filter_map(|(column, source)| {
        let images: Vec<_> = scored.iter().filter_map(|(_, scores)| scores.get(column).cloned()).collect();
        (!images.is_empty()).then_some(SourceScores { source, images })
    });
    let part = PartScores {
        part: part.name.clone(),
        without_mask: without_mask.len(),
        sources: sources.collect(),
        histogram: histogram.map(|histogram| histogram.into_inner().unwrap_or_else(PoisonError::into_inner)),
    };
    Ok((scored.iter().any(|(differs, _)| *differs), part))
}

/// The predictions of a part, checked against the dataset.
struct Predictions {
    file: MaskFile,
    /// Row of each image.
    rows: HashMap<String, usize>,
    classes: usize,
    shape: (usize, usize),
}

impl Predictions {
    /// Opens the predictions of `part`: of the images of this part alone, and of all that have a mask.
    fn open(plan: &Plan, part: &Part) -> Result<Self> {
        let file = MaskFile::open(&part.predictions)?;
        let mismatch =
            |what| Err(Error::new(ErrorKind::Mismatch, part.predictions.display().to_string(), what));
        let dataset = &plan.dataset;
        if file.classes() != dataset.classes() {
            return mismatch(format!(
                "has the classes {:?}, {} has {:?}; pass the dataset that was predicted",
                file.classes(),
                dataset.path().display(),
                dataset.classes()
            ));
        }
        let rows: HashMap<String, usize> = file.ids().iter().cloned().zip(0..).collect();
        if let Some(id) = file.ids().iter().find(|id| !part.ids.contains(id)) {
            return mismatch(format!(
                "has a prediction for {id:?}, which is not among the {} images of {}; predict the part anew, or pass the \
                 dataset that was predicted",
                part.name,
                dataset.path().display()
            ));
        }
        let places = plan.places();
        let needed = |id: &&String| dataset.has_mask()[places[id.as_str()]] && !rows.contains_key(*id);
        if let Some(id) = part.ids.iter().find(needed) {
            return mismatch(format!("has no prediction for image {id:?}; predict the whole part anew"));
        }
        let (_, height, width) = dataset.shape();
        Ok(Self { file, rows, classes: dataset.classes().len(), shape: (height, width) })
    }

    /// The prediction for an image of the part that has a mask.
    fn of(&self, id: &str) -> Result<mask_prediction::MaskPrediction> {
        let prediction = self.file.prediction(self.rows[id])?;
        let mismatch = |what: String| {
            Error::new(
                ErrorKind::Mismatch,
                self.file.path().display().to_string(),
                format!("image {id:?} {what}"),
            )
        };
        if prediction.mask.dim() != self.shape {
            let (found, wanted) = (prediction.mask.dim(), self.shape);
            return Err(mismatch(format!(
                "is predicted as {found:?} (height, width), the dataset has {wanted:?}"
            )));
        }
        let channels = prediction.probability.dim().0;
        if channels != self.classes && (channels, self.classes) != (1, 2) {
            let what = format!("has probabilities of {channels} classes, the dataset has {}", self.classes);
            return Err(mismatch(what));
        }
        match prediction.mask.iter().find(|&&class| usize::from(class) >= self.classes) {
            Some(class) => Err(mismatch(format!("is predicted with class {class} of {}", self.classes))),
            None => Ok(prediction),
        }
    }
}
