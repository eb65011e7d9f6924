//! What is wrong with a configuration.

use std::fmt::Display;

/// Something wrong with one key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `elastic.grid_px`.
    pub key: String,
    /// What is wrong, with the value and what is allowed.
    pub what: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// Gathers what is wrong with the values of one configuration.
#[derive(Debug, Default)]
pub(crate) struct Checks(pub(crate) Vec<Problem>);

impl Checks {
    /// Notes a problem unless `ok`.
    pub(crate) fn need(&mut self, ok: bool, key: &str, value: impl Display, allowed: &str) {
        if !ok {
            self.0.push(Problem { key: key.to_owned(), what: format!("{value} is outside {allowed}") });
        }
    }

    /// A value from `low` to `high`.
    pub(crate) fn range(&mut self, key: &str, value: f64, low: f64, high: f64) {
        self.need((low..=high).contains(&value), key, value, &format!("[{low}, {high}]"));
    }

    /// A probability or a share.
    pub(crate) fn share(&mut self, key: &str, value: f64) {
        self.range(key, value, 0.0, 1.0);
    }
}
