//! Tables as CSV.

use std::path::Path;

use serde::Serialize;

use porecast_base::atomic;
use porecast_base::{Error, Result};

/// Writes rows under a header made of their field names, atomically.
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
