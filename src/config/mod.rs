//! Raw TOML to validated configuration, every problem reported at once.

pub mod train;

/// Something wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

impl Problem {
    /// A problem with the value of `key`.
    pub fn new(key: impl Into<String>, value: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), allowed: allowed.into() }
    }
}

/// A configuration that can say what is wrong with it.
pub trait Validate {
    /// Everything wrong, empty when it can be used.
    fn problems(&self) -> Vec<Problem>;
}
