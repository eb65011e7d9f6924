//! The run folder: all files of a run.
//!
//! ```text
//! config.toml              the resolved configuration
//! run.json                 RunCard: seed, version, dataset and its fingerprint, split, members
//! <member>/metrics.csv     one row per epoch
//! <member>/best.safetensors, last.safetensors, checkpoint
//! predictions/<split>.h5   predictions for the domains of a split; dataset-<name>.h5 for another dataset
//! evaluation/              scores and figures
//! intervals.json           Intervals, written by the evaluation
//! report.html
//! ```
//! A member is one network. Its folder is the run folder itself, or `frame-05/`, `fold-00/`,
//! `bag-00/` or `fold-00/bag-00/` in a run of several networks.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Serializable;
use super::physics::QuantityScale;
use porecast_base::atomic;
use porecast_base::{Error, Result};
use porecast_imaging::split::Split;
use porecast_simulations::{Side, TimeUnit};

/// Domains for training, validation and test.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitLists {
    /// Domains for fitting the weights.
    pub train: Vec<String>,
    /// Domains for selecting the best epoch.
    pub validation: Vec<String>,
    /// Domains held out from fitting and selection.
    pub test: Vec<String>,
}

impl SplitLists {
    /// Names and identifiers of the three parts.
    pub fn parts(&self) -> [(&'static str, &[String]); 3] {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
    }
}

/// The dataset a run was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetCard {
    /// Path of the dataset during training.
    pub path: PathBuf,
    /// [`super::InvasionDataset::fingerprint`].
    pub fingerprint: String,
    /// Frames, height and width.
    pub shape: (usize, usize, usize),
    /// Unit of the times.
    pub time_unit: TimeUnit,
    /// Edge where the invading fluid enters.
    pub inlet: Side,
    /// Edge length of a pixel in metres.
    pub voxel_size_m: f64,
    /// Largest time of the training domains; the network receives times divided by it.
    pub time_scale: f64,
    /// Mean time of each frame over the training domains; the default times of a prediction.
    pub mean_times: Vec<f64>,
    /// Physical quantities that the network is told, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub physics: Vec<QuantityScale>,
    /// Lowest and highest porosity of the training domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub porosity: Option<[f64; 2]>,
    /// First and 99th percentile, over the training domains, of the mean chord length of the pores in pixels; the first in the
    /// lowest resolution, the 99th in the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chord_length: Option<[f64; 2]>,
    /// 99th percentile, over the training domains, of how far the saturation falls behind the injected volume before
    /// breakthrough, in pore volumes; the invading fluid is compressed. `None` for other time units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<f64>,
    /// Further datasets that were trained on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<AlsoTrainedOn>,
    /// Further resolutions in which all of them were trained on; 0.5 has half as many pixels along each edge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_rescaled_by: Vec<f64>,
}

impl DatasetCard {
    /// Heights and widths of the training domains, in every resolution.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        let all = std::iter::once(&self.shape).chain(self.also.iter().map(|also| &also.shape));
        let scales = || std::iter::once(&1.0).chain(&self.also_rescaled_by);
        all.flat_map(move |&(_, height, width)| {
            scales().map(move |&scale| rescaled_shape((height, width), scale))
        })
    }
}

/// Height and width of a domain with `scale` times as many pixels along each edge, at least one.
pub fn rescaled_shape((height, width): (usize, usize), scale: f64) -> (usize, usize) {
    let scaled = |edge: usize| ((edge as f64 * scale).round() as usize).max(1);
    (scaled(height), scaled(width))
}

/// A dataset, all of whose domains a run was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlsoTrainedOn {
    /// Path during training.
    pub path: PathBuf,
    /// [`super::InvasionDataset::fingerprint`].
    pub fingerprint: String,
    /// Frames, height and width.
    pub shape: (usize, usize, usize),
    /// Identifiers of the domains.
    pub domains: Vec<String>,
}

