//! The journal of a study: an append-only file of lines, written by one process at a time.
//!
//! If a process ends while writing a line, the next writer removes the incomplete line. A process
//! that works on a trial holds a [`lock`] on a file of that trial; the lock ends with the process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::search::{Parameter, SearchConfig};
use porecast_base::{Error, ErrorKind, Result, lock};

/// Value of each parameter, by its key.
pub type Point = BTreeMap<String, Value>;

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Value of the trial; lower is better.
    Value(f64),
    /// Reason for the failure.
    Failed(String),
}

/// A trial in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number, from 0.
    pub number: usize,
    /// Values of the parameters.
    pub point: Point,
    /// Outcome; `None` while the trial is unfinished.
    pub outcome: Option<Outcome>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Study { name: String, seed: u64, parameters: Vec<Parameter> },
    Basis(Basis),
    Began { number: usize, point: Point },
    Ended { number: usize, outcome: Outcome },
}

/// What every trial of a study starts from; trials of another basis cannot be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Content of the training configuration.
    pub training: Value,
    /// Fingerprint of the dataset.
    pub dataset: String,
    /// Digest of the file of the split, if the configuration names one.
    pub split: Option<String>,
}

/// The journal of a study.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
}

/// A trial that this process works on.
#[derive(Debug)]
pub struct Claim {
    /// Number of the trial, from 0.
    pub number: usize,
    /// Values of the parameters.
    pub point: Point,
    /// Whether it was begun before and left unfinished, possibly by this process.
    pub is_taken_up: bool,
    /// Held for the life of the claim.
    lock: File,
}

impl Journal {
    /// Opens the journal of a study, or begins it.
    ///
    /// # Errors
    /// The file cannot be read or written, is damaged, or belongs to another study.
    pub fn open(path: &Path, config: &SearchConfig) -> Result<Self> {
        let journal = Self { path: path.to_owned() };
        let mut writer = journal.writer()?;
        let SearchConfig { name, seed, parameters, .. } = config;
        match writer.study.take() {
            None => {
                let line = Line::Study { name: name.clone(), seed: *seed, parameters: parameters.clone() };
                writer.add(&line)?;
            }
            Some(study) if study == (name.clone(), *seed, parameters.clone()) => {}
            Some(_) => {
                return Err(Error::new(
                    ErrorKind::Mismatch,
                    path.display().to_string(),
                    "is the journal of a study of another name, seed or parameters; choose another file",
                ));
            }
        }
        Ok(journal)
    }

    /// Records what the trials start from, or checks that it is still the same.
    ///
    /// # Errors
    /// The training configuration, the dataset or the split has changed since the study began; the file cannot be
    /// read or written, or is damaged.
    pub fn require_basis(&self, basis: &Basis) -> Result<()> {
        let mut writer = self.writer()?;
        let Some(before) = &writer.basis else { return writer.add(&Line::Basis(basis.clone())) };
        let changed = match () {
            () if before.training != basis.training => {
                let key = first_difference("", &before.training, &basis.training);
                format!("the training configuration ({key})")
            }
            () if before.dataset != basis.dataset => "the dataset".to_owned(),
            () if before.split != basis.split => "the file of the split".to_owned(),
            () => return Ok(()),
        };
        let what = format!(
            "its trials began before {changed} changed and cannot be compared with new ones; restore it, or choose \
             another folder for a new search"
        );
        Err(Error::mismatch(&self.path, what))
    }

    /// Every trial that has begun.
    ///
    /// # Errors
    /// The file cannot be read or written, is damaged, or belongs to another study.
    pub fn records(&self) -> Result<Vec<Record>> {
        Ok(self.writer()?.records)
    }

