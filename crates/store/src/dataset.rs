//! Common interface of invasion and segmentation datasets for training, prediction and scoring:
//! named samples, and files of predictions for them.

use std::collections::HashSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::run::{ComparisonFolder, DatasetCard, RunFolder, SegmentationCard, TrainedOn};
use super::{
    InvasionDataset, MaskFile, Prediction, PredictionFile, SegmentationDataset, listing, mask_prediction,
};
use porecast_base::{Error, Result};

/// Task of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Predicting invasion sequences of porous domains.
    Invasion,
    /// Predicting masks of single images.
    Segmentation,
}

impl Task {
    /// The task of a run folder, a comparison or a file of predictions, from its format; an
    /// invasion if the file cannot be read: opening it reports the error.
    pub fn of(path: &Path) -> Self {
        #[derive(Deserialize)]
        struct Header {
            format: String,
        }
        let of_json = |file: PathBuf| -> Option<String> {
            let bytes = std::fs::read(file).ok()?;
            Some(serde_json::from_slice::<Header>(&bytes).ok()?.format)
        };
        let format = match path.is_dir() {
            true => of_json(ComparisonFolder::new(path).comparison_path())
                .or_else(|| of_json(RunFolder::new(path).card_path())),
            false => listing::hdf5_format(path).ok().flatten(),
        };
        let segmentation =
            [SegmentationCard::FORMAT, mask_prediction::FORMAT, SegmentationDataset::COMPARISON];
        match format {
            Some(format) if segmentation.contains(&format.as_str()) => Self::Segmentation,
            _ => Self::Invasion,
        }
    }
}

/// Samples of a dataset for a run to predict into a file.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingPredictions {
    /// Folder of the run.
    pub run: PathBuf,
    /// The dataset.
    pub dataset: PathBuf,
    /// Identifiers of the samples.
    pub ids: Vec<String>,
    /// File to write.
    pub predictions: PathBuf,
}

/// A value stored in text files.
pub trait Serializable: Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync {}

impl<T: Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync> Serializable for T {}

/// A dataset for training. Methods fail if a file cannot be read or holds something else.
pub trait Dataset: Debug + Clone + Sync + Sized {
    /// Description of the dataset on the card of a run.
    type Card: TrainedOn;
    /// Predictions for its samples.
    type Predictions: Predictions;
    /// The `format` of scores on it.
    const SCORES: &'static str;
    /// The `format` of comparisons of runs on it.
    const COMPARISON: &'static str;
    /// Word for a sample.
    const SAMPLE: &'static str;
    /// Word for the predictions of several samples.
    const PREDICTED: &'static str;

    /// Opens a dataset.
    fn open(path: &Path) -> Result<Self>;

    /// Path that was opened.
    fn path(&self) -> &Path;

    /// Identifiers of the samples, in stored order.
    fn ids(&self) -> &[String];

    /// Digest of the content; equal digests mean equal content.
    fn fingerprint(&self) -> Result<String>;

    /// Whether the dataset is one of digest `fingerprint` and samples `ids`, unchanged, with more samples beside them.
    fn extends(&self, _fingerprint: &str, _ids: &[String]) -> Result<bool> {
        Ok(false)
    }

    /// Position of a sample in stored order.
    fn place(&self, id: &str) -> Result<usize> {
        self.ids().iter().position(|own| own == id).ok_or_else(|| {
            let what =
                format!("has no {} {id:?}; pass the dataset that was trained on or predicted", Self::SAMPLE);
            Error::mismatch(self.path(), what)
        })
    }
}

/// A file of predictions. Methods fail if a file cannot be read or holds something else.
pub trait Predictions: Sync + Sized {
    /// The prediction for a sample.
    type Prediction;

    /// Opens a file of predictions.
    fn open(path: &Path) -> Result<Self>;

    /// Path that was opened.
    fn path(&self) -> &Path;

    /// Name of the run, baseline or program that predicted.
    fn source(&self) -> &str;

    /// Identifiers of the samples, in stored order.
    fn ids(&self) -> &[String];

    /// Reads prediction `index`.
    fn prediction(&self, index: usize) -> Result<Self::Prediction>;
}

impl Dataset for InvasionDataset {
    type Card = DatasetCard;
    type Predictions = PredictionFile;
    const SCORES: &'static str = "porecast-scores";
    const COMPARISON: &'static str = "porecast-comparison";
    const SAMPLE: &'static str = "domain";
    const PREDICTED: &'static str = "sequences";

    fn open(path: &Path) -> Result<Self> {
        Self::open(path)
    }

    fn path(&self) -> &Path {
        self.path()
    }

    fn ids(&self) -> &[String] {
        self.domain_ids()
    }

    fn fingerprint(&self) -> Result<String> {
        self.fingerprint()
    }

    /// A campaign that was extended holds its earlier domains as they were.
    fn extends(&self, fingerprint: &str, ids: &[String]) -> Result<bool> {
        let earlier: HashSet<&String> = ids.iter().collect();
        let has_all = self.domain_ids().iter().filter(|id| earlier.contains(id)).count() == earlier.len();
        Ok(has_all && self.fingerprint_of(|id| earlier.contains(id))? == fingerprint)
    }
}

impl Predictions for PredictionFile {
    type Prediction = Prediction;

    fn open(path: &Path) -> Result<Self> {
        Self::open(path)
    }

    fn path(&self) -> &Path {
        self.path()
    }

    fn source(&self) -> &str {
        &self.header().source
    }

    fn ids(&self) -> &[String] {
        self.domain_ids()
    }

    fn prediction(&self, index: usize) -> Result<Prediction> {
        self.prediction(index)
    }
}

impl Dataset for SegmentationDataset {
    type Card = SegmentationCard;
    type Predictions = MaskFile;
    const SCORES: &'static str = "porecast-mask-scores";
    const COMPARISON: &'static str = "porecast-mask-comparison";
    const SAMPLE: &'static str = "image";
    const PREDICTED: &'static str = "masks";

    fn open(path: &Path) -> Result<Self> {
        Self::open(path)
    }

    fn path(&self) -> &Path {
        self.path()
    }

    fn ids(&self) -> &[String] {
        self.ids()
    }

    fn fingerprint(&self) -> Result<String> {
        self.fingerprint()
    }
}
