//! Masks, scored by the confusion matrix of each image: measures of all pixels together, and means over images.
//!
//! `MaskEvaluation::run` reads each image and its prediction, [`score`] counts, [`baseline`] predicts without a network, [`scores`] adds
//! up and averages, [`tables`], [`figures`] and [`overlays`] show the result. Files in the output folder:
//!
//! ```text
//! scores.json     counts of every image, and the histogram of the set (Scores)
//! summary.csv     part, source, measure, over (set, images or groups), count, mean, low, high
//! per_image.csv   part, source, id, group, measures, Hausdorff distance of each scored class
//! per_group.csv   part, source, group, images, measures; only where groups are not the images themselves
//! per_class.csv   part, source, class, pixels, measures, Hausdorff distances
//! precision-recall, confusion, dice, groups, training, overlays-{best,even,worst} (.svg and .png, overlays also .html for the report)
//! ```

pub mod answer;
pub mod baseline;
pub mod compare;
pub mod figures;
pub mod measure;
pub mod overlays;
pub mod score;
pub mod scores;
pub mod source;
pub mod tables;

use std::sync::{Mutex, PoisonError};

use ndarray::Array2;
use porecast_base::{Error, Result, interrupt};
use porecast_imaging::measure::ScoreHistogram;
use porecast_store::config::{self, segmentation::SegmentationConfig};
use porecast_store::document::Document;
use porecast_store::run::{EvaluationFolder, SegmentationCard};
use porecast_store::{Dataset, MaskFile, MaskPrediction, SegmentationDataset};
use rayon::prelude::*;

use super::plan::Part;
use super::predictions::PartPredictions;
use super::{EvaluateOptions, Printout, training};
use baseline::MeanMasks;
use score::ImageScore;
pub use scores::{MaskScores, PartScores, Scores};
use source::Source;

/// What is scored, and where its files are.
pub type Plan = super::Plan<SegmentationDataset>;

/// What is scored, and the classes that means are taken over: neither the background nor excluded from the loss.
#[derive(Debug, Clone)]
pub struct MaskEvaluation {
    pub(super) plan: Plan,
    scored_classes: Vec<u8>,
}

/// Scores of an image with a mask: of the network, before and after post-processing, and of the baselines.
struct ScoredImage {
    network: ImageScore,
    postprocessed: ImageScore,
    all_background: ImageScore,
    mean_mask: Option<ImageScore>,
}

impl MaskEvaluation {
    /// Finds everything that `porecast evaluate` was asked for.
    ///
    /// # Errors
    /// As [`super::Plan::new`]; the dataset has other classes than the run, or no class is left to score.
    pub(super) fn plan(options: &EvaluateOptions) -> Result<Self> {
        let plan = Plan::new(options, is_like)?;
        let excluded = match &plan.run {
            None => Vec::new(),
            Some((run, card)) => {
                if plan.dataset.classes() != card.dataset.classes {
                    let what = format!(
                        "has the classes {:?}, {} was trained on {:?}; pass a dataset of the same classes",
                        plan.dataset.classes(),
                        run.path().display(),
                        card.dataset.classes
                    );
                    return Err(Error::mismatch(plan.dataset.path(), what));
                }
                let config: SegmentationConfig = config::load(&run.config_path(), &[])?;
                if scored_classes(&plan.dataset, &config.loss.excluded).is_empty() {
                    let place = format!("{}: loss.excluded", run.config_path().display());
                    let what =
                        "leaves every class but the background out, so that there is no class to score";
                    return Err(Error::config(place, what));
                }
                config.loss.excluded
            }
        };
        Ok(Self { scored_classes: scored_classes(&plan.dataset, &excluded), plan })
    }

