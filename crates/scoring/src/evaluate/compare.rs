//! Several runs side by side. Runs that were scored on different datasets are refused.
//!
//! Files in the output folder, beside the figure and the files of each task:
//!
//! ```text
//! comparison.json   runs, tables and notes (Comparison)
//! comparison.md     the tables
//! comparison.csv    mean, low, high of every measure
//! runs.csv          parameters, wall time, samples seen and best epochs of each run
//! ```

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use porecast_base::{Error, ErrorKind, Result, atomic};
use porecast_store::RunFolder;
use porecast_store::document::Document;
use porecast_store::run::{Card, ComparisonFolder, TrainedOn};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::sheet::Sheet;
use super::table::Table;
use super::{Printout, cost};
use crate::figure::Drawing;

/// What `comparison.json` holds, of runs with cards `C` scored on a dataset described by `D`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "D: Serialize", deserialize = "D: DeserializeOwned"))]
pub struct Comparison<C: TrainedOn, D> {
    /// [`Dataset::COMPARISON`](porecast_store::Dataset::COMPARISON).
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// The dataset that all runs were scored on.
    pub dataset: D,
    /// The part of the split that the comparison rests on.
    pub part: String,
    /// The runs, in the order given.
    pub runs: Vec<ComparedRun<C>>,
    /// What each baseline is, where that depends on the dataset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<String>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Which run is better, in a sentence.
    #[serde(default)]
    pub answer: String,
    /// What the report draws, with its headings.
    #[serde(default)]
    pub drawings: Vec<(String, Drawing)>,
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

/// What a comparison found.
pub(super) struct Findings {
    /// The part of the split that the comparison rests on.
    pub part: String,
    /// What each baseline is, where that depends on the dataset.
    pub baselines: Vec<String>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Which run is better, in a sentence.
    pub answer: String,
    /// What the report draws, with its headings.
    pub drawings: Vec<(String, Drawing)>,
    /// The tables.
    pub tables: Vec<Table>,
    /// Those for a terminal.
    pub terminal: Vec<Table>,
    /// The CSV files.
    pub sheets: Vec<Sheet>,
}

pub(super) fn scores_path(run: &Path) -> PathBuf {
    RunFolder::new(run).evaluation().scores_path()
}

/// Writes the tables of a comparison into a folder.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn write<C: TrainedOn, S, D>(
    folder: &Path,
    scored: &[ScoredRun<C, S>],
    dataset: D,
    mut found: Findings,
) -> Result<Printout>
where
    Comparison<C, D>: Document,
{
    found.notes.extend(unfinished(scored));
    let files = ComparisonFolder::new(folder);
    found.sheets.iter().try_for_each(|sheet| sheet.write(folder))?;
    cost::sheet(scored).write(folder)?;
    let tables: Vec<String> = found.tables.iter().map(Table::to_markdown).collect();
    let said: String = found.baselines.iter().chain(&found.notes).map(|note| format!("- {note}\n")).collect();
    atomic::write(&files.tables_path(), format!("{}\n{said}", tables.join("\n")).as_bytes())?;
    let comparison = Comparison {
        format: Comparison::<C, D>::FORMAT.into(),
        version: Comparison::<C, D>::VERSION,
        dataset,
        part: found.part,
        runs: scored.iter().map(ScoredRun::compared).collect(),
        baselines: found.baselines,
        notes: found.notes,
        answer: found.answer,
        drawings: found.drawings,
        tables: found.tables,
    };
    comparison.write(&files.comparison_path())?;
    Ok(Printout::of_scores(found.terminal, comparison.notes))
}

/// A run with its scores.
pub struct ScoredRun<C: TrainedOn, S> {
    /// Its name, unique among those that are compared.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Its card.
    pub card: Card<C>,
    /// Its scores.
    pub scores: S,
}

/// Reads the card of a run and the scores on its own dataset. `scored_card` is the card of the run when it was scored.
///
/// # Errors
/// The run or its scores are missing, or it was trained further since.
pub fn card_and_scores<C: TrainedOn, S: Document>(
    run: &Path,
    scored_card: impl Fn(&S) -> Option<&Card<C>>,
) -> Result<(Card<C>, S)> {
    let (card, scores) = (RunFolder::new(run).card_of()?, S::read(&scores_path(run))?);
    if scored_card(&scores) != Some(&card) {
        let what = "was trained further after it was evaluated; run `porecast evaluate --force` on it";
        return Err(Error::mismatch(run, what));
    }
    Ok((card, scores))
}

/// Reads runs with their scores; runs of the same name are named by their folders. `scored_card` is the card of the run
/// when it was scored.
///
/// # Errors
/// A run or its scores are missing, or it was trained further since.
pub(super) fn read_runs<C: TrainedOn, S: Document>(
    runs: &[PathBuf],
    scored_card: fn(&S) -> Option<&Card<C>>,
) -> Result<Vec<ScoredRun<C, S>>> {
    let read = |path: &PathBuf| {
        let (card, scores) = card_and_scores(path, scored_card)?;
        Ok(ScoredRun { name: card.name.clone(), path: path.clone(), card, scores })
    };
    let mut scored = runs.iter().map(read).collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = scored.iter().map(|run| run.name.clone()).collect();
    for run in &mut scored {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = run.path.display().to_string();
        }
    }
    Ok(scored)
}

impl<C: TrainedOn, S> ScoredRun<C, S> {
    /// What the comparison keeps of it.
    fn compared(&self) -> ComparedRun<C> {
        ComparedRun {
            name: self.name.clone(),
            path: self.path.clone(),
            card: self.card.clone(),
            config: RunFolder::new(&self.path).config_text(),
        }
    }

    /// The error for a run `other` that cannot be compared with this one.
    pub(super) fn refuse(&self, other: &Self, what: impl Display) -> Error {
        let place = format!("{} and {}", self.path.display(), other.path.display());
        Error::new(ErrorKind::Mismatch, place, format!("cannot be compared: {what}"))
    }

    /// Refuses a run that was scored on another dataset; `dataset` gives path and fingerprint of the one scored on.
    ///
    /// # Errors
    /// The fingerprints differ.
    pub(super) fn require_same_dataset(&self, other: &Self, dataset: fn(&S) -> (&Path, &str)) -> Result<()> {
        let ((ours, our_print), (theirs, their_print)) = (dataset(&self.scores), dataset(&other.scores));
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

/// A note on a run that is still being trained.
fn unfinished<C: TrainedOn, S>(scored: &[ScoredRun<C, S>]) -> Option<String> {
    let is_unfinished = |run: &&ScoredRun<C, S>| run.card.members.iter().any(|member| !member.is_finished);
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