/// One trained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberCard {
    /// Folder below the run folder; `.` for the run folder itself.
    pub folder: PathBuf,
    /// The frame it predicts; `None` for a network that takes any time.
    pub frame: Option<usize>,
    /// The fold it was validated on, if the split has several folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// Trainable parameters.
    pub parameters: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Epoch (from 1) with the lowest validation loss.
    pub best_epoch: usize,
    /// Lowest validation loss.
    pub best_validation_loss: f64,
    /// Samples (frames of domains) seen by the optimiser.
    pub samples_seen: u64,
    /// Wall time of training in seconds, resumed parts included.
    pub wall_seconds: f64,
    /// Whether training ran to its end.
    pub is_finished: bool,
}

/// The segmentation dataset a run was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentationCard {
    /// Path of the dataset during training.
    pub path: PathBuf,
    /// [`super::SegmentationDataset::fingerprint`].
    pub fingerprint: String,
    /// Channels, height and width.
    pub shape: (usize, usize, usize),
    /// Names of the classes, the background first.
    pub classes: Vec<String>,
}

/// Description of a dataset on the card of a run.
pub trait TrainedOn: Serializable {
    /// The `format` field of the cards of its runs.
    const FORMAT: &'static str;
    /// Split into training, validation and test.
    type Split: Serializable;

    /// Path of the dataset during training.
    fn path(&self) -> &Path;

    /// Its fingerprint.
    fn fingerprint(&self) -> &str;

    /// Further datasets that were trained on.
    fn also(&self) -> &[AlsoTrainedOn] {
        &[]
    }

