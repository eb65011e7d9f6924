//! What is to be scored, and where its files are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::evaluate::EvaluateOptions;
use porecast_base::lock::{self, Held};
use porecast_base::{Error, Result, output};
use porecast_store::run::{Card, EvaluationFolder, TrainedOn};
use porecast_store::{Dataset, MissingPredictions, Predictions, RunFolder};

/// What is to be scored.
#[derive(Debug, Clone)]
pub struct Plan<D: Dataset> {
    /// Name of the predictor.
    pub source: String,
    /// The run that predicted, if one did.
    pub run: Option<(RunFolder, Card<D::Card>)>,
    /// The truth.
    pub dataset: D,
    /// Fingerprint of `dataset`.
    pub fingerprint: String,
    /// Whether the run was trained on `dataset`.
    pub is_own: bool,
    /// The dataset that the run was trained on, where it is at hand and the means over it can be scored on `dataset`.
    pub training: Option<D>,
    /// The parts of the split; those without samples are left out.
    pub parts: Vec<Part>,
    /// Folder to write to.
    pub output: PathBuf,
    /// Notes for the reader.
    pub notes: Vec<String>,
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

impl<D: Dataset> Plan<D> {
    /// Finds everything that `porecast evaluate` was asked for; predictions need not be there yet.
    ///
    /// A run is scored on the parts of its split; what its folds are validated on is one part. On a dataset that it was not
    /// trained on it is scored on everything, with predictions in `<run>/predictions/dataset-<name>.h5` and scores
    /// in `<run>/evaluation-<name of the dataset>`.
    ///
    /// `is_like` says whether means over the samples of one dataset can be scored on another.
    ///
    /// # Errors
    /// The input is neither a run folder nor a predictions file, the dataset is missing, is not the one that was trained on
    /// or cannot be scored on, or the output exists and is not to be replaced.
    pub fn new(args: &EvaluateOptions, is_like: fn(&D, &D) -> bool) -> Result<Self> {
        let plan = if args.input.is_dir() { Self::of_run(args, is_like)? } else { Self::of_file(args)? };
        let has_scores = |place: &Path| EvaluationFolder::new(place).scores_path().exists();
        if !args.force && has_scores(&plan.output) {
            return Err(Error::exists(&plan.output));
        }
        output::check_folder(&plan.output, "scores", has_scores)?;
        Ok(plan)
    }

    /// Holds the folder to write to, and shares that of the run, so that no training replaces it meanwhile.
    ///
    /// # Errors
    /// Another process writes there.
    pub fn hold(&self) -> Result<(Option<Held>, Held)> {
        let run = self.run.as_ref().map_or(Ok(None), |(run, _)| lock::share(run.path()))?;
        Ok((run, lock::hold(&self.output)?))
    }

    /// The predictions of the run that are missing, or all of them where they are to be made anew.
    pub fn missing(&self, anew: bool) -> Vec<MissingPredictions> {
        let Some((run, _)) = &self.run else { return Vec::new() };
        let parts = self.parts.iter().filter(|part| anew || !part.predictions.exists());
        let missing = parts.map(|part| MissingPredictions {
            run: run.path().to_owned(),
            dataset: self.dataset.path().to_owned(),
            ids: part.ids.clone(),
            predictions: part.predictions.clone(),
        });
        missing.collect()
    }

    /// The parts that are predicted, and notes that name the others.
    ///
    /// # Errors
    /// No part is predicted.
    pub(super) fn predicted_parts(&self) -> Result<(Vec<&Part>, Vec<String>)> {
        let (present, missing): (Vec<&Part>, Vec<&Part>) =
            self.parts.iter().partition(|part| part.predictions.exists());
        if present.is_empty() {
            let names: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
            let place = self.parts.first().map_or(&self.output, |part| &part.predictions);
            let (predicted, names) = (D::PREDICTED, names.join(", "));
            let what = format!(
                "is missing: there are no predicted {predicted} of {names}; run `porecast predict` first"
            );
            return Err(Error::input(place, what));
        }
        let note = |part: &&Part| {
            let file = part.predictions.display();
            format!("the {} {}s are not scored: {file} is missing", part.name, D::SAMPLE)
        };
        Ok((present, self.notes.iter().cloned().chain(missing.iter().map(note)).collect()))
    }

    /// The error for a part without true sequences or masks.
    pub(super) fn nothing_to_score(&self, part: &Part) -> Error {
        let (truth, part, sample) = (D::PREDICTED, &part.name, D::SAMPLE);
        let what = format!("has no {truth} for the {part} {sample}s, so they cannot be scored");
        Error::input(self.dataset.path(), what)
    }