    /// Scores the predicted parts and writes everything. `scores.json` comes last: an evaluation that has it is finished.
    ///
    /// # Errors
    /// No part is predicted, predictions and dataset do not belong together, or the output cannot be written.
    pub(super) fn run(&self) -> Result<Printout> {
        let plan = &self.plan;
        let scores = self.score_parts()?;
        tables::sheets(&scores).iter().try_for_each(|sheet| sheet.write(&plan.output))?;
        figures::draw(&scores, &plan.output)?;
        overlays::draw(plan, &scores)?;
        if let Some((run, card)) = &plan.run {
            training::draw(run, card, &plan.output)?;
        }
        scores.write(&EvaluationFolder::new(&plan.output).scores_path())?;
        let tables = tables::terminal(&scores);
        Ok(Printout::of_scores(tables, scores.notes))
    }

    fn score_parts(&self) -> Result<Scores> {
        let plan = &self.plan;
        let (present, mut notes) = plan.predicted_parts()?;
        let mean = MeanMasks::of(plan)?;
        let mut parts =
            present.iter().map(|part| self.score_part(part, mean.as_ref())).collect::<Result<Vec<_>>>()?;
        drop_unchanged_postprocessing(&mut parts);
        notes.extend(self.notes(&parts, mean.is_some()));
        Ok(Scores {
            format: Scores::FORMAT.into(),
            version: Scores::VERSION,
            source: plan.source.clone(),
            run: plan.run.as_ref().map(|(_, card)| card.clone()),
            dataset: SegmentationCard {
                path: plan.dataset.path().to_owned(),
                fingerprint: plan.fingerprint.clone(),
                shape: plan.dataset.shape(),
                classes: plan.dataset.classes().to_vec(),
            },
            scored_classes: self.scored_classes.clone(),
            notes,
            parts,
        })
    }

    fn score_part(&self, part: &Part, mean: Option<&MeanMasks>) -> Result<PartScores> {
        let predictions = PartPredictions::open(&self.plan, part, mismatch_reason)?;
        let histogram = (self.plan.dataset.classes().len() == 2).then(Mutex::<ScoreHistogram>::default);
        let score = |id: &String| self.score_image(mean, &predictions, histogram.as_ref(), id);
        let images = part.ids.par_iter().map(score).collect::<Result<Vec<_>>>()?;
        let without_mask = images.iter().filter(|image| image.is_none()).count();
        let mut sources = Source::ALL.map(|source| MaskScores { source, images: Vec::new() });
        for image in images.into_iter().flatten() {
            let ScoredImage { network, postprocessed, all_background, mean_mask } = image;
            let scores = [Some(network), Some(postprocessed), Some(all_background), mean_mask];
            sources.iter_mut().zip(scores).for_each(|(source, score)| source.images.extend(score));
        }
        let sources: Vec<MaskScores> =
            sources.into_iter().filter(|source| !source.images.is_empty()).collect();
        if sources.is_empty() {
            return Err(self.plan.nothing_to_score(part));
        }
        let histogram = histogram.map(|counts| counts.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(PartScores { part: part.name.clone(), sources, without_mask, histogram })
    }

    /// Scores of an image, whose pixels are counted in `histogram` too; `None` for an image without a mask.
    fn score_image(
        &self,
        mean: Option<&MeanMasks>,
        predictions: &PartPredictions<SegmentationDataset>,
        histogram: Option<&Mutex<ScoreHistogram>>,
        id: &str,
    ) -> Result<Option<ScoredImage>> {
        if interrupt::is_requested() {
            return Err(Error::stopped(&self.plan.output));
        }
        let dataset = &self.plan.dataset;
        let place = dataset.place(id)?;
        if !dataset.has_mask()[place] {
            return Ok(None);
        }
        let sample = dataset.sample(place)?;
        let truth = sample.mask.as_ref().expect("images without a mask are left out");
        let prediction = predictions.of(id)?;
        if let Some(what) = image_mismatch(dataset, &prediction) {
            return Err(predictions.mismatch(what));
        }
        let classes = dataset.classes().len();
        if let Some(histogram) = histogram {
            let foreground = prediction.probability.outer_iter().next_back().expect("a class at least");
            let is_foreground = truth.mapv(|class| class == 1);
            let all = Array2::from_elem(truth.dim(), true);
            // The counts are consistent between two images, so a poisoned lock can be used.
            let mut histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner);
            histogram.count(foreground, is_foreground.view(), all.view());
        }
        let score = |mask: &Array2<u8>| ImageScore::new(&sample, truth, mask, classes, &self.scored_classes);
        Ok(Some(ScoredImage {
            network: score(&prediction.most_probable()),
            postprocessed: score(&prediction.mask),
            all_background: score(&Array2::zeros(truth.dim())),
            mean_mask: mean.map(|mean| score(mean.of_image(id))),
        }))
    }

