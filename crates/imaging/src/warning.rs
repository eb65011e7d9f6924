//! What is odd about a file and was worked around.

use std::fmt;
use std::path::{Path, PathBuf};

use porecast_base::Error;

/// Something odd about one file that did not keep the rest from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file or folder.
    pub path: PathBuf,
    /// What is odd, what was done about it, and what the user can do.
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
    /// A file that could not be used, in a folder that goes on without it.
    fn from(error: Error) -> Self {
        Self::new(Path::new(error.place()), format!("{}; left out", error.what()))
    }
}
