//! The search loop: trains one trial after another until the study is complete.

use std::path::{Path, PathBuf};

use porecast_base::progress::say;
use porecast_base::{Error, ErrorKind, Result, Verbosity, hex, lock};
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::config::train::TrainConfig;
use porecast_store::config::{self, search::SearchConfig};
use porecast_store::journal::{Basis, Outcome, Record, show};
use porecast_store::run::StudyFolder;
use porecast_store::{InvasionDataset, RunFolder, SegmentationDataset, listing};
use sha2::{Digest, Sha256};

use super::{Study, Trial};
use crate::train::{self, IfExists, TrainOptions};

/// Options of `porecast search`.
#[derive(Debug, Clone)]
pub struct SearchOptions {
    /// Search configuration (TOML).
    pub config: PathBuf,
    /// Folder of the search; without it, `runs/<name>` with the configuration's `name`.
    pub output: Option<PathBuf>,
    /// Device: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    pub device: String,
    /// Changes of values of the search configuration, each `key=value`.
    pub set: Vec<String>,
}

/// Trains until the study has all its trials; calls `report` after each trial and at the end.
/// Returns the folder and the best trial with its validation loss.
///
/// # Errors
/// The configuration has problems, no trial could be trained, the journal belongs to another study,
/// a file cannot be written, or the user interrupted it; the same command continues.
pub fn run(
    options: &SearchOptions,
    verbosity: Verbosity,
    mut report: impl FnMut(&StudyFolder, &SearchConfig) -> Result<()>,
) -> Result<(StudyFolder, Record, f64)> {
    let config: SearchConfig = config::load(&options.config, &options.set)?;
    let path = options.output.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    std::fs::create_dir_all(&path).map_err(|e| Error::output(&path, e))?;
    let folder = StudyFolder::new(&path);
    // If no other process uses the folder, its temporary files are left over from killed processes.
    if let Ok(_held) = lock::hold(&path) {
        folder.remove_temporaries()?;
    }
    let _shared = lock::share(&path)?;
    let study = Study::open(&folder.journal_path(), config.clone())?;
    study.require_basis(&basis(&config.training)?)?;
    while let Some(trial) = study.next_trial()? {
        try_out(trial, &config, &folder, &options.device, verbosity)?;
        report(&folder, &config)?;
    }
    report(&folder, &config)?;
    if let Some((best, loss)) = study.best()? {
        return Ok((folder, best, loss));
    }
    let failed = study.trials()?.into_iter().find_map(|record| match record.outcome {
        Some(Outcome::Failed(why)) => Some(why),
        _ => None,
    });
    let what = format!("no trial has ended with a loss; the first failure: {}", failed.unwrap_or_default());
    Err(Error::new(ErrorKind::Diverged, path.display().to_string(), what))
}

/// What the trials start from: the training configuration, its dataset and the file of its split.
fn basis(training: &Path) -> Result<Basis> {
    let (dataset, split) = if SegmentationConfig::is_in(training) {
        let config: SegmentationConfig = config::load(training, &[])?;
        (SegmentationDataset::open(&config.dataset)?.fingerprint()?, None)
    } else {
        let config: TrainConfig = config::load(training, &[])?;
        let all = std::iter::once(&config.dataset).chain(&config.also_train_on);
        let fingerprints = all.map(|path| InvasionDataset::open(path)?.fingerprint());
        (fingerprints.collect::<Result<Vec<_>>>()?.join(" "), config.split.file)
    };
    let digest = |file: &PathBuf| {
        let bytes = std::fs::read(file).map_err(|e| Error::unreadable(file, e))?;
        Ok::<_, Error>(hex(&Sha256::digest(bytes)))
    };
    Ok(Basis { training: listing::toml(training)?, dataset, split: split.as_ref().map(digest).transpose()? })
}

/// Trains a trial and records the outcome.
fn try_out(
    trial: Trial<'_>,
    config: &SearchConfig,
    folder: &StudyFolder,
    device: &str,
    verbosity: Verbosity,
) -> Result<()> {
    let run = folder.trial(trial.number());
    let values: Vec<String> =
        trial.point().iter().map(|(key, value)| format!("{key} {}", show(value))).collect();
    say(verbosity, &format!("trial {}: {}", trial.number(), values.join(", ")));
    let mut set = trial.sets();
    set.push(format!("name=trial-{:03}", trial.number()));
    let training = TrainOptions {
        config: config.training.clone(),
        output: Some(run.path().to_owned()),
        device: device.to_owned(),
        set,
        fold: None,
        init: None,
        if_exists: IfExists::Resume,
    };
    match train::run(&training, Verbosity { quiet: true, ..verbosity }) {
        Ok(_) => trial.end(Outcome::Value(validation_loss(&run)?)),
        // The estimator learns from diverged or invalid settings, but not from a full disk or an
        // interrupt.
        Err(error) if matches!(error.kind(), ErrorKind::Diverged | ErrorKind::Config) => {
            say(verbosity, &format!("trial {} failed: {error}", trial.number()));
            trial.end(Outcome::Failed(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// Mean of the lowest validation losses of a run's networks.
fn validation_loss(run: &RunFolder) -> Result<f64> {
    let members = run.members()?;
    let sum: f64 = members.iter().map(|member| member.best_validation_loss).sum();
    Ok(sum / members.len() as f64)
}
