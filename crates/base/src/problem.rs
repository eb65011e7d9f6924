//! Problems of a configuration. All problems are reported, not only the first.

use std::fmt::Display;

use crate::{Error, Result};

/// A problem with one key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key, such as `domain[0].porosity`.
    pub key: String,
    /// What is wrong, with the value and the allowed range.
    pub what: String,
}

impl Problem {
    /// A problem with the value at `key`.
    pub fn new(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into() }
    }

    /// A value outside its range.
    pub fn outside(key: impl Into<String>, value: impl Display, allowed: impl Display) -> Self {
        Self::new(key, format!("{value} is outside {allowed}"))
    }

    /// A value that is not what the key takes.
    pub fn unexpected(key: impl Into<String>, value: impl Display, expected: impl Display) -> Self {
        Self::new(key, format!("{value}: expected {expected}"))
    }

    /// The same problem, with its key prefixed by that of a table.
    pub fn below(self, table: &str) -> Self {
        Self { key: format!("{table}.{}", self.key), what: self.what }
    }
}

/// The problems, with their keys prefixed by that of a table.
pub fn below(table: &str, problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
    problems.into_iter().map(move |problem| problem.below(table))
}

impl Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// Collects the problems of one configuration.
#[derive(Debug, Default)]
pub struct Checks(pub Vec<Problem>);

impl Checks {
    /// Records a problem with the value at `key`.
    pub fn add(&mut self, key: &str, what: impl Into<String>) {
        self.0.push(Problem::new(key, what));
    }

    /// Records a value outside its range unless `ok`, and returns `ok`.
    pub fn need(&mut self, ok: bool, key: &str, value: impl Display, allowed: impl Display) -> bool {
        if !ok {
            self.0.push(Problem::outside(key, value, allowed));
        }
        ok
    }

    /// Records a value that is not the expected one unless `ok`.
    pub fn expect(&mut self, ok: bool, key: &str, value: impl Display, expected: impl Display) {
        if !ok {
            self.0.push(Problem::unexpected(key, value, expected));
        }
    }

    /// Records a value outside `low` to `high`; NaN is outside every range.
    pub fn range<T: PartialOrd + Display>(&mut self, key: &str, value: T, low: T, high: T) {
        let is_inside = (&low..=&high).contains(&&value);
        self.need(is_inside, key, value, format!("[{low}, {high}]"));
    }

    /// Records a value that is not positive and finite.
    pub fn positive(&mut self, key: &str, value: f64) {
        self.need(value > 0.0 && value.is_finite(), key, value, "(0, inf)");
    }

    /// Records a value that is not a probability, from 0 to 1.
    pub fn probability(&mut self, key: &str, value: f64) {
        self.range(key, value, 0.0, 1.0);
    }

    /// Records a value that is not at least 0 and below 1.
    pub fn below_one(&mut self, key: &str, value: f64) {
        self.need((0.0..1.0).contains(&value), key, value, "[0, 1)");
    }

    /// Succeeds if no problem was recorded.
    ///
    /// # Errors
    /// A configuration error that lists every problem.
    pub fn into_result(self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        Err(Error::config("", lines.join("; ")))
    }
}

/// A configuration whose values can be out of range.
pub trait Validate {
    /// What the configuration is of, in words; empty if nothing else can be taken for it.
    const KIND: &'static str = "";

    /// All problems, with the key path, the value and the allowed range.
    fn problems(&self) -> Vec<Problem>;
}
