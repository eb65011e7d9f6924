//! JSON documents with a format and version, and reading and copying of plain files.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use porecast_base::atomic;
use porecast_base::{Error, Result};

/// JSON document with the results of an evaluation or a comparison.
pub trait Document: Serialize + DeserializeOwned {
    /// The `format` field.
    const FORMAT: &'static str;
    /// Version of the schema written by this program.
    const VERSION: u32;
    /// Command that writes the document.
    const COMMAND: &'static str;

    /// Reads a document.
    ///
    /// # Errors
    /// The file is missing or holds something else.
    fn read(path: &Path) -> Result<Self> {
        let command = Self::COMMAND;
        let bytes = read_bytes(path, &format!("run `{command}` first"))?;
        let unreadable = |e: serde_json::Error| {
            Error::input(path, format!("is not {:?}: {e}; run `{command} --force`", Self::FORMAT))
        };
        let Header { format, version } = serde_json::from_slice(&bytes).map_err(unreadable)?;
        if format != Self::FORMAT || version != Self::VERSION {
            return Err(Error::input(
                path,
                format!(
                    "has format {format:?} version {version}, expected {:?} version {}; run `{command} --force`",
                    Self::FORMAT,
                    Self::VERSION
                ),
            ));
        }
        serde_json::from_slice(&bytes).map_err(unreadable)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    fn write(&self, path: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::output(path, e))?;
        atomic::write(path, &bytes)
    }
}

#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// Reads a file; an error message ends with `remedy`.
///
/// # Errors
/// The file cannot be read.
pub fn read_bytes(path: &Path, remedy: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be read: {e}; {remedy}")))
}

/// Reads a text file; `None` if there is no such file.
///
/// # Errors
/// The file exists but cannot be read.
pub fn read_text_if_present(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::input(path, format!("cannot be read: {e}"))),
    }
}

/// Copies the files of a folder into another; the message of a read error ends with `remedy`.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_files(from: &Path, to: &Path, remedy: &str) -> Result<()> {
    let unreadable = |e| Error::input(from, format!("cannot be read: {e}; {remedy}"));
    for entry in std::fs::read_dir(from).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let bytes = std::fs::read(entry.path()).map_err(unreadable)?;
        atomic::write(&to.join(entry.file_name()), &bytes)?;
    }
    Ok(())
}
