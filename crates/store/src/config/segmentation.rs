//! Configuration of a segmentation study: images, split, augmentation, network, training and
//! postprocessing.

use std::path::{Path, PathBuf};

use porecast_base::below;
use porecast_imaging::augment::{AugmentConfig, Outside};
use porecast_imaging::format::Format;
use porecast_imaging::format::dicom_contours::Structure;
use porecast_imaging::morphology::PostprocessConfig;
use porecast_imaging::split::SplitConfig;
use porecast_imaging::stain::{self, Chosen, MacenkoConfig, Stains, Unseparable};
use porecast_imaging::{AnnotatedImage, resize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::ModelConfig;
use super::optimizer::{OptimizerConfig, ScheduleConfig};
use super::segmentation_loss::SegmentationLossConfig;
use super::train::TrainingConfig;
use super::{Checks, Problem, Validate, plain_name};

/// A segmentation study, from the source images to predicted masks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentationConfig {
    /// Always `segmentation`; distinguishes this configuration from that of an invasion.
    pub task: TaskWord,
    /// Name of the run: letters, digits, `-`, `_` and `.`. The run folder is `runs/<name>` unless `-o`
    /// is given.
    pub name: String,
    /// Seed of the initial weights, the order of the samples, dropout and augmentation.
    #[serde(default)]
    pub seed: u64,
    /// Dataset that `porecast prepare` writes and training reads, relative to the working directory.
    pub dataset: PathBuf,
    /// Names of the classes, 2 to 255, each once; the first is the background.
    #[schemars(length(min = 2, max = 255))]
    pub classes: Vec<String>,
    /// Source of the images, and how they are brought to one shape.
    pub source: SourceConfig,
    /// Which images are held out for validation and test.
    pub split: SplitConfig,
    /// Normalisation of the input, whose values are from 0 to 1.
    #[serde(default)]
    pub normalization: Normalization,
    /// Augmentation of training samples.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The network.
    #[serde(default)]
    pub model: ModelConfig,
    /// Weights and settings of the loss terms; at least one weight must be above 0.
    pub loss: SegmentationLossConfig,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Epochs, batches and when to stop.
    #[serde(default)]
    pub training: TrainingConfig,
    /// An ensemble in place of a single network.
    #[serde(default)]
    pub ensemble: EnsembleConfig,
    /// How logits become masks.
    #[serde(default)]
    pub prediction: MaskConfig,
}

/// The word `segmentation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskWord {
    /// A class for each pixel of an image.
    Segmentation,
}

/// Source of the images, and how they are brought to one shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Folder or file of the source images, relative to the working directory.
    pub path: PathBuf,
    /// File format of the source images, with its settings.
    pub format: Format,
    /// Height and width in pixels to resize images to; not resized when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<(usize, usize)>,
    /// Height and width in pixels of tiles to cut images into; not cut when absent. Each tile becomes
    /// an image of the dataset; the tiles of a column stay on one side of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<(usize, usize)>,
    /// Normalise stained slides to reference colours, with the chosen stains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stain: Option<Chosen>,
    /// Settings of the stain estimation.
    #[serde(default)]
    pub macenko: MacenkoConfig,
    /// Bit depth of the stored images.
    #[serde(default)]
    pub depth: Depth,
}

/// Bit depth of stored images, over the range from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Depth {
    /// Steps of 1/255: lossless for eight-bit images that are not resized.
    #[serde(rename = "8-bit")]
    Eight,
    /// Steps of 1/65535.
    #[default]
    #[serde(rename = "16-bit")]
    Sixteen,
}

impl Depth {
    /// Number of steps from 0 to 1.
    pub fn levels(self) -> u32 {
        match self {
            Self::Eight => 255,
            Self::Sixteen => 65535,
        }
    }
}

/// Normalisation of the input, whose values are from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// No normalisation.
    #[default]
    None,
    /// Each channel of each image with mean 0 and variance 1.
    Image,
    /// Red, green and blue by the mean and standard deviation of ImageNet, for encoders trained on
    /// it.
    Imagenet,
}

/// An ensemble in place of a single network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// Networks trained on samples drawn with replacement (bagging); 0 for one network on every sample.
    pub bags: usize,
    /// Share of the training samples to use: whole groups, drawn by the seed.
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1.0))]
    pub training_share: f64,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self { bags: 0, training_share: 1.0 }
    }
}

