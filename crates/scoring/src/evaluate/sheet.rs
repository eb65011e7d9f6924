//! CSV files for other programs.

use std::path::Path;

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
    /// A file with the rows of each part and source: `rows` gives the part, the source and the cells behind them.
    pub(super) fn of_sources<'a>(
        file: &'static str,
        headings: Vec<String>,
        rows: impl Iterator<Item = (&'a str, &'a str, Vec<Vec<String>>)>,
    ) -> Self {
        let mut all = vec![[texts(&["part", "source"]), headings].concat()];
        for (part, source, rows) in rows {
            all.extend(rows.into_iter().map(|row| [texts(&[part, source]), row].concat()));
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
