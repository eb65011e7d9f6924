//! Means over samples with bootstrap intervals.

use std::collections::HashMap;

use crate::metric::Interval;
use crate::metric::bootstrap::Resamples;

/// Seed of the bootstrap: the same draws for all runs, so that their intervals can be compared.
const BOOTSTRAP_SEED: u64 = 0;

/// Bootstrap resamples of `samples` samples; all measures and predictors use the same.
pub(super) fn resamples(samples: usize) -> Resamples {
    Resamples::draw(samples, BOOTSTRAP_SEED)
}

/// Mean of values, one a sample.
pub(super) fn mean(values: &[f64]) -> Option<Interval> {
    resamples(values.len()).mean(values)
}

/// Mean of paired differences: ours less theirs on each sample that both have. Samples vary far more than predictors do on
/// one sample, so paired differences separate two predictors whose own intervals overlap. `None` without a common sample.
pub(super) fn mean_difference<'a>(
    ours: impl Iterator<Item = (&'a str, f64)>,
    theirs: impl Iterator<Item = (&'a str, f64)>,
) -> Option<Interval> {
    let theirs: HashMap<&str, f64> = theirs.collect();
    let differences: Vec<f64> = ours.filter_map(|(id, value)| Some(value - theirs.get(id)?)).collect();
    mean(&differences)
}
