//! Masks, scored by what is counted in each image: values of the set of all its pixels, and means over images.
//!
//! [`score`] scores one image, [`baseline`] makes what has to be beaten, [`scores`] adds up and averages, [`tables`],
//! [`figures`] and [`overlays`] show it. Files in the output folder:
//!
//! ```text
//! scores.json     counts of every image, and what is known of the set (Scores)
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
pub mod score;
pub mod scores;
pub mod source;
pub mod tables;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ndarray::Array2;
use porecast_imaging::measure::ScoreHistogram;
use serde::{Deserialize, Serialize};

use super::compare::ScoredRun;
use super::predictions::PartPredictions;
use super::scored::{Findings, Scored};
use super::sheet::Sheet;
use super::table::Table;
use baseline::MeanMasks;
use porecast_base::{Error, Result};
use porecast_store::config::{self, segmentation::SegmentationConfig};
use porecast_store::run::{SegmentationCard, SegmentationRunCard};
use porecast_store::{Dataset, MaskFile, MaskPrediction, RunFolder, SegmentationDataset};
use score::ImageScore;
use scores::MaskScores;
use source::Source;

type Plan = super::Plan<SegmentationDataset>;
/// Scores of masks.
pub type Scores = super::Scores<SegmentationDataset>;
/// Scores of the masks of one part of the split.
pub type PartScores = super::scores::PartScores<SegmentationDataset>;

/// What has to be known to read the scores of masks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Classes that means are taken over: neither the background nor excluded from the loss.
    pub scored_classes: Vec<u8>,
}

/// What is counted in a part beside the scores of masks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Images that were left out because nobody drew a mask.
    pub without_mask: usize,
    /// Pixels by probability and truth, where there are two classes.
    pub histogram: Option<ScoreHistogram>,
}

impl Scored for SegmentationDataset {
    type ScoredOn = SegmentationCard;
    type Terms = Terms;
    type Source = MaskScores;
    type Counted = Counted;
    type Mean = MeanMasks;

    fn scored_on(&self, fingerprint: &str) -> SegmentationCard {
        SegmentationCard {
            path: self.path().to_owned(),
            fingerprint: fingerprint.to_owned(),
            shape: self.shape(),
            classes: self.classes().to_vec(),
        }
    }

    fn identity(scored_on: &SegmentationCard) -> (&Path, &str) {
        (&scored_on.path, &scored_on.fingerprint)
    }

    fn terms(&self, run: Option<(&RunFolder, &SegmentationRunCard)>, _: bool) -> Result<Terms> {
        let Some((run, card)) = run else { return Ok(Terms { scored_classes: scored_classes(self, &[]) }) };
        if self.classes() != card.dataset.classes {
            let what = format!(
                "has the classes {:?}, {} was trained on {:?}; pass a dataset of the same classes",
                self.classes(),
                run.path().display(),
                card.dataset.classes
            );
            return Err(Error::mismatch(self.path(), what));
        }
        let config: SegmentationConfig = config::load(&run.config_path(), &[])?;
        let scored_classes = scored_classes(self, &config.loss.excluded);
        if scored_classes.is_empty() {
            let what = "leaves every class but the background out, so that there is no class to score";
            return Err(Error::config(format!("{}: loss.excluded", run.config_path().display()), what));
        }
        Ok(Terms { scored_classes })
    }

    fn is_like(&self, other: &Self) -> bool {
        let size = |dataset: &Self| (dataset.shape().1, dataset.shape().2);
        size(self) == size(other) && self.classes() == other.classes()
    }

    fn mean(plan: &Plan) -> Result<Option<MeanMasks>> {
        MeanMasks::of(plan)
    }

    fn mismatch(&self, predictions: &MaskFile) -> Option<String> {
        (predictions.classes() != self.classes()).then(|| {
            format!(
                "has the classes {:?}, {} has {:?}; pass the dataset that was predicted",
                predictions.classes(),
                self.path().display(),
                self.classes()
            )
        })
    }

