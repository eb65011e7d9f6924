//! What is to be scored, and where its files are.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use crate::cli::EvaluateArgs;
use crate::config::{self, segmentation::SegmentationConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::plan::{Part, dataset_path, is_own};
use crate::store::run::SegmentationRunCard;
use crate::store::{MaskFile, RunFolder, SegmentationDataset};

/// What is to be scored.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the predictor.
    pub source: String,
    /// The run that predicted, if one did.
    pub run: Option<(RunFolder, SegmentationRunCard)>,
    /// The true masks.
    pub dataset: SegmentationDataset,
    /// Fingerprint of `dataset`.
    pub fingerprint: String,
    /// Whether the run was trained on `dataset`.
    pub is_own: bool,
    /// Classes that means are taken over: neither the background nor excluded from the loss.
    pub scored_classes: Vec<u8>,
    /// The parts of the split; those without images are left out.
    pub parts: Vec<Part>,
    /// Folder to write to.
    pub output: PathBuf,
}

impl Plan {
    /// Finds everything that `porecast evaluate` was asked for; predictions need not be there yet.
    ///
    /// A run is scored on the parts of its split; what the folds are validated on is one part. On a dataset that it was
    /// not trained on it is scored on all images, with predictions in `<run>/predictions/<name of the dataset>.h5` and
    /// scores in `<run>/evaluation-<name of the dataset>`.
    ///
    /// # Errors
    /// The input is neither a run folder nor a file of predicted masks, its configuration cannot be read, the dataset is
    /// missing or is not the one that was trained on or has other classes, or the output exists and is not to be replaced.
    pub fn new(args: &EvaluateArgs) -> Result<Self> {
        let plan = if args.input.is_dir() { Self::of_run(args)? } else { Self::of_file(args)? };
        if !args.force && plan.output.join("scores.json").exists() {
            return Err(Error::exists(&plan.output));
        }
        Ok(plan)
    }

    fn of_run(args: &EvaluateArgs) -> Result<Self> {
        let run = RunFolder::new(&args.input);
        let card: SegmentationRunCard = run.card_of()?;
        let path = dataset_path(args, &card)?;
        let config: SegmentationConfig = config::load(&run.config_path(), &[])?;
        let dataset = SegmentationDataset::open(path)?;
        if dataset.classes() != card.dataset.classes {
            let what = format!(
                "has the classes {:?}, {} was trained on {:?}; pass a dataset of the same classes",
                dataset.classes(),
                args.input.display(),
                card.dataset.classes
            );
            return Err(Error::new(ErrorKind::Mismatch, path.display().to_string(), what));
        }
        let fingerprint = dataset.fingerprint()?;
        let is_own = is_own(args, &card, path, &fingerprint)?;
        let (parts, output) = if is_own {
            (parts_of(&run, &card, &dataset)?, run.evaluation_path())
        } else {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let part = Part::all(dataset.ids().to_vec(), run.predictions_path(&stem));
            (vec![part], run.path().join(format!("evaluation-{stem}")))
        };
        let scored_classes = scored_classes(&config.loss.excluded, dataset.classes().len());
        if scored_classes.is_empty() {
            let what = "leaves every class but the background out, so that there is no class to score";
            return Err(Error::config(format!("{}: loss.excluded", run.config_path().display()), what));
        }
        Ok(Self {
            source: card.name.clone(),
            run: Some((run, card)),
            dataset,
            fingerprint,
            is_own,
            scored_classes,
            parts,
            output: args.output.clone().unwrap_or(output),
        })
    }

    fn of_file(args: &EvaluateArgs) -> Result<Self> {
        let file = MaskFile::open(&args.input)?;
        let needs = |option: &str, what: &str| {
            Error::config(option, format!("is needed to score a file of predicted masks: {what}"))
        };
        let path =
            args.dataset.as_ref().ok_or_else(|| needs("--dataset", "the dataset with the true masks"))?;
        let output =
            args.output.clone().ok_or_else(|| needs("--output", "the folder for scores and figures"))?;
        let dataset = SegmentationDataset::open(path)?;
        let known: BTreeSet<&String> = dataset.ids().iter().collect();
        if let Some(id) = file.ids().iter().find(|id| !known.contains(id)) {
            return Err(Error::new(
                ErrorKind::Mismatch,
                path.display().to_string(),
                format!("has no image {id:?}; pass the dataset that was predicted with --dataset"),
            ));
        }
        let predicted: BTreeSet<&String> = file.ids().iter().collect();
        Ok(Self {
            source: file.source().to_owned(),
            run: None,
            fingerprint: dataset.fingerprint()?,
            is_own: false,
            scored_classes: scored_classes(&[], dataset.classes().len()),
            parts: vec![Part::all(
                dataset.ids().iter().filter(|id| predicted.contains(id)).cloned().collect(),
                args.input.clone(),
            )],
            dataset,
            output,
        })
    }