    /// Notes for the reader of the scores.
    fn notes(&self, parts: &[PartScores], has_mean: bool) -> Vec<String> {
        let plan = &self.plan;
        let mut notes = Vec::new();
        for part in parts {
            if let count @ 1.. = part.without_mask {
                let (all, name) = (part.ids().len() + count, &part.part);
                notes.push(format!("{count} of {all} {name} images have no mask and are left out"));
            }
        }
        if !has_mean {
            notes.push(
                "the mean mask is left out, because the training images are missing or have another shape"
                    .into(),
            );
        }
        let excluded: Vec<&str> = (1..plan.dataset.classes().len())
            .filter(|&class| !self.scored_classes.contains(&(class as u8)))
            .map(|class| plan.dataset.classes()[class].as_str())
            .collect();
        if !excluded.is_empty() {
            notes.push(format!("left out of the means, as of the loss: {}", excluded.join(", ")));
        }
        if plan.run.as_ref().is_some_and(|(_, card)| card.members.iter().any(|member| !member.is_finished)) {
            notes.push("the training has not run to its end".into());
        }
        notes
    }
}

/// Whether the mean mask over one dataset can be scored on the other.
fn is_like(one: &SegmentationDataset, other: &SegmentationDataset) -> bool {
    let size = |dataset: &SegmentationDataset| (dataset.shape().1, dataset.shape().2);
    size(one) == size(other) && one.classes() == other.classes()
}

/// Drops the post-processed masks if post-processing changes the score of no image.
fn drop_unchanged_postprocessing(parts: &mut [PartScores]) {
    let images = |part: &PartScores, source| part.source(source).map(|scores| scores.images.clone());
    let is_same = |part: &PartScores| images(part, Source::Postprocessed) == images(part, Source::Network);
    if parts.iter().all(is_same) {
        let is_shown = |scores: &MaskScores| scores.source != Source::Postprocessed;
        parts.iter_mut().for_each(|part| part.sources.retain(is_shown));
    }
}

/// Why a file of predictions cannot be for this dataset, if so.
fn mismatch_reason(dataset: &SegmentationDataset, predictions: &MaskFile) -> Option<String> {
    (predictions.classes() != dataset.classes()).then(|| {
        format!(
            "has the classes {:?}, {} has {:?}; pass the dataset that was predicted",
            predictions.classes(),
            dataset.path().display(),
            dataset.classes()
        )
    })
}

/// Classes that are neither the background nor excluded.
fn scored_classes(dataset: &SegmentationDataset, excluded: &[usize]) -> Vec<u8> {
    let classes = 1..dataset.classes().len();
    classes.filter(|class| !excluded.contains(class)).map(|class| class as u8).collect()
}

/// Why a prediction does not fit the dataset; `None` if it does.
fn image_mismatch(dataset: &SegmentationDataset, prediction: &MaskPrediction) -> Option<String> {
    let ((_, height, width), classes) = (dataset.shape(), dataset.classes().len());
    let (found, channels) = (prediction.mask.dim(), prediction.probability.dim().0);
    let unknown_class = prediction.mask.iter().find(|&&class| usize::from(class) >= classes);
    let what = match unknown_class {
        _ if found != (height, width) => {
            format!("is predicted as {found:?} (height, width), the dataset has {:?}", (height, width))
        }
        _ if channels != classes && (channels, classes) != (1, 2) => {
            format!("has probabilities of {channels} classes, the dataset has {classes}")
        }
        Some(class) => format!("is predicted with class {class} of {classes}"),
        None => return None,
    };
    Some(format!("image {:?} {what}", prediction.id))
}
