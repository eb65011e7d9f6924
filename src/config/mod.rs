//! Raw TOML to validated configuration, every problem reported at once.

pub mod train;

/// Something wrong with one key of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Path of the key, such as `clock.frames` or `domain[1].weight`.
    pub key: String,
    /// What is wrong, with the value and what is allowed.
    pub what: String,
}

impl Problem {
    /// A problem in words.
    pub fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into() }
    }

    /// A value outside the range `allowed`.
    pub fn outside(key: impl Into<String>, value: impl std::fmt::Display, allowed: impl std::fmt::Display) -> Self {
        Self::new(key, format!("{value} is outside {allowed}"))
    }
}

/// A configuration that can say what is wrong with it.
pub trait Validate {
    /// Everything wrong, empty when it can be used.
    fn problems(&self) -> Vec<Problem>;
}

pub fn load<T: serde::de::DeserializeOwned + Validate>(_path: &std::path::Path, _sets: &[String]) -> crate::Result<T> {
    todo!()
}
pub fn to_toml<T: serde::Serialize>(_c: &T) -> crate::Result<String> {
    todo!()
}
