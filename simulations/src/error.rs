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
    /// An image does not fit what was said about it.
    #[error("{0}")]
    Image(String),
}

fn problem_list(problems: &[(String, String)]) -> String {
    let lines: Vec<_> = problems.iter().map(|(key, message)| format!("{key}: {message}")).collect();
    lines.join("; ")
}
