//! Range checks that report instead of stopping.

use std::ops::RangeInclusive;

/// Collects the problems of a configuration.
#[derive(Default)]
pub(super) struct Problems(pub Vec<(String, String)>);

impl Problems {
    /// Notes a value outside its range; NaN is outside every range.
    pub fn check<T: PartialOrd + std::fmt::Display>(
        &mut self,
        key: &str,
        value: T,
        allowed: RangeInclusive<T>,
    ) {
        if !allowed.contains(&value) {
            self.add(key, format!("{value} is outside [{}, {}]", allowed.start(), allowed.end()));
        }
    }

    pub fn add(&mut self, key: &str, message: String) {
        self.0.push((key.to_owned(), message));
    }
}
