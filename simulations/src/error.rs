//! The crate's error.

/// What went wrong with a domain or a simulation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pore space has no path from the inlet to the outlet.
    #[error("the pore space has no path from the {inlet} edge to the {outlet} edge")]
    DoesNotPercolate {
        /// Edge where the invading fluid enters.
        inlet: crate::Side,
        /// Edge where the defending fluid leaves.
        outlet: crate::Side,
    },
    /// A parameter lies outside its range.
    #[error("{name} = {value} is outside {allowed}")]
    OutOfRange {
        /// Name of the parameter.
        name: &'static str,
        /// The value given.
        value: String,
        /// The allowed range, in words or interval notation.
        allowed: &'static str,
    },
    /// A configuration has problems; all of them are listed.
    #[error("{}", problem_list(.0))]
    Invalid(Vec<(String, String)>),
    /// The settings are in range, but no such domain fits the requested size.
    #[error("{0}")]
    CannotGenerate(String),
    /// A simulation became unstable.
    #[error(
        "the simulation diverged within 50 steps before step {steps}: {reason}; lower the injection rate \
        or choose other lattice parameters"
    )]
    Diverged {
        /// Time steps done when it was noticed.
        steps: u64,
        /// What was found.
        reason: String,
    },
    /// The invading fluid did not reach the outlet.
    #[error("the invading fluid has not reached the outlet after {pore_volumes} pore volumes")]
    NoBreakthrough {
        /// Injected volume over that of the pore space.
        pore_volumes: f64,
    },
    /// Who watched a simulation stopped it.
    #[error("the simulation was stopped after step {steps}")]
    Stopped {
        /// Time steps done.
        steps: u64,
    },
    /// A saved state cannot be gone on from.
    #[error("the saved state cannot be used: {0}")]
    SavedState(String),
    /// An image does not fit what was said about it.
    #[error("{0}")]
    Image(String),
}

fn problem_list(problems: &[(String, String)]) -> String {
    let lines: Vec<_> = problems.iter().map(|(key, message)| format!("{key}: {message}")).collect();
    lines.join("; ")
}