    /// Claims an unfinished trial that no process works on. If there is none, begins a new trial at
    /// the point that `propose` derives from the earlier ones; returns `None` once `wanted` trials
    /// have begun.
    ///
    /// # Errors
    /// The file cannot be read or written, is damaged, or belongs to another study.
    pub fn claim(&self, wanted: usize, propose: impl FnOnce(&[Record]) -> Point) -> Result<Option<Claim>> {
        let mut writer = self.writer()?;
        for record in writer.records.iter().filter(|record| record.outcome.is_none()) {
            if let Some(lock) = lock::try_hold(&self.trial_path(record.number))? {
                let Record { number, point, .. } = record.clone();
                return Ok(Some(Claim { number, point, is_taken_up: true, lock }));
            }
        }
        let number = writer.records.len();
        if number >= wanted {
            return Ok(None);
        }
        let point = propose(&writer.records);
        let lock = lock::try_hold(&self.trial_path(number))?.ok_or_else(|| {
            Error::new(
                ErrorKind::Mismatch,
                self.trial_path(number).display().to_string(),
                "is locked by another process, but the journal has no such trial; did you copy the journal?",
            )
        })?;
        writer.add(&Line::Began { number, point: point.clone() })?;
        Ok(Some(Claim { number, point, is_taken_up: false, lock }))
    }

    /// Records the outcome of a trial.
    ///
    /// # Errors
    /// The file cannot be read or written, is damaged, or belongs to another study.
    pub fn end(&self, claim: Claim, outcome: Outcome) -> Result<()> {
        let mut writer = self.writer()?;
        writer.add(&Line::Ended { number: claim.number, outcome })?;
        // The journal is locked, so no other process can be opening the trial's file.
        let path = self.trial_path(claim.number);
        drop(claim.lock);
        std::fs::remove_file(&path).map_err(|e| Error::output(&path, e))
    }

    fn trial_path(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".trial-{number}"));
        name.into()
    }

    /// Locks the journal until the writer is dropped, and reads its lines.
    fn writer(&self) -> Result<Writer<'_>> {
        let path = self.path.as_path();
        let failed = |e: std::io::Error| Error::output(path, e);
        let mut file = lock::wait_for(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut writer = Writer { path, file, study: None, basis: None, records: Vec::new() };
        for (index, line) in text[..whole].split(|byte| *byte == b'\n').enumerate() {
            if !line.is_empty() {
                writer.take(line).map_err(|what| {
                    Error::input(path, format!("line {} {what}; it is no journal of a study", index + 1))
                })?;
            }
        }
        Ok(writer)
    }
}

struct Writer<'a> {
    path: &'a Path,
    file: File,
    study: Option<(String, u64, Vec<Parameter>)>,
    basis: Option<Basis>,
    records: Vec<Record>,
}

impl Writer<'_> {
    /// Applies a line read from the file.
    fn take(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        match serde_json::from_slice(line).map_err(|e| format!("cannot be read ({e})"))? {
            Line::Study { name, seed, parameters } => self.study = Some((name, seed, parameters)),
            Line::Basis(basis) => self.basis = Some(basis),
            Line::Began { number, point } => {
                if number != self.records.len() {
                    return Err(format!("begins trial {number} after {} trials", self.records.len()));
                }
                self.records.push(Record { number, point, outcome: None });
            }
            Line::Ended { number, outcome } => {
                let record = self.records.get_mut(number);
                record.ok_or_else(|| format!("ends trial {number}, which has not begun"))?.outcome =
                    Some(outcome);
            }
        }
        Ok(())
    }

    /// Appends a line and syncs it to disk.
    fn add(&mut self, line: &Line) -> Result<()> {
        let failed = |e: std::io::Error| Error::output(self.path, e);
        let mut text = serde_json::to_vec(line).map_err(|e| failed(e.into()))?;
        text.push(b'\n');
        self.file.write_all(&text).and_then(|()| self.file.sync_data()).map_err(failed)
    }
}

