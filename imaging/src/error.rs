//! What can go wrong with an annotated image.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What happened, and to which file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is missing, damaged, or not what its format asks for.
    #[error("{}: {message}", path.display())]
    Input {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do next.
        message: String,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The caller asked to stop.
    #[error("{}: stopped; nothing was written, start it again", path.display())]
    Stopped {
        /// What was being written.
        path: PathBuf,
    },
}

impl Error {
    /// A file that is missing, damaged, or not what its format asks for.
    pub fn input(path: &Path, message: impl ToString) -> Self {
        Self::Input { path: path.to_path_buf(), message: message.to_string() }
    }

    /// A file that cannot be written.
    pub fn output(path: &Path, source: std::io::Error) -> Self {
        Self::Output { path: path.to_path_buf(), source }
    }
}
