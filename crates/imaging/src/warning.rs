//! Warnings about anomalies in a file that were worked around.

use std::fmt;
use std::path::{Path, PathBuf};

use porecast_base::Error;

/// An anomaly in one file that does not prevent reading the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong, how it was handled, and what the user can do.
    pub message: String,
}

impl Warning {
    /// A warning about `path`.
    pub fn new(path: &Path, message: impl ToString) -> Self {
        Self { path: path.to_path_buf(), message: message.to_string() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

impl From<Error> for Warning {
    /// Warns about an unusable file in a folder whose other files are still read.
    fn from(error: Error) -> Self {
        Self::new(Path::new(error.place()), format!("{}; left out", error.what()))
    }
}
