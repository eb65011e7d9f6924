//! Runs with their scores: what comparing invasions and comparing segmentations have in common.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::table::Table;
use crate::cli::{CompareArgs, EvaluateArgs};
use crate::error::{Error, ErrorKind, Result};
use crate::store::run::{Card, TrainedOn};
use crate::store::{RunFolder, atomic};

/// Name of the file in the comparison's folder that holds all of it.
pub const FILE: &str = "comparison.json";

/// A run of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ComparedRun<D: TrainedOn> {
    /// Its name, unique in the comparison.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it was when compared.
    pub card: Card<D>,
    /// Its resolved configuration.
    pub config: String,
}

/// The evaluations that `porecast compare` will make because they are not there yet.
///
/// # Errors
/// The output exists and is not to be replaced.
pub(super) fn unscored(args: &CompareArgs) -> Result<Vec<EvaluateArgs>> {
    if !args.force && args.output.join(FILE).exists() {
        return Err(Error::exists(&args.output));
    }
    let evaluate = |run: &PathBuf| EvaluateArgs {
        input: run.clone(),
        dataset: None,
        output: None,
        device: args.device.clone(),
        force: false,
    };
    Ok(args.runs.iter().filter(|run| !scores_path(run).exists()).map(evaluate).collect())
}

fn scores_path(run: &Path) -> PathBuf {
    RunFolder::new(run).evaluation_path().join("scores.json")
}

/// The scores of a run.
pub(super) trait RunScores: Document {
    /// What the run was trained on.
    type Dataset: TrainedOn;

    /// The run, as it was when scored.
    fn run(&self) -> Option<&Card<Self::Dataset>>;

    /// Path and fingerprint of the dataset that it was scored on.
    fn scored_on(&self) -> (&Path, &str);
}

/// A run with its scores.
pub(super) struct Scored<S: RunScores> {
    pub name: String,
    pub path: PathBuf,
    pub card: Card<S::Dataset>,
    pub scores: S,
}

impl<S: RunScores> Scored<S> {
    /// Reads runs; those of one name are told apart by their folders.
    ///
    /// # Errors
    /// A run or its scores are missing, or it was trained further since.
    pub fn read_all(runs: &[PathBuf]) -> Result<Vec<Self>> {
        let mut scored = runs.iter().map(|run| Self::read(run)).collect::<Result<Vec<_>>>()?;
        let names = unique_names(scored.iter().map(|run| (run.name.as_str(), run.path.as_path())));
        scored.iter_mut().zip(names).for_each(|(run, name)| run.name = name);
        Ok(scored)
    }

    fn read(path: &Path) -> Result<Self> {
        let card: Card<S::Dataset> = RunFolder::new(path).card_of()?;
        let scores = S::read(&scores_path(path))?;
        if scores.run() != Some(&card) {
            return Err(Error::new(
                ErrorKind::Mismatch,
                path.display().to_string(),
                "was trained further after it was evaluated; run `porecast evaluate --force` on it",
            ));
        }
        Ok(Self { name: card.name.clone(), path: path.to_owned(), card, scores })
    }

    /// What the comparison keeps of it.
    pub fn compared(&self) -> ComparedRun<S::Dataset> {
        ComparedRun {
            name: self.name.clone(),
            path: self.path.clone(),
            card: self.card.clone(),
            config: fs::read_to_string(RunFolder::new(&self.path).config_path()).unwrap_or_default(),
        }
    }

    /// The error of setting `other` beside this run.
    pub fn refuse(&self, other: &Self, what: impl std::fmt::Display) -> Error {
        let place = format!("{} and {}", self.path.display(), other.path.display());
        Error::new(ErrorKind::Mismatch, place, format!("cannot be compared: {what}"))
    }

    /// Refuses a run that was scored on another dataset.
    ///
    /// # Errors
    /// The fingerprints differ.
    pub fn require_same_dataset(&self, other: &Self) -> Result<()> {
        let ((ours, our_print), (theirs, their_print)) = (self.scores.scored_on(), other.scores.scored_on());
        if our_print == their_print {
            return Ok(());
        }
        let start = |fingerprint: &str| fingerprint.get(..8).unwrap_or(fingerprint).to_owned();
        let what = format!(
            "they were scored on different datasets ({} {}…, {} {}…); train both on one",
            ours.display(),
            start(our_print),
            theirs.display(),
            start(their_print)
        );
        Err(self.refuse(other, what))
    }

    /// What a reader has to be told of a run that is still being trained.
    pub fn unfinished(scored: &[Self]) -> Option<String> {
        let is_unfinished = |run: &&Self| run.card.members.iter().any(|member| !member.is_finished);
        let run = scored.iter().find(is_unfinished)?;
        Some(format!("the training of {} has not run to its end", run.name))
    }
}

fn unique_names<'a>(runs: impl Iterator<Item = (&'a str, &'a Path)> + Clone) -> Vec<String> {
    let count = |name: &str| runs.clone().filter(|(other, _)| *other == name).count();
    let unique = |(name, path): (&str, &Path)| match count(name) {
        1 => name.to_owned(),
        _ => path.display().to_string(),
    };
    runs.clone().map(unique).collect()
}

/// How two lists of domains or images differ, in words; order does not count.
pub(super) fn difference(ours: &[&str], theirs: &[&str]) -> Option<String> {
    let (ours, theirs): (BTreeSet<&str>, BTreeSet<&str>) =
        (ours.iter().copied().collect(), theirs.iter().copied().collect());
    let only = |side: &BTreeSet<&str>| side.iter().next().map(|id| format!("{id:?}"));
    let (a, b) = (&ours - &theirs, &theirs - &ours);
    if a.is_empty() && b.is_empty() {
        return None;
    }
    let describe = |which: &str, count: usize, example: Option<String>| {
        example.map(|id| format!("{count} only in the {which}, as {id}"))
    };
    let sides = [describe("first", a.len(), only(&a)), describe("second", b.len(), only(&b))];
    Some(sides.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// Writes `comparison.md`: the tables, then what is to be said of them.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_markdown<'a>(
    folder: &Path,
    tables: &[Table],
    notes: impl Iterator<Item = &'a String>,
) -> Result<()> {
    let text: Vec<String> = tables.iter().map(Table::to_markdown).collect();
    let notes: String = notes.map(|note| format!("- {note}\n")).collect();
    atomic::write(&folder.join("comparison.md"), format!("{}\n{notes}", text.join("\n")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_domains_names_one_of_each_side() {
        assert_eq!(difference(&["a", "b"], &["b", "a"]), None);
        assert_eq!(
            difference(&["a", "b"], &["b", "c", "d"]).unwrap(),
            "1 only in the first, as \"a\"; 2 only in the second, as \"c\""
        );
    }
}
