//! Verbosity of a stage.

/// How much a stage prints to standard error and standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// Print only errors.
    pub quiet: bool,
    /// Print more.
    pub verbose: bool,
}