    /// The parts whose predictions are still to be made.
    pub fn missing(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| !part.predictions.exists())
    }

    /// Position of each image in the dataset.
    pub(super) fn places(&self) -> HashMap<&str, usize> {
        self.dataset.ids().iter().map(String::as_str).zip(0..).collect()
    }

    /// The parts in words.
    pub(super) fn part_names(&self) -> String {
        self.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What a reader of the scores has to be told.
    pub(super) fn notes(&self, missing: &[&Part], has_mean_mask: bool) -> Vec<String> {
        let mut notes: Vec<String> = missing
            .iter()
            .map(|part| {
                let file = part.predictions.display();
                format!("the {} images are not scored: {file} is missing", part.name)
            })
            .collect();
        let unmasked = |part: &Part| {
            let places = self.places();
            part.ids.iter().filter(|id| !self.dataset.has_mask()[places[id.as_str()]]).count()
        };
        for part in self.parts.iter().filter(|part| part.predictions.exists()) {
            if let count @ 1.. = unmasked(part) {
                notes.push(format!(
                    "{count} of {} {} images have no mask and are left out",
                    part.ids.len(),
                    part.name
                ));
            }
        }
        if !has_mean_mask {
            notes.push("the mean mask is left out, since the training images are not known here".into());
        }
        let excluded: Vec<&str> = (1..self.dataset.classes().len())
            .filter(|&class| !self.scored_classes.contains(&(class as u8)))
            .map(|class| self.dataset.classes()[class].as_str())
            .collect();
        if !excluded.is_empty() {
            notes.push(format!("left out of the means, as of the loss: {}", excluded.join(", ")));
        }
        let unfinished =
            |(_, card): &(RunFolder, SegmentationRunCard)| card.members.iter().any(|m| !m.is_finished);
        if self.run.as_ref().is_some_and(unfinished) {
            notes.push("the training has not run to its end".into());
        }
        notes
    }
}

/// Classes that are neither the background nor excluded.
fn scored_classes(excluded: &[usize], classes: usize) -> Vec<u8> {
    (1..classes).filter(|class| !excluded.contains(class)).map(|class| class as u8).collect()
}

/// The parts of a run's split. Of the folds, those count that a network was validated on.
fn parts_of(run: &RunFolder, card: &SegmentationRunCard, dataset: &SegmentationDataset) -> Result<Vec<Part>> {
    let trained: BTreeSet<usize> = card.members.iter().filter_map(|member| member.fold).collect();
    let folds = card.split.folds.iter().enumerate();
    let validated =
        folds.filter(|(fold, _)| trained.is_empty() || trained.contains(fold)).flat_map(|(_, ids)| ids);
    let lists: [(&str, BTreeSet<&String>); 3] = [
        ("train", card.split.train.iter().collect()),
        ("validation", validated.collect()),
        ("test", card.split.test.iter().collect()),
    ];
    let known: BTreeSet<&String> = dataset.ids().iter().collect();
    if let Some(id) = lists.iter().flat_map(|(_, ids)| ids).find(|id| !known.contains(*id)) {
        return Err(Error::input(
            &run.card_path(),
            format!("names the image {id:?}, which {} does not have; train anew", dataset.path().display()),
        ));
    }
    let parts = lists.into_iter().map(|(name, ids)| Part {
        name: name.into(),
        ids: dataset.ids().iter().filter(|id| ids.contains(id)).cloned().collect(),
        predictions: run.predictions_path(name),
    });
    Ok(parts.filter(|part| !part.ids.is_empty()).collect())
}
