//! How much a stage says.

/// How much a stage says on standard error and standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbosity {
    /// Say nothing but errors.
    pub quiet: bool,
    /// Say more.
    pub verbose: bool,
}
