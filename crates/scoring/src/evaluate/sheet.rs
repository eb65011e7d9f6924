//! CSV files for other programs.

use std::path::Path;

use super::scored::Scored;
use super::scores::{PartScores, Scores, SourceScores};
use crate::metric::Interval;
use porecast_base::atomic;
use porecast_base::{Error, Result};

/// A CSV file.
pub struct Sheet {
    /// Its name.
    pub file: &'static str,
    /// Its rows, headings first.
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    /// Rows of every source of every part, which the first two columns name.
    pub(super) fn of_sources<'a, D: Scored>(
        file: &'static str,
        scores: &'a Scores<D>,
        headings: Vec<String>,
        rows: impl Fn(&'a PartScores<D>, &'a D::Source) -> Vec<Vec<String>>,
    ) -> Self {
        let mut all = vec![[texts(&["part", "source"]), headings].concat()];
        for part in &scores.parts {
            for source in &part.sources {
                let named = texts(&[&part.part, source.name()]);
                all.extend(rows(part, source).into_iter().map(|row| [named.clone(), row].concat()));
            }
        }
        Self { file, rows: all }
    }

    /// Writes the file into a folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(self.file);
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for row in &self.rows {
            writer.write_record(row).map_err(|e| Error::output(&path, e))?;
        }
        let bytes = writer.into_inner().map_err(|e| Error::output(&path, e))?;
        atomic::write(&path, &bytes)
    }
}

/// Cells of texts.
pub(super) fn texts(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// Cells of a mean and its interval, under the headings mean, low, high.
pub(super) fn cells(interval: &Interval) -> [String; 3] {
    [interval.mean, interval.low, interval.high].map(|value| value.to_string())
}
