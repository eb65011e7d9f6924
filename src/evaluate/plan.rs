//! What is to be scored, and where its files are.

use std::path::{Path, PathBuf};

use porecast_simulations::TimeUnit;

use crate::cli::EvaluateArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::store::run::{Card, RunCard, TrainedOn};
use crate::store::{InvasionDataset, PredictionFile, RunFolder};

/// What is to be scored.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the predictor.
    pub source: String,
    /// The run that predicted, if one did.
    pub run: Option<(RunFolder, RunCard)>,
    /// The true sequences.
    pub dataset: InvasionDataset,
    /// Fingerprint of `dataset`.
    pub fingerprint: String,
    /// Domains of `dataset` that the run was trained on; `None` when the split is not known there.
    pub training_domains: Option<Vec<String>>,
    /// The parts to score; those without domains are left out.
    pub parts: Vec<Part>,
    /// Folder to write to.
    pub output: PathBuf,
}

/// A part of a split and its predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// `train`, `validation`, `test`, or `all`.
    pub name: String,
    /// Its domains or images, in the dataset's order.
    pub ids: Vec<String>,
    /// Predictions file.
    pub predictions: PathBuf,
}

impl Part {
    /// The part of a dataset without a split.
    pub fn all(ids: Vec<String>, predictions: PathBuf) -> Self {
        Self { name: "all".into(), ids, predictions }
    }
}

/// Where the dataset is that a run is to be scored on.
pub(super) fn dataset_path<'a, D: TrainedOn>(args: &'a EvaluateArgs, card: &'a Card<D>) -> Result<&'a Path> {
    let path = args.dataset.as_deref().unwrap_or(card.dataset.path());
    if args.dataset.is_none() && !path.exists() {
        let run = args.input.display();
        let what = format!("is missing: the dataset of {run}; say where it is now with --dataset");
        return Err(Error::input(path, what));
    }
    Ok(path)
}

/// Whether the dataset with `fingerprint` is the one that a run was trained on; another one has to be asked for.
pub(super) fn is_own<D: TrainedOn>(
    args: &EvaluateArgs,
    card: &Card<D>,
    path: &Path,
    fingerprint: &str,
) -> Result<bool> {
    let is_own = fingerprint == card.dataset.fingerprint();
    if !is_own && args.dataset.is_none() {
        let what = format!(
            "is not the dataset that {} was trained on any more (its fingerprint differs); train anew, or pass it with \
             --dataset to score the run on it as an unseen dataset",
            args.input.display()
        );
        return Err(Error::new(ErrorKind::Mismatch, path.display().to_string(), what));
    }
    Ok(is_own)
}

impl Plan {
    /// Finds everything that `porecast evaluate` was asked for; predictions need not be there yet.
    ///
    /// A run is scored on the parts of its split. On a dataset that it was not trained on it is scored on all domains,
    /// with predictions in `<run>/predictions/<name of the dataset>.h5` and scores in
    /// `<run>/evaluation-<name of the dataset>`.
    ///
    /// # Errors
    /// The input is neither a run folder nor a predictions file, the dataset is missing or is not the one that was
    /// trained on, or the output exists and is not to be replaced.
    pub fn new(args: &EvaluateArgs) -> Result<Self> {
        let plan = if args.input.is_dir() { Self::of_run(args)? } else { Self::of_file(args)? };
        if !args.force && plan.output.join("scores.json").exists() {
            return Err(Error::exists(&plan.output));
        }
        Ok(plan)
    }

