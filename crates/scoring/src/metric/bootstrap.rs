//! Mean over domains with its bootstrap interval.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

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

/// Resamples of a set of domains, drawn once and used for every measure: the intervals of two predictors, or of
/// two time steps, then rest on the same draws.
///
/// The domains are drawn anew with replacement [`COUNT`](Self::COUNT) times; the interval of a mean holds the
/// middle 95 % of the resampled means (percentile bootstrap). Domains are the independent units, so draw over
/// domains, never over pixels or frames. With fewer than about ten domains the interval is too narrow.
///
/// ```
/// use porecast_scoring::metric::bootstrap::Resamples;
///
/// let interval = Resamples::draw(4, 1).mean(&[0.1, 0.2, 0.3, 0.4]).unwrap();
/// assert!(interval.low < interval.mean && interval.mean < interval.high);
/// ```
///
/// # References
/// Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
#[derive(Debug, Clone)]
pub struct Resamples {
    size: usize,
    indices: Vec<u32>,
}

impl Resamples {
    /// Resamples drawn.
    pub const COUNT: usize = 2000;

    /// Draws resamples of `size` domains.
    pub fn draw(size: usize, seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let indices = (0..size * Self::COUNT).map(|_| generator.random_range(0..size as u32)).collect();
        Self { size, indices }
    }

    /// Mean of `values`, one a domain, with its interval. `None` without values; one value is its own interval.
    ///
    /// # Panics
    /// The number of values is not the size that was drawn for.
    pub fn mean(&self, values: &[f64]) -> Option<Interval> {
        assert_eq!(values.len(), self.size, "one value a domain");
        if values.is_empty() {
            return None;
        }
        let n = self.size as f64;
        let mut means: Vec<f64> = self
            .indices
            .chunks_exact(self.size)
            .map(|resample| resample.iter().map(|&i| values[i as usize]).sum::<f64>() / n)
            .collect();
        means.sort_unstable_by(f64::total_cmp);
        let quantile = |q: f64| means[(q * (Self::COUNT - 1) as f64).round() as usize];
        Some(Interval { mean: values.iter().sum::<f64>() / n, low: quantile(0.025), high: quantile(0.975) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_mean_and_one_value_has_no_spread() {
        assert_eq!(Resamples::draw(0, 0).mean(&[]), None);
        assert_eq!(Resamples::draw(1, 0).mean(&[0.25]), Some(Interval { mean: 0.25, low: 0.25, high: 0.25 }));
    }

    #[test]
    fn same_seed_same_interval() {
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        assert_eq!(Resamples::draw(30, 7).mean(&values), Resamples::draw(30, 7).mean(&values));
    }

    #[test]
    fn width_agrees_with_the_standard_error() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i % 10)).collect();
        let interval = Resamples::draw(200, 1).mean(&values).unwrap();
        let standard_error = (8.25f64 / 200.0).sqrt();
        assert_eq!(interval.mean, 4.5);
        assert!((interval.high - 4.5 - 1.96 * standard_error).abs() < 0.2 * standard_error);
        assert!((4.5 - interval.low - 1.96 * standard_error).abs() < 0.2 * standard_error);
    }
}