/// How logits become masks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaskConfig {
    /// Views of an image to predict and average.
    pub views: Views,
    /// How the predictions of several networks are combined.
    pub combine: Combine,
    /// Postprocessing of the foreground probabilities; for two classes only.
    pub postprocess: PostprocessConfig,
}

/// Views of an image to predict; their predictions are transformed back and averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The image itself.
    #[default]
    One,
    /// The image and its mirror images: left-right, upside down, and both.
    Flips,
    /// These four, and the same rotated by 90°.
    FlipsAndTurns,
}

/// How the predictions of several networks are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// Mean of the probabilities.
    #[default]
    Mean,
    /// Share of the networks that predict the class.
    Vote,
}

impl SegmentationConfig {
    /// Whether a file is the configuration of a segmentation; `false` if it cannot be read.
    pub fn is_in(path: &Path) -> bool {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("task"))
    }

    /// Channels of the last layer: one for two classes, otherwise one per class.
    pub fn outputs(&self) -> usize {
        if self.classes.len() == 2 { 1 } else { self.classes.len() }
    }
}

impl SourceConfig {
    /// Normalises the stains of an image and resizes it, where configured. If the stains cannot be
    /// separated, the image keeps its colours and the reason is returned.
    pub fn fit(&self, mut sample: AnnotatedImage) -> (AnnotatedImage, Option<Unseparable>) {
        let mut unchanged = None;
        if let Some(chosen) = self.stain {
            match stain::normalise(sample.image.view(), &Stains::REFERENCE, chosen, &self.macenko) {
                Ok(image) => sample.image = image,
                Err(reason) => unchanged = Some(reason),
            }
        }
        match self.resize {
            Some(shape) if shape != sample.shape() => (resize(&sample, shape), unchanged),
            _ => (sample, unchanged),
        }
    }
}

