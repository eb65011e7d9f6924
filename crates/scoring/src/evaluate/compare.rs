//! Several runs side by side, scored on the same dataset or not at all.
//!
//! Files in the output folder, beside the figure and those that the dataset adds:
//!
//! ```text
//! comparison.json   runs, tables and notes (Comparison)
//! comparison.md     the tables
//! comparison.csv    mean, low, high of every measure
//! runs.csv          parameters, wall time, samples seen and best epochs of each run
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cost;
use super::scored::Scored;
use super::scores::Scores;
use super::table::Table;
use crate::evaluate::CompareOptions;
use porecast_base::Verbosity;
use porecast_base::atomic;
use porecast_base::{Error, ErrorKind, Result};
use porecast_store::RunFolder;
use porecast_store::document::Document;
use porecast_store::run::{Card, ComparisonFolder, TrainedOn};

/// What `comparison.json` holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Comparison<D: Scored> {
    /// [`Dataset::COMPARISON`](porecast_store::Dataset::COMPARISON).
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// The dataset that all runs were scored on.
    pub dataset: D::ScoredOn,
    /// The part of the split that the comparison rests on.
    pub part: String,
    /// The runs, in the order given.
    pub runs: Vec<ComparedRun<D::Card>>,
    /// What each baseline is, where that depends on the dataset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<String>,
    /// What a reader has to be told.
    pub notes: Vec<String>,
    /// The tables.
    pub tables: Vec<Table>,
}

/// A run of a comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ComparedRun<C: TrainedOn> {
    /// Its name, unique in the comparison.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// What it was when compared.
    pub card: Card<C>,
    /// Its resolved configuration.
    pub config: String,
}

impl<D: Scored> Document for Comparison<D> {
    const FORMAT: &'static str = D::COMPARISON;
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast compare";
}

pub(super) fn scores_path(run: &Path) -> PathBuf {
    RunFolder::new(run).evaluation().scores_path()
}

/// Runs `porecast compare`: writes tables and a figure.
///
/// # Errors
/// A run is missing, is on another kind of dataset, changed since it was evaluated, or cannot be compared with the first
/// one; the output cannot be written.
pub fn compare<D: Scored>(args: &CompareOptions, verbosity: Verbosity) -> Result<()> {
    let scored = ScoredRun::<D>::read_all(&args.runs)?;
    let mut found = D::compare(&scored)?;
    found.notes.extend(unfinished(&scored));
    let folder = &args.output;
    let files = ComparisonFolder::new(folder);
    (found.draw)(folder)?;
    found.sheets.iter().try_for_each(|sheet| sheet.write(folder))?;
    cost::sheet(&scored).write(folder)?;
    let first = &scored[0].scores;
    let baselines = D::baselines(&first.terms).to_vec();
    let tables: Vec<String> = found.tables.iter().map(Table::to_markdown).collect();
    let said: String = baselines.iter().chain(&found.notes).map(|note| format!("- {note}\n")).collect();
    atomic::write(&files.tables_path(), format!("{}\n{said}", tables.join("\n")).as_bytes())?;
    let comparison = Comparison::<D> {
        format: Comparison::<D>::FORMAT.into(),
        version: Comparison::<D>::VERSION,
        dataset: first.dataset.clone(),
        part: found.part,
        runs: scored.iter().map(ScoredRun::compared).collect(),
        baselines,
        notes: found.notes,
        tables: found.tables,
    };
    comparison.write(&files.comparison_path())?;
    if !verbosity.quiet {
        super::print(&found.terminal, &comparison.notes, &format!("comparison: {}", folder.display()));
    }
    Ok(())
}

/// A run with its scores.
pub struct ScoredRun<D: Scored> {
    /// Its name, unique among those that are compared.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Its card.
    pub card: Card<D::Card>,
    /// Its scores.
    pub scores: Scores<D>,
}

impl<D: Scored> ScoredRun<D> {
    /// Reads runs; those of one name are told apart by their folders.
    ///
    /// # Errors
    /// A run or its scores are missing, or it was trained further since.
    fn read_all(runs: &[PathBuf]) -> Result<Vec<Self>> {
        let mut scored = runs.iter().map(|run| Self::read(run)).collect::<Result<Vec<_>>>()?;
        let names: Vec<String> = scored.iter().map(|run| run.name.clone()).collect();
        for run in &mut scored {
            if names.iter().filter(|name| **name == run.name).count() > 1 {
                run.name = run.path.display().to_string();
            }
        }
        Ok(scored)
    }

    fn read(path: &Path) -> Result<Self> {
        let card: Card<D::Card> = RunFolder::new(path).card_of()?;
        let scores = Scores::<D>::read(&scores_path(path))?;
        if scores.run.as_ref() != Some(&card) {
            let what = "was trained further after it was evaluated; run `porecast evaluate --force` on it";
            return Err(Error::mismatch(path, what));
        }
        Ok(Self { name: card.name.clone(), path: path.to_owned(), card, scores })
    }

    /// What the comparison keeps of it.
    fn compared(&self) -> ComparedRun<D::Card> {
        ComparedRun {
            name: self.name.clone(),
            path: self.path.clone(),
            card: self.card.clone(),
            config: RunFolder::new(&self.path).config_text(),
        }
    }

    /// The error of setting `other` beside this run.
    pub(super) fn refuse(&self, other: &Self, what: impl std::fmt::Display) -> Error {
        let place = format!("{} and {}", self.path.display(), other.path.display());
        Error::new(ErrorKind::Mismatch, place, format!("cannot be compared: {what}"))
    }

    /// Refuses a run that was scored on another dataset.
    ///
    /// # Errors
    /// The fingerprints differ.
    pub(super) fn require_same_dataset(&self, other: &Self) -> Result<()> {
        let ((ours, our_print), (theirs, their_print)) =
            (D::identity(&self.scores.dataset), D::identity(&other.scores.dataset));
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
}

/// What a reader has to be told of a run that is still being trained.
fn unfinished<D: Scored>(scored: &[ScoredRun<D>]) -> Option<String> {
    let is_unfinished = |run: &&ScoredRun<D>| run.card.members.iter().any(|member| !member.is_finished);
    let run = scored.iter().find(is_unfinished)?;
    Some(format!("the training of {} has not run to its end", run.name))
}

/// How two lists of samples differ, in words; order does not count.
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
