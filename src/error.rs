//! The crate's error: what happened, where, and what to do next.

use std::path::Path;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The class of an [`Error`]; it decides the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A configuration or an argument cannot be used.
    Config,
    /// An input file is missing, broken, or not what it should be.
    Input,
    /// Two inputs do not belong together.
    Mismatch,
    /// An output exists already.
    Exists,
    /// An output cannot be written.
    Output,
    /// A computation failed: a simulation, or a loss that is no longer finite.
    Diverged,
    /// The user stopped the run; it can be resumed.
    Interrupted,
}

/// An error of porecast.
///
/// The text names the place (a file, an HDF5 path, a configuration key), what is wrong there and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Error {
    kind: ErrorKind,
    place: String,
    what: String,
}

impl Error {
    /// An error of a given kind at `place`.
    pub fn new(kind: ErrorKind, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind, place: place.into(), what: what.into() }
    }

    /// A configuration or an argument that cannot be used.
    pub fn config(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, place, what)
    }

    /// An input file that cannot be used.
    pub fn input(path: &Path, what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, path.display().to_string(), what)
    }

    /// A file that does not belong to another.
    pub fn mismatch(path: &Path, what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Mismatch, path.display().to_string(), what)
    }

    /// An output file that cannot be written.
    pub fn output(path: &Path, cause: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Output, path.display().to_string(), format!("cannot be written: {cause}"))
    }

    /// An output that exists already.
    pub fn exists(path: &Path) -> Self {
        Self::new(
            ErrorKind::Exists,
            path.display().to_string(),
            "exists already; choose another output or pass --force to replace it",
        )
    }

    /// The user stopped what was being written to, or made from, `path`.
    pub fn stopped(path: &Path) -> Self {
        Self::new(
            ErrorKind::Interrupted,
            path.display().to_string(),
            "stopped; nothing was written, start it again",
        )
    }

    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Exit code of the program: 1 when the work failed, 2 when the arguments or the input are unusable.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Config | ErrorKind::Input | ErrorKind::Mismatch | ErrorKind::Exists => 2,
            ErrorKind::Output | ErrorKind::Diverged | ErrorKind::Interrupted => 1,
        }
    }
}

impl From<porecast_imaging::Error> for Error {
    /// The same place and text, of the class that decides the exit code.
    fn from(error: porecast_imaging::Error) -> Self {
        match error {
            porecast_imaging::Error::Input { path, message } => Self::input(&path, message),
            porecast_imaging::Error::Output { path, source } => Self::output(&path, source),
            porecast_imaging::Error::Stopped { path } => Self::stopped(&path),
            other => Self::new(ErrorKind::Input, "annotated images", other.to_string()),
        }
    }
}
