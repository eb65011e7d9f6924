//! The common error type: what happened, where, and what to do next.

use std::fmt::Display;
use std::path::Path;

use crate::interrupt;

/// Result with an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an [`Error`]; it determines the exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A configuration or an argument cannot be used.
    Config,
    /// An input file is missing, damaged, or has unexpected content.
    Input,
    /// Two inputs do not belong together.
    Mismatch,
    /// An output already exists.
    Exists,
    /// An output cannot be written.
    Output,
    /// A domain cannot be made or simulated with these settings.
    Simulation,
    /// A computation failed: a simulation became unstable, or a loss is no longer finite.
    Diverged,
    /// A saved state cannot be resumed.
    SavedState,
    /// The user stopped the run; it can be resumed.
    Interrupted,
}

/// An error of porecast.
///
/// The text names the place (a file, an HDF5 path, a configuration key), what is wrong there and what to do
/// next. If the place is empty, the text contains only what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{place}{}{what}", if place.is_empty() { "" } else { ": " })]
pub struct Error {
    kind: ErrorKind,
    place: String,
    what: String,
    source: Option<Cause>,
}

/// Underlying cause of an error.
type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// An error of a given kind at `place`.
    pub fn new(kind: ErrorKind, place: impl Into<String>, what: impl Display) -> Self {
        Self { kind, place: place.into(), what: what.to_string(), source: None }
    }

    /// A configuration or an argument that cannot be used.
    pub fn config(place: impl Into<String>, what: impl Display) -> Self {
        Self::new(ErrorKind::Config, place, what)
    }

    /// An input file that cannot be used.
    pub fn input(path: &Path, what: impl Display) -> Self {
        Self::new(ErrorKind::Input, path.display().to_string(), what)
    }

    /// A file or folder that cannot be read.
    pub fn unreadable(path: &Path, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        Self::input(path, format!("cannot be read: {cause}; check the path")).caused_by(cause)
    }

    /// A domain that cannot be made or simulated; the error has no place.
    pub fn simulation(what: impl Display) -> Self {
        Self::new(ErrorKind::Simulation, "", what)
    }

    /// A file that does not match another one.
    pub fn mismatch(path: &Path, what: impl Display) -> Self {
        Self::new(ErrorKind::Mismatch, path.display().to_string(), what)
    }

    /// An output file that cannot be written.
    pub fn output(path: &Path, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        let what = format!("cannot be written: {cause}");
        Self::new(ErrorKind::Output, path.display().to_string(), what).caused_by(cause)
    }

    /// An output that already exists.
    pub fn exists(path: &Path) -> Self {
        let what = "exists already; choose another output or pass --force to replace it";
        Self::new(ErrorKind::Exists, path.display().to_string(), what)
    }

    /// An output that another process writes.
    pub fn in_use(path: &Path) -> Self {
        let what = "is being written by another porecast; wait for it or choose another output";
        Self::new(ErrorKind::Exists, path.display().to_string(), what)
    }

    /// The user stopped the work on `path`.
    pub fn stopped(path: &Path) -> Self {
        let what = "stopped; the output is as it was, start again";
        Self::new(ErrorKind::Interrupted, path.display().to_string(), what)
    }

    /// The same error with its underlying cause, for [`source`](std::error::Error::source).
    pub fn caused_by(self, cause: impl Into<Cause>) -> Self {
        Self { source: Some(cause.into()), ..self }
    }

    /// The same error about a temporary path, in words about the path that it stands for.
    pub fn relocated(self, temporary: &Path, path: &Path) -> Self {
        let named = |text: &str| text.replace(&temporary.display().to_string(), &path.display().to_string());
        Self { place: named(&self.place), what: named(&self.what), ..self }
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where it happened: a file, an HDF5 path, a configuration key.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What happened there.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Exit code of the program: 1 when the work failed, 2 when the arguments or the input are unusable, 130 when the
    /// user stopped it.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Config | ErrorKind::Input | ErrorKind::Mismatch | ErrorKind::Exists => 2,
            ErrorKind::Output | ErrorKind::Simulation | ErrorKind::Diverged | ErrorKind::SavedState => 1,
            ErrorKind::Interrupted => interrupt::EXIT_CODE,
        }
    }
}