    /// Names and identifiers of the three parts for `members`: training, validation and test.
    fn parts(split: &Self::Split, members: &[MemberCard]) -> [(&'static str, Vec<String>); 3];
}

impl TrainedOn for DatasetCard {
    const FORMAT: &'static str = "porecast-run";
    type Split = SplitLists;

    fn path(&self) -> &Path {
        &self.path
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn also(&self) -> &[AlsoTrainedOn] {
        &self.also
    }

    fn parts(split: &SplitLists, _: &[MemberCard]) -> [(&'static str, Vec<String>); 3] {
        split.parts().map(|(part, ids)| (part, ids.to_vec()))
    }
}

impl TrainedOn for SegmentationCard {
    const FORMAT: &'static str = "porecast-segmentation-run";
    type Split = Split;

    fn path(&self) -> &Path {
        &self.path
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Validation comprises the folds of the members, or all folds if no member has one.
    fn parts(split: &Split, members: &[MemberCard]) -> [(&'static str, Vec<String>); 3] {
        let trained: Vec<usize> = members.iter().filter_map(|member| member.fold).collect();
        let folds = split.folds.iter().enumerate();
        let validated = folds.filter(|(fold, _)| trained.is_empty() || trained.contains(fold));
        let validated = validated.flat_map(|(_, ids)| ids).cloned().collect();
        [("train", split.train.clone()), ("validation", validated), ("test", split.test.clone())]
    }
}

/// The run whose weights a training began with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitCard {
    /// Its folder, as it was given.
    pub run: PathBuf,
    /// Its name.
    pub name: String,
}

/// Content of `run.json` for a run on invasions.
pub type RunCard = Card<DatasetCard>;
/// Content of `run.json` for a run on annotated images.
pub type SegmentationRunCard = Card<SegmentationCard>;

/// Content of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Card<D: TrainedOn> {
    /// [`TrainedOn::FORMAT`].
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// Version of porecast that trained.
    pub porecast: String,
    /// Name of the run.
    pub name: String,
    /// Seed of initialisation, order, dropout and augmentation.
    pub seed: u64,
    /// Device of the training.
    pub device: String,
    /// Dataset of the training.
    pub dataset: D,
    /// Split into training, validation and test.
    pub split: D::Split,
    /// The run whose weights the training began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<InitCard>,
    /// The trained networks.
    pub members: Vec<MemberCard>,
}

/// Version of the schema of `run.json` written by this program.
pub const VERSION: u32 = 1;

impl<D: TrainedOn> Card<D> {
    /// The card of a new run.
    pub fn new(name: &str, seed: u64, device: &str, dataset: D, split: D::Split) -> Self {
        Self {
            format: D::FORMAT.to_owned(),
            version: VERSION,
            porecast: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.to_owned(),
            seed,
            device: device.to_owned(),
            dataset,
            split,
            init: None,
            members: Vec::new(),
        }
    }

    /// [`TrainedOn::parts`] of this run.
    pub fn parts(&self) -> [(&'static str, Vec<String>); 3] {
        D::parts(&self.split, &self.members)
    }
}

/// A run folder.
///
/// ```no_run
/// # fn main() -> porecast_base::Result<()> {
/// let card = porecast_store::RunFolder::new("runs/time").card()?;
/// println!("{}: {} networks", card.name, card.members.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Names a run folder without reading or creating it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `run.json`.
    pub fn card_path(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// Whether a run can begin here without loss: the folder is absent or empty, or its run was
    /// killed before it had begun.
    pub fn is_vacant(&self) -> bool {
        match std::fs::read_dir(&self.path) {
            Ok(entries) => entries.flatten().all(|entry| {
                let name = entry.file_name();
                atomic::is_temporary(&name) || name == "run.json" && !self.config_path().exists()
            }),
            Err(_) => !self.path.exists(),
        }
    }

    /// Removes the temporary files of killed writes.
    ///
    /// # Errors
    /// The folder cannot be changed.
    pub fn remove_temporaries(&self) -> Result<()> {
        fn clean(folder: &Path) -> std::io::Result<()> {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                let (is_temporary, is_folder) =
                    (atomic::is_temporary(&entry.file_name()), entry.file_type()?.is_dir());
                match (is_temporary, is_folder) {
                    (true, true) => std::fs::remove_dir_all(entry.path())?,
                    (true, false) => std::fs::remove_file(entry.path())?,
                    (false, true) => clean(&entry.path())?,
                    (false, false) => {}
                }
            }
            Ok(())
        }
        clean(&self.path).map_err(|e| Error::output(&self.path, e))
    }

    /// Folder of the predictions.
    pub fn predictions_folder(&self) -> PathBuf {
        self.path.join("predictions")
    }

    /// Predictions for a part of the split.
    pub fn predictions_path(&self, part: &str) -> PathBuf {
        self.predictions_folder().join(format!("{part}.h5"))
    }

    /// The text of `config.toml`; empty if it cannot be read.
    pub fn config_text(&self) -> String {
        std::fs::read_to_string(self.config_path()).unwrap_or_default()
    }

    /// Folder of the scores and figures.
    pub fn evaluation_path(&self) -> PathBuf {
        self.path.join("evaluation")
    }

    /// The files in [`evaluation_path`](Self::evaluation_path).
    pub fn evaluation(&self) -> EvaluationFolder {
        EvaluationFolder::new(self.evaluation_path())
    }

    /// Prediction intervals, [`Intervals`](super::Intervals).
    pub fn intervals_path(&self) -> PathBuf {
        self.path.join("intervals.json")
    }

    /// The page of a run or a comparison.
    pub fn report_path(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Files of a member.
    pub fn member(&self, folder: &Path) -> MemberFolder {
        MemberFolder { path: self.path.join(folder) }
    }

    /// Folder of a member.
    pub fn member_path(&self, member: &MemberCard) -> PathBuf {
        self.path.join(&member.folder)
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// The folder is not a run of this version.
    pub fn card(&self) -> Result<RunCard> {
        self.card_of()
    }

    /// Reads `run.json` of a run on either kind of dataset.
    ///
    /// # Errors
    /// The folder is not a run of this version on such a dataset.
    pub fn card_of<D: TrainedOn>(&self) -> Result<Card<D>> {
        #[derive(Deserialize)]
        struct Header {
            format: String,
            version: u32,
        }
        let Header { format, version } = self.read()?;
        if format != D::FORMAT || version != VERSION {
            return Err(Error::input(
                &self.card_path(),
                format!(
                    "has format {format:?} version {version}, expected {:?} version {VERSION}",
                    D::FORMAT
                ),
            ));
        }
        self.read()
    }

    /// The networks of a run of either task.
    ///
    /// # Errors
    /// The folder is not a run.
    pub fn members(&self) -> Result<Vec<MemberCard>> {
        #[derive(Deserialize)]
        struct Members {
            members: Vec<MemberCard>,
        }
        Ok(self.read::<Members>()?.members)
    }

    /// The name of a run of either task, and the run whose weights it began with.
    ///
    /// # Errors
    /// The folder is not a run.
    pub fn origin(&self) -> Result<(String, Option<InitCard>)> {
        #[derive(Deserialize)]
        struct Origin {
            name: String,
            #[serde(default)]
            init: Option<InitCard>,
        }
        let Origin { name, init } = self.read()?;
        Ok((name, init))
    }

    /// Reads the fields of `T` from `run.json`.
    fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let path = self.card_path();
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Error::input(
                &self.path,
                format!("is not a run folder (run.json: {e}); pass the folder that `porecast train` made"),
            )
        })?;
        serde_json::from_str(&text).map_err(|e| Error::input(&path, format!("is not a run card: {e}")))
    }

    /// Writes `run.json` atomically.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_card<D: TrainedOn>(&self, card: &Card<D>) -> Result<()> {
        let text = serde_json::to_string_pretty(card).map_err(|e| Error::output(&self.card_path(), e))?;
        atomic::write(&self.card_path(), text.as_bytes())
    }
}

/// The files of one trained network, in a run folder.
#[derive(Debug, Clone)]
pub struct MemberFolder {
    path: PathBuf,
}

impl MemberFolder {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Weights of the best epoch.
    pub fn best_path(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// Weights after the last epoch.
    pub fn last_path(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// The state that a resumed training continues from.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// Table of one row per epoch.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }
}

/// A folder of scores and figures.
#[derive(Debug, Clone)]
pub struct EvaluationFolder {
    path: PathBuf,
}

impl EvaluationFolder {
    /// Names a folder without reading or creating it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// `scores.json`.
    pub fn scores_path(&self) -> PathBuf {
        self.path.join("scores.json")
    }

    /// Frames of some domains, for the report.
    pub fn samples_path(&self) -> PathBuf {
        self.path.join(SAMPLES)
    }
}

/// A folder with a comparison of runs.
#[derive(Debug, Clone)]
pub struct ComparisonFolder {
    path: PathBuf,
}

impl ComparisonFolder {
    /// Names a folder without reading or creating it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// `comparison.json`.
    pub fn comparison_path(&self) -> PathBuf {
        self.path.join("comparison.json")
    }

    /// The tables in Markdown.
    pub fn tables_path(&self) -> PathBuf {
        self.path.join("comparison.md")
    }

    /// Frames of some domains of run `number`, for the report.
    pub fn samples_path(&self, number: usize) -> PathBuf {
        self.path.join(SAMPLES).join(number.to_string())
    }
}

/// Folder of frames in the folder of an evaluation or a comparison.
const SAMPLES: &str = "samples";

/// The folder of a search.
///
/// ```text
/// journal.jsonl       every trial, shared by all processes
/// trial-003/          run folder of a trial
/// trials.csv          number, parameters, outcome
/// parallel.svg .png   every trial as a line over its parameters
/// best.toml           configuration of the best trial, with every default spelt out
/// ```
#[derive(Debug, Clone)]
pub struct StudyFolder {
    path: PathBuf,
}

impl StudyFolder {
    /// Names a folder without reading or creating it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the temporary files of killed writes, not those in the folders of the trials.
    ///
    /// # Errors
    /// The folder cannot be changed.
    pub fn remove_temporaries(&self) -> Result<()> {
        let failed = |e| Error::output(&self.path, e);
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_left = path.file_name().is_some_and(atomic::is_temporary);
            // Somebody may hold the lock of a trial.
            if is_left && path.is_file() && path.extension().is_none_or(|extension| extension != "lock") {
                atomic::remove(&path)?;
            }
        }
        Ok(())
    }

    /// The journal of its trials.
    pub fn journal_path(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The run of a trial.
    pub fn trial(&self, number: usize) -> RunFolder {
        RunFolder::new(self.path.join(format!("trial-{number:03}")))
    }

    /// The table of its trials.
    pub fn trials_path(&self) -> PathBuf {
        self.path.join("trials.csv")
    }

    /// Copies the configuration of the best trial to [`best_path`](Self::best_path).
    ///
    /// # Errors
    /// The configuration cannot be read or written.
    pub fn write_best(&self, number: usize) -> Result<()> {
        let source = self.trial(number).config_path();
        let text = std::fs::read(&source).map_err(|e| Error::unreadable(&source, e))?;
        atomic::write(&self.best_path(), &text)
    }

    /// The configuration of the best trial.
    pub fn best_path(&self) -> PathBuf {
        self.path.join("best.toml")
    }
}
