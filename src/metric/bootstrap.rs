//! Mean over domains with its bootstrap interval.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamples drawn for an interval.
pub const RESAMPLES: usize = 2000;

/// A mean and the 95 % interval of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean of the values.
    pub mean: f64,
    /// 2.5 % quantile of the resampled means.
    pub low: f64,
    /// 97.5 % quantile of the resampled means.
    pub high: f64,
}

/// Mean of `values` (one a domain) with the percentile bootstrap interval of 95 %: the domains are drawn anew with
/// replacement [`RESAMPLES`] times, and the interval holds the middle 95 % of their means. `None` without values;
/// a single value is its own interval.
///
/// Domains are the independent units, so draw over domains, never over pixels or frames. With fewer than about
/// ten domains the interval is too narrow.
///
/// # References
/// Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
pub fn mean(values: &[f64], seed: u64) -> Option<Interval> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..n).map(|_| values[generator.random_range(0..n)]).sum::<f64>() / n as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    let quantile = |q: f64| means[(q * (RESAMPLES - 1) as f64).round() as usize];
    Some(Interval {
        mean: values.iter().sum::<f64>() / n as f64,
        low: quantile(0.025),
        high: quantile(0.975),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_mean_and_one_value_has_no_spread() {
        assert_eq!(mean(&[], 0), None);
        assert_eq!(mean(&[0.25], 0), Some(Interval { mean: 0.25, low: 0.25, high: 0.25 }));
    }

    #[test]
    fn same_seed_same_interval() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        assert_eq!(mean(&values, 7), mean(&values, 7));
    }

    #[test]
    fn width_agrees_with_the_standard_error() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i % 10)).collect();
        let interval = mean(&values, 1).unwrap();
        let standard_error = (8.25f64 / 200.0).sqrt();
        assert_eq!(interval.mean, 4.5);
        assert!((interval.high - 4.5 - 1.96 * standard_error).abs() < 0.2 * standard_error);
        assert!((4.5 - interval.low - 1.96 * standard_error).abs() < 0.2 * standard_error);
    }
}
