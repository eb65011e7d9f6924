//! CSV files.

use std::path::Path;

use serde::Serialize;

use porecast_base::atomic;
use porecast_base::{Error, Result};

/// Writes rows atomically, under a header of their field names.
///
/// # Errors
/// The file cannot be written.
pub fn write_csv<R: Serialize>(path: &Path, rows: impl IntoIterator<Item = R>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|e| Error::output(path, e))?;
    }
    let bytes = writer.into_inner().map_err(|e| Error::output(path, e))?;
    atomic::write(path, &bytes)
}

/// Reads a table: its header, and its rows as texts.
///
/// # Errors
/// The file cannot be read or its rows differ in length.
pub fn read_csv(path: &Path) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let damaged = |e: csv::Error| Error::input(path, format!("is not a readable CSV table: {e}"));
    let cells = |row: &csv::StringRecord| row.iter().map(str::to_owned).collect();
    let mut reader = csv::Reader::from_path(path).map_err(damaged)?;
    let head = cells(reader.headers().map_err(damaged)?);
    let rows = reader.records().map(|row| row.map(|row| cells(&row)).map_err(damaged));
    Ok((head, rows.collect::<Result<_>>()?))
}

/// Reads columns of numbers by their names, row by row; a cell that holds no number is NaN.
///
/// # Errors
/// The file cannot be read or lacks a column.
pub fn read_columns<const N: usize>(path: &Path, names: [&str; N]) -> Result<Vec<[f64; N]>> {
    let bad = |what: String| Error::input(path, what);
    let mut reader = csv::Reader::from_path(path).map_err(|e| bad(format!("cannot be read: {e}")))?;
    let headings = reader.headers().map_err(|e| bad(format!("has no headings: {e}")))?.clone();
    let mut columns = [0; N];
    for (column, name) in columns.iter_mut().zip(names) {
        let found = headings.iter().position(|heading| heading == name);
        *column = found.ok_or_else(|| bad(format!("has no column {name:?}")))?;
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| bad(format!("is broken: {e}")))?;
        let value = |column: usize| record.get(column).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
        rows.push(columns.map(value));
    }
    Ok(rows)
}