/// A value as text; real numbers with four decimals, or four digits and an exponent.
pub fn show(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            if (1e-3..1e4).contains(&number.abs()) { format!("{number:.4}") } else { format!("{number:.3e}") }
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Path of the first key in which two configurations differ.
fn first_difference(path: &str, a: &Value, b: &Value) -> String {
    let (Value::Object(a), Value::Object(b)) = (a, b) else { return path.to_owned() };
    let key = a.keys().chain(b.keys()).find(|key| a.get(*key) != b.get(*key));
    let Some(key) = key else { return path.to_owned() };
    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
    match (a.get(key), b.get(key)) {
        (Some(a), Some(b)) => first_difference(&path, a, b),
        _ => path,
    }
}

/// The trial with the lowest value.
pub fn best(trials: &[Record]) -> Option<(&Record, f64)> {
    let valued = trials.iter().filter_map(|record| match record.outcome {
        Some(Outcome::Value(value)) => Some((record, value)),
        _ => None,
    });
    valued.min_by(|(_, a), (_, b)| a.total_cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::search::Values;

    fn config() -> SearchConfig {
        SearchConfig {
            name: "test".into(),
            training: "training.toml".into(),
            seed: 0,
            trials: 9,
            startup: 1,
            parameters: vec![Parameter { key: "k".into(), values: Values::Whole { low: 0, high: 9 } }],
        }
    }

    fn propose(records: &[Record]) -> Point {
        Point::from([("k".to_owned(), Value::from(records.len()))])
    }

    #[test]
    fn a_line_cut_off_anywhere_is_as_if_it_had_not_been_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let journal = Journal::open(&path, &config()).expect("a journal");
        let claim = |journal: &Journal| journal.claim(9, propose).expect("a journal").expect("a trial");
        let first = claim(&journal);
        let before = std::fs::read(&path).expect("a journal");
        journal.end(first, Outcome::Value(0.5)).expect("a journal");
        let after = std::fs::read(&path).expect("a journal");
        for length in before.len()..=after.len() {
            std::fs::write(&path, &after[..length]).expect("a file");
            let journal = Journal::open(&path, &config()).expect("a journal");
            let outcome = (length == after.len()).then_some(Outcome::Value(0.5));
            let expected = Record { number: 0, point: propose(&[]), outcome: outcome.clone() };
            assert_eq!(journal.records().expect("a journal"), [expected]);
            let next = claim(&journal);
            assert_eq!(next.number, usize::from(outcome.is_some()), "cut to {length} bytes");
            journal.end(next, Outcome::Failed("for the test".into())).expect("a journal");
        }
    }

    #[test]
    fn a_study_whose_trials_could_not_be_compared_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let journal = Journal::open(&path, &config()).expect("a journal");
        let basis = |epochs: u32, dataset: &str| Basis {
            training: serde_json::json!({"training": {"epochs": epochs, "batch_size": 2}}),
            dataset: dataset.into(),
            split: None,
        };
        journal.require_basis(&basis(3, "a")).expect("the first basis");
        journal.require_basis(&basis(3, "a")).expect("the same basis");
        let refused = |basis: Basis, wanted: &str| {
            let journal = Journal::open(&path, &config()).expect("a journal");
            let error = journal.require_basis(&basis).expect_err("another basis").to_string();
            assert!(error.contains(wanted), "{error}");
        };
        refused(basis(4, "a"), "the training configuration (training.epochs)");
        refused(basis(3, "b"), "the dataset");
        refused(Basis { split: Some("c".into()), ..basis(3, "a") }, "the file of the split");
    }

    #[test]
    fn another_study_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        Journal::open(&path, &config()).expect("a journal");
        Journal::open(&path, &SearchConfig { trials: 20, ..config() }).expect("more trials are welcome");
        let error = Journal::open(&path, &SearchConfig { seed: 1, ..config() }).expect_err("another seed");
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        std::fs::write(&path, "{\"began\": {\"number\": 4, \"point\": {}}}\n").expect("a file");
        let error = Journal::open(&path, &config()).expect_err("a gap").to_string();
        assert!(error.contains("line 1") && error.contains("trial 4"), "{error}");
    }
}