    fn score(
        plan: &Plan,
        mean: Option<&MeanMasks>,
        predictions: &PartPredictions<Self>,
        id: &str,
        counted: &Mutex<Counted>,
    ) -> Result<Vec<Option<ImageScore>>> {
        // Counts are whole between two images, so a panic elsewhere spoils nothing.
        let counted = || counted.lock().unwrap_or_else(PoisonError::into_inner);
        let place = plan.dataset.place(id)?;
        if !plan.dataset.has_mask()[place] {
            counted().without_mask += 1;
            return Ok(Vec::new());
        }
        let sample = plan.dataset.sample(place)?;
        let truth = sample.mask.as_ref().expect("images without a mask are left out");
        let prediction = predictions.of(id)?;
        if let Some(what) = mismatch_reason(&plan.dataset, &prediction) {
            return Err(predictions.mismatch(what));
        }
        let classes = plan.dataset.classes().len();
        if classes == 2 {
            let foreground = prediction.probability.outer_iter().next_back().expect("a class at least");
            let all = Array2::from_elem(truth.dim(), true);
            let is_foreground = truth.mapv(|class| class == 1);
            let mut counted = counted();
            let histogram = counted.histogram.get_or_insert_default();
            histogram.count(foreground, is_foreground.view(), all.view());
        }
        let score =
            |mask: &Array2<u8>| ImageScore::new(&sample, truth, mask, classes, &plan.terms.scored_classes);
        Ok(Source::ALL
            .map(|source| match source {
                Source::Network => Some(score(&prediction.most_probable())),
                Source::Postprocessed => Some(score(&prediction.mask)),
                Source::AllBackground => Some(score(&Array2::zeros(truth.dim()))),
                Source::MeanMask => mean.map(|mean| score(mean.of_image(id))),
            })
            .to_vec())
    }

    /// Drops the post-processed masks if post-processing changes the score of no image.
    fn drop_duplicate_sources(parts: &mut [PartScores]) {
        let images = |part: &PartScores, source| part.source(source).map(|scores| scores.images.clone());
        let is_same =
            |part: &PartScores| images(part, Source::Postprocessed) == images(part, Source::Network);
        if parts.iter().all(is_same) {
            let is_shown = |scores: &MaskScores| scores.source != Source::Postprocessed;
            parts.iter_mut().for_each(|part| part.sources.retain(is_shown));
        }
    }

    fn notes(plan: &Plan, parts: &[PartScores], has_mean: bool) -> Vec<String> {
        let mut notes = Vec::new();
        for part in parts {
            if let count @ 1.. = part.counted.without_mask {
                let (all, name) = (part.ids().len() + count, &part.part);
                notes.push(format!("{count} of {all} {name} images have no mask and are left out"));
            }
        }
        if !has_mean {
            notes.push(
                "the mean mask is left out, since the training images are not at hand or of another shape"
                    .into(),
            );
        }
        let excluded: Vec<&str> = (1..plan.dataset.classes().len())
            .filter(|&class| !plan.terms.scored_classes.contains(&(class as u8)))
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

    fn baselines(_: &Terms) -> &[String] {
        &[]
    }

    fn terminal(scores: &Scores) -> Vec<Table> {
        tables::terminal(scores)
    }

    fn overview(scores: &Scores) -> Vec<Table> {
        tables::overview(scores)
    }

    fn sheets(scores: &Scores) -> Vec<Sheet> {
        tables::sheets(scores)
    }

    fn draw(plan: &Plan, scores: &Scores) -> Result<()> {
        figures::draw(scores, &plan.output)?;
        overlays::draw(plan, scores)
    }

    fn compare(scored: &[ScoredRun<Self>]) -> Result<Findings<'_>> {
        compare::compare(scored)
    }
}

/// Classes that are neither the background nor excluded.
fn scored_classes(dataset: &SegmentationDataset, excluded: &[usize]) -> Vec<u8> {
    let classes = 1..dataset.classes().len();
    classes.filter(|class| !excluded.contains(class)).map(|class| class as u8).collect()
}

/// Why a prediction does not fit the dataset; `None` if it does.
fn mismatch_reason(dataset: &SegmentationDataset, prediction: &MaskPrediction) -> Option<String> {
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