    fn of_run(args: &EvaluateOptions, is_like: fn(&D, &D) -> bool) -> Result<Self> {
        let run = RunFolder::new(&args.input);
        let card: Card<D::Card> = run.card_of()?;
        let path = args.dataset.as_deref().unwrap_or(card.dataset.path());
        if args.dataset.is_none() && !path.exists() {
            let run = args.input.display();
            let what = format!(
                "is missing: the dataset of {run}; put it there, or pass its path to `porecast evaluate --dataset`"
            );
            return Err(Error::input(path, what));
        }
        let dataset = D::open(path)?;
        let mut fingerprint = dataset.fingerprint()?;
        let mut notes = Vec::new();
        let split: Vec<String> = card.parts().into_iter().flat_map(|(_, ids)| ids).collect();
        if fingerprint != card.dataset.fingerprint() && dataset.extends(card.dataset.fingerprint(), &split)? {
            notes.push(format!(
                "{} has grown from {} to {} {}s since the training; only those in the split of the run are scored",
                path.display(),
                split.len(),
                dataset.ids().len(),
                D::SAMPLE
            ));
            fingerprint = card.dataset.fingerprint().to_owned();
        }
        let is_own = fingerprint == card.dataset.fingerprint();
        if !is_own && args.dataset.is_none() {
            let what = format!(
                "is no longer the dataset that {} was trained on (its fingerprint differs); train again, or pass it with \
                 --dataset to score the run on it as an unseen dataset",
                args.input.display()
            );
            return Err(Error::mismatch(path, what));
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (parts, output) = match is_own {
            true => {
                let parts = card.parts().map(|(name, ids)| (name, ids, run.predictions_path(name)));
                (parts.to_vec(), run.evaluation_path())
            }
            false => {
                let all = ("all", dataset.ids().to_vec(), run.predictions_path(&format!("dataset-{stem}")));
                (vec![all], run.path().join(format!("evaluation-{stem}")))
            }
        };
        let training = if is_own { Some(dataset.clone()) } else { trained_on(&card, &dataset, is_like) };
        if !is_own {
            let seen = card.parts().into_iter().filter(|(name, _)| *name != "test").flat_map(|(_, ids)| ids);
            let also = card.dataset.also().iter().flat_map(|also| also.domains.iter().cloned());
            let seen: BTreeSet<String> = seen.chain(also).collect();
            let count = dataset.ids().iter().filter(|id| seen.contains(*id)).count();
            let (all, sample) = (dataset.ids().len(), D::SAMPLE);
            if count > 0 {
                let what = "the run was trained or chosen on them, so they are not unseen";
                notes.push(format!("{count} of the {all} {sample}s are in the data of the run: {what}"));
            }
            if training.is_none() {
                let place = card.dataset.path().display();
                notes.push(format!(
                    "no baseline from the training data: {place} is missing, has changed, or has {sample}s of another size"
                ));
            }
        }
        Ok(Self {
            source: card.name.clone(),
            run: Some((run, card)),
            fingerprint,
            is_own,
            training,
            parts: parts_of(&dataset, parts),
            dataset,
            output: args.output.clone().unwrap_or(output),
            notes,
        })
    }

    fn of_file(args: &EvaluateOptions) -> Result<Self> {
        let file = D::Predictions::open(&args.input)?;
        let needs = |option: &str, what: &str| {
            Error::config(option, format!("is needed to score a predictions file: {what}"))
        };
        let path = args.dataset.as_ref().ok_or_else(|| needs("--dataset", "the dataset with the truth"))?;
        let output =
            args.output.clone().ok_or_else(|| needs("--output", "the folder for scores and figures"))?;
        let dataset = D::open(path)?;
        file.ids().iter().try_for_each(|id| dataset.place(id).map(drop))?;
        let mut notes =
            vec!["no baseline from the training data: a predictions file does not name it".to_owned()];
        if file.ids().len() < dataset.ids().len() {
            let sample = D::SAMPLE;
            notes.push(format!(
                "{} of {} {sample}s are predicted; only these are scored",
                file.ids().len(),
                dataset.ids().len()
            ));
        }
        Ok(Self {
            source: file.source().to_owned(),
            run: None,
            fingerprint: dataset.fingerprint()?,
            is_own: false,
            training: None,
            parts: parts_of(&dataset, vec![("all", file.ids().to_vec(), args.input.clone())]),
            dataset,
            output,
            notes,
        })
    }
}

/// The dataset that a run was trained on, if it is still what it was and like the one that is scored on.
fn trained_on<D: Dataset>(card: &Card<D::Card>, scored: &D, is_like: fn(&D, &D) -> bool) -> Option<D> {
    let training = D::open(card.dataset.path()).ok().filter(|training| is_like(training, scored))?;
    let fingerprint = training.fingerprint().ok()?;
    (fingerprint == card.dataset.fingerprint()).then_some(training)
}

/// Parts by name, samples and predictions, without those that have no sample.
fn parts_of<D: Dataset>(dataset: &D, parts: Vec<(&str, Vec<String>, PathBuf)>) -> Vec<Part> {
    let part = |(name, ids, predictions): (&str, Vec<String>, PathBuf)| {
        let wanted: BTreeSet<&String> = ids.iter().collect();
        let ids: Vec<String> = dataset.ids().iter().filter(|id| wanted.contains(id)).cloned().collect();
        (!ids.is_empty()).then(|| Part { name: name.into(), ids, predictions })
    };
    parts.into_iter().filter_map(part).collect()
}
