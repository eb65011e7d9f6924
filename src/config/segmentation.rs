//! A segmentation study in one file: where its images come from, how they are split and changed, the network, and what
//! becomes of its probabilities.

use std::path::{Path, PathBuf};

use porecast_imaging as imaging;
use porecast_imaging::augment::AugmentConfig;
use porecast_imaging::format::Format;
use porecast_imaging::morphology::PostprocessConfig;
use porecast_imaging::split::SplitConfig;
use porecast_imaging::stain::{Chosen, MacenkoConfig};
use serde::{Deserialize, Serialize};

use super::model::ModelConfig;
use super::optimizer::{OptimizerConfig, ScheduleConfig};
use super::segmentation_loss::SegmentationLossConfig;
use super::train::TrainingConfig;
use super::{Checks, Problem, Validate, plain_name};

/// A segmentation study, from the files of its authors to masks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationConfig {
    /// Always `segmentation`: tells this configuration from that of an invasion.
    pub task: TaskWord,
    /// Name of the run; the run folder is `runs/<name>` unless given.
    pub name: String,
    /// Seed of initialisation, order, dropout and augmentation.
    #[serde(default)]
    pub seed: u64,
    /// Dataset that `porecast prepare` writes and training reads, relative to the working directory.
    pub dataset: PathBuf,
    /// Names of the classes; the first is the background.
    pub classes: Vec<String>,
    /// Where the images come from and how they are brought to one shape.
    pub source: SourceConfig,
    /// Which images are held out.
    pub split: SplitConfig,
    /// How values enter the network.
    #[serde(default)]
    pub normalization: Normalization,
    /// What augmentation may do to a sample.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The network.
    #[serde(default)]
    pub model: ModelConfig,
    /// The loss: a weighted sum.
    pub loss: SegmentationLossConfig,
    /// How gradients become weights.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Epochs, batches and when to stop.
    #[serde(default)]
    pub training: TrainingConfig,
    /// Several networks in place of one.
    #[serde(default)]
    pub ensemble: EnsembleConfig,
    /// From logits to masks.
    #[serde(default)]
    pub prediction: MaskConfig,
}

/// The word `segmentation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskWord {
    /// A class for each pixel of an image.
    Segmentation,
}

/// Where images come from and how they are brought to one shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Folder or file of the study, relative to the working directory.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Height and width that images are resized to; left as they are when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<(usize, usize)>,
    /// Bring stained slides to reference colours, with the stains chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stain: Option<Chosen>,
    /// How stains are found.
    #[serde(default)]
    pub macenko: MacenkoConfig,
    /// Numbers that the dataset keeps.
    #[serde(default)]
    pub depth: Depth,
}

/// Numbers that a dataset keeps its images in, over the range from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Depth {
    /// Steps of 1/255: nothing is lost of eight-bit images that are not resized.
    #[serde(rename = "8-bit")]
    Eight,
    /// Steps of 1/65535.
    #[default]
    #[serde(rename = "16-bit")]
    Sixteen,
}

/// How values from 0 to 1 enter the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// As they are.
    #[default]
    None,
    /// Each channel of each image with mean 0 and variance 1.
    Image,
    /// Red, green and blue by the means and deviations of ImageNet, as encoders trained on it expect.
    Imagenet,
}

/// Several networks in place of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// Networks trained on samples drawn with replacement (bagging); 0 for one network on every sample.
    pub bags: usize,
    /// Share of the training samples that is used, drawn anew with another seed; of groups where there are any.
    pub training_share: f64,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self { bags: 0, training_share: 1.0 }
    }
}

/// From logits to masks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskConfig {
    /// Views of an image that are predicted and averaged.
    pub views: Views,
    /// How several networks become one.
    pub combine: Combine,
    /// What is done to the probabilities of the foreground, where there are two classes.
    pub postprocess: PostprocessConfig,
}

/// Views of an image that are predicted, turned back and averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The image itself.
    #[default]
    One,
    /// With its mirror images across, upside down, and both.
    Flips,
    /// Those, and the same turned by a quarter.
    FlipsAndTurns,
}

/// How several networks become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// Mean of the probabilities.
    #[default]
    Mean,
    /// Share of the networks that name the class.
    Vote,
}

impl SegmentationConfig {
    /// Whether a file is the configuration of a segmentation; false where it cannot be read.
    pub fn is_in(path: &Path) -> bool {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("task"))
    }

    /// Channels of the last layer: one for two classes, otherwise one a class.
    pub fn outputs(&self) -> usize {
        if self.classes.len() == 2 { 1 } else { self.classes.len() }
    }
}

/// What another crate found wrong, in a table of this configuration.
fn below(table: &'static str, problems: Vec<imaging::Problem>) -> impl Iterator<Item = Problem> {
    problems.into_iter().map(move |problem| Problem::new(format!("{table}.{}", problem.key), problem.what))
}

impl Validate for SegmentationConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        plain_name(&mut checks, &self.name);
        let distinct: std::collections::HashSet<_> = self.classes.iter().collect();
        checks.need(
            (2..=255).contains(&self.classes.len()) && distinct.len() == self.classes.len(),
            "classes",
            format!("{:?}", self.classes),
            "2 to 255 names, each once, the background first",
        );
        if let Some((height, width)) = self.source.resize {
            checks.need(height > 0 && width > 0, "source.resize", format!("[{height}, {width}]"), "positive");
        }
        let share = self.ensemble.training_share;
        checks.need(share > 0.0 && share <= 1.0, "ensemble.training_share", share, "(0, 1]");
        checks.need(
            self.training.frames_per_domain == 1,
            "training.frames_per_domain",
            self.training.frames_per_domain,
            "1: an image has one frame",
        );
        let heads = 1 + self.model.unet.deep_supervision;
        let tables = [
            ("model", self.model.problems()),
            ("loss", self.loss.problems(self.outputs(), heads)),
            ("optimizer", self.optimizer.problems()),
            ("schedule", self.schedule.problems()),
            ("training", self.training.problems()),
        ];
        let ours =
            tables.into_iter().flat_map(|(table, problems)| problems.into_iter().map(|p| p.below(table)));
        checks
            .0
            .into_iter()
            .chain(ours)
            .chain(below("augment", self.augment.problems()))
            .chain(below("source.macenko", self.source.macenko.problems()))
            .chain(below("prediction.postprocess", self.prediction.postprocess.problems()))
            .collect()
    }
}