impl Validate for SegmentationConfig {
    const KIND: &'static str = super::SEGMENTATION;

    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        plain_name(&mut checks, &self.name);
        let distinct: std::collections::HashSet<_> = self.classes.iter().collect();
        checks.expect(
            (2..=255).contains(&self.classes.len()) && distinct.len() == self.classes.len(),
            "classes",
            format!("{:?}", self.classes),
            "2 to 255 names, each once, the background first",
        );
        for (key, shape) in [("source.resize", self.source.resize), ("source.tile", self.source.tile)] {
            if let Some((height, width)) = shape {
                checks.expect(
                    height > 0 && width > 0,
                    key,
                    format!("[{height}, {width}]"),
                    "a positive height and width",
                );
            }
        }
        let classes = self.classes.len();
        let drawn = match &self.source.format {
            Format::DicomContours(options) => Some(match options.structure {
                Structure::Cavity | Structure::Whole => 2,
                Structure::CavityAndWall => 3,
            }),
            Format::Labelme(options) => Some(1 + options.classes.len().max(1)),
            Format::NpzStack(options) => Some(options.classes.into()),
            Format::TiffTriples(_) => None,
        };
        if let Some(drawn) = drawn {
            checks.expect(
                classes == drawn,
                "classes",
                format!("{classes} names"),
                format!("{drawn}, for the background and the classes that source.format draws"),
            );
        }
        if self.augment.copy_paste.probability > 0.0 {
            let class = self.augment.copy_paste.class;
            checks.need(
                (1..classes).contains(&class.into()),
                "augment.copy_paste.class",
                class,
                format!("1 to {}, the classes that are not background", classes.saturating_sub(1)),
            );
        }
        if let Outside::Fill { class, .. } = self.augment.outside {
            checks.need(
                usize::from(class) < classes,
                "augment.outside.fill.class",
                class,
                format!("0 to {}", classes.saturating_sub(1)),
            );
        }
        let postprocess = &self.prediction.postprocess;
        if classes != 2 && *postprocess != PostprocessConfig::default() {
            checks.add(
                "prediction.postprocess",
                format!("set, but `classes` has {classes} names: expected two classes; remove this table"),
            );
        }
        let share = self.ensemble.training_share;
        checks.need(share > 0.0 && share <= 1.0, "ensemble.training_share", share, "(0, 1]");
        checks.expect(
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
            ("training", self.training.problems(&self.model)),
            ("split", self.split.problems()),
            ("augment", self.augment.problems()),
            ("source.macenko", self.source.macenko.problems()),
            ("prediction.postprocess", self.prediction.postprocess.problems()),
        ];
        checks
            .0
            .into_iter()
            .chain(tables.into_iter().flat_map(|(table, found)| below(table, found)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{load, parse, to_toml};

    const SMALLEST: &str = "task = 'segmentation'\nname = 'a'\ndataset = 'd.h5'\nclasses = ['rest', 'heart']\n\
        source = { path = 'data', format.dicom-contours = {} }\n\
        split.method.hold-out = { validation = 0.2, test = 0.2 }\nloss.dice = 1.0\n";

    fn read(sets: &[&str]) -> porecast_base::Result<SegmentationConfig> {
        parse("a.toml", SMALLEST, &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_problem_is_reported_with_its_key_path() {
        let error = read(&[
            "name=",
            "source.resize=[0,8]",
            "source.macenko.alpha=60",
            "split.method.hold-out.test=1.5",
            "augment.noise.sigma=-1",
            "model.unet.levels=0",
            "loss.dice=-1",
            "optimizer.learning_rate=0",
            "ensemble.training_share=0",
            "prediction.postprocess.high=0.2",
            "trainin.epochs=3",
        ])
        .unwrap_err()
        .to_string();
        for key in [
            "name",
            "source.resize",
            "source.macenko.alpha",
            "split.method.hold-out.test",
            "augment.noise.sigma",
            "model.unet.levels",
            "loss.dice",
            "optimizer.learning_rate",
            "ensemble.training_share",
            "prediction.postprocess.high",
            "trainin",
        ] {
            assert!(error.contains(&format!("\n  {key}: ")), "{key} is missing in {error}");
        }
    }

    #[test]
    fn classes_are_those_that_the_format_draws() {
        let keys = |sets: &[&str]| -> Vec<String> {
            let error = read(sets).err().map(|error| error.to_string());
            error.iter().flat_map(|text| text.splitn(3, ": ").take(2)).map(String::from).collect()
        };
        assert_eq!(keys(&[]), [] as [&str; 0]);
        assert_eq!(keys(&["source.format.dicom-contours.structure=cavity-and-wall"]), ["a.toml", "classes"]);
        assert_eq!(keys(&["source.format={labelme={classes=['a','b']}}"]), ["a.toml", "classes"]);
        assert_eq!(keys(&["source.format={npz-stack={classes=2}}"]), [] as [&str; 0]);
        assert_eq!(keys(&["source.format={npz-stack={classes=3}}"]), ["a.toml", "classes"]);
        assert_eq!(keys(&["source.format={tiff-triples={}}", "classes=['a','b','c']"]), [] as [&str; 0]);
        let pasted = ["augment.copy_paste={probability=0.5,class=2}"];
        assert_eq!(keys(&pasted), ["a.toml", "augment.copy_paste.class"]);
        assert_eq!(
            keys(&["augment.outside={fill={value=0,class=2}}"]),
            ["a.toml", "augment.outside.fill.class"]
        );
        let three = [
            "source.format={tiff-triples={}}",
            "classes=['a','b','c']",
            "prediction.postprocess.fill_holes=true",
        ];
        assert_eq!(keys(&three), ["a.toml", "prediction.postprocess"]);
    }

    #[test]
    fn a_resolved_configuration_reads_back_as_itself() {
        for sets in [
            &[][..],
            &["source.resize=[8,9]", "source.stain=haematoxylin", "source.depth=8-bit"],
            &["source.format={tiff-triples={shape=[8,8],scaling={fixed={low=-1,high=2.5}}}}"],
            &["split.method={folds={count=5,test=0.1263}}", "split.bins=7", "augment.outside=reflect"],
            &["split.method=leave-one-group-out", "normalization=imagenet", "prediction.postprocess.low=0.4"],
        ] {
            let config = read(sets).unwrap();
            assert_eq!(parse::<SegmentationConfig>("b", &to_toml(&config).unwrap(), &[]).unwrap(), config);
        }
    }

    #[test]
    fn the_studies_that_come_with_the_program_are_valid() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/segmentation");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let config = load::<SegmentationConfig>(&path, &[]).expect("valid");
            assert_eq!(path.file_stem().unwrap().to_string_lossy(), config.name.replace('-', "_"));
            names.push(config.name);
        }
        names.sort();
        assert_eq!(names, ["mars", "right-ventricle", "sea-ice", "stas"]);
    }
}
