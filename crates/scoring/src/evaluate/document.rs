//! JSON files that name their format and version.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use porecast_base::atomic;
use porecast_base::{Error, Result};

/// What an evaluation or a comparison leaves behind.
pub trait Document: Serialize + DeserializeOwned {
    /// The `format` field.
    const FORMAT: &'static str;
    /// Version of the schema written by this program.
    const VERSION: u32;
    /// The command that writes it.
    const COMMAND: &'static str;

    /// Reads a document.
    ///
    /// # Errors
    /// The file is missing or holds something else.
    fn read(path: &Path) -> Result<Self> {
        let command = Self::COMMAND;
        let bytes = std::fs::read(path)
            .map_err(|e| Error::input(path, format!("cannot be read: {e}; run `{command}` first")))?;
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

    /// Writes it atomically.
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