    fn of_run(args: &EvaluateArgs) -> Result<Self> {
        let run = RunFolder::new(&args.input);
        let card = run.card()?;
        let path = dataset_path(args, &card)?;
        let dataset = InvasionDataset::open(path)?;
        let fingerprint = dataset.fingerprint()?;
        let is_own = is_own(args, &card, path, &fingerprint)?;
        let (parts, output) = if is_own {
            let parts = card.split.parts().into_iter().map(|(name, ids)| Part {
                name: name.into(),
                ids: ids.to_vec(),
                predictions: run.predictions_path(name),
            });
            (parts.filter(|part| !part.ids.is_empty()).collect(), run.evaluation_path())
        } else {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let part = Part::all(dataset.domain_ids().to_vec(), run.predictions_path(&stem));
            (vec![part], run.path().join(format!("evaluation-{stem}")))
        };
        Ok(Self {
            source: card.name.clone(),
            training_domains: is_own.then(|| card.split.train.clone()),
            run: Some((run, card)),
            dataset,
            fingerprint,
            parts,
            output: args.output.clone().unwrap_or(output),
        })
    }

    fn of_file(args: &EvaluateArgs) -> Result<Self> {
        let file = PredictionFile::open(&args.input)?;
        let needs = |option: &str, what: &str| {
            Error::config(option, format!("is needed to score a predictions file: {what}"))
        };
        let path = args.dataset.as_ref().ok_or_else(|| needs("--dataset", "the dataset with the truth"))?;
        let output =
            args.output.clone().ok_or_else(|| needs("--output", "the folder for scores and figures"))?;
        let dataset = InvasionDataset::open(path)?;
        Ok(Self {
            source: file.header().source.clone(),
            run: None,
            fingerprint: dataset.fingerprint()?,
            dataset,
            training_domains: None,
            parts: vec![Part::all(file.domain_ids().to_vec(), args.input.clone())],
            output,
        })
    }

    /// The parts whose predictions are still to be made.
    pub fn missing(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| !part.predictions.exists())
    }

    /// What each baseline is here.
    pub(super) fn baselines(&self) -> Vec<String> {
        let unit = self.dataset.time_unit();
        let mut baselines = vec!["nothing moves: the true first frame stays for ever".to_owned()];
        baselines.push(match self.training_domains {
            Some(_) => "mean frame: pixel by pixel the mean of the training domains at the same frame, over those in \
                        which the pixel is pore; on the training part that includes the scored domain itself"
                .into(),
            None => "mean frame: left out, since the training domains are not known here".to_owned(),
        });
        baselines.push(match (unit, &self.training_domains) {
            (TimeUnit::PoreVolumes, _) => "percolation: invasion percolation with trapping from the true first frame, at the \
                                           saturation of the volume injected; too high after breakthrough"
                .into(),
            (_, Some(_)) => "percolation: invasion percolation with trapping from the true first frame, at the mean \
                             saturation of the training domains at each frame"
                .into(),
            (_, None) => "percolation: left out, since the saturation at each time is known neither from the clock nor \
                          from training domains"
                .to_owned(),
        });
        baselines
    }

    /// What a reader of the scores has to be told.
    pub(super) fn notes(&self) -> Vec<String> {
        let is_simulator = self.dataset.origin().simulator.contains("percolation");
        let note = "the dataset was simulated by percolation: the percolation baseline is the simulator itself, exact \
                    by construction but for the clock";
        is_simulator.then(|| note.to_owned()).into_iter().collect()
    }
}

impl Part {
    /// Opens the predictions of this part, which are of the domains of `dataset`.
    pub(super) fn open(&self, dataset: &InvasionDataset) -> Result<PredictionFile> {
        if !self.predictions.exists() {
            return Err(Error::input(
                &self.predictions,
                format!(
                    "is missing: the predictions of the {} domains; run `porecast predict` first",
                    self.name
                ),
            ));
        }
        let file = PredictionFile::open(&self.predictions)?;
        let (predicted, truth) =
            ((file.header().time_unit, file.header().inlet), (dataset.time_unit(), dataset.inlet()));
        if predicted != truth {
            return Err(Error::new(
                ErrorKind::Mismatch,
                self.predictions.display().to_string(),
                format!(
                    "has time in {:?} and the inlet at the {}, {} has {:?} and {}; pass the dataset that was predicted",
                    predicted.0,
                    predicted.1,
                    dataset.path().display(),
                    truth.0,
                    truth.1
                ),
            ));
        }
        Ok(file)
    }
}
