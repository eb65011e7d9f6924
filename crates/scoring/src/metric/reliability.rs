//! Calibration: whether predicted probabilities agree with observed shares.

use std::ops::AddAssign;

use ndarray::{ArrayView2, Zip};
use serde::{Deserialize, Serialize};

/// Bins of equal width from 0 to 1.
const BINS: usize = 20;

/// Number of pixels and of invaded pixels, by bins of the predicted probability.
///
/// Counts add over frames and domains.
///
/// # References
/// Murphy (1973), A new vector partition of the probability score.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reliability {
    /// The bins, ascending.
    pub bins: [Bin; BINS],
}

/// The pixels with a probability in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Number of pixels.
    pub count: u64,
    /// Pixels in which the invading phase is.
    pub invaded: u64,
    /// Sum of the predicted probabilities.
    pub probability: f64,
}

impl Bin {
    /// Mean predicted probability and the share of invaded pixels; `None` for an empty bin.
    pub fn means(&self) -> Option<(f64, f64)> {
        let count = self.count as f64;
        (self.count > 0).then(|| (self.probability / count, self.invaded as f64 / count))
    }
}

/// Murphy's partition: Brier score = reliability − resolution + uncertainty, up to the spread of probabilities within
/// the bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Partition {
    /// Mean squared distance between predicted probability and observed share; 0 is best.
    pub reliability: f64,
    /// Variance of the observed share between bins; higher is better.
    pub resolution: f64,
    /// Variance of the truth, whatever is predicted.
    pub uncertainty: f64,
}

impl Reliability {
    /// Counts the pixels in which `scored` is true.
    ///
    /// # Panics
    /// The shapes differ.
    pub fn add(&mut self, probability: ArrayView2<f32>, truth: ArrayView2<bool>, scored: ArrayView2<bool>) {
        Zip::from(&probability).and(&truth).and(&scored).for_each(|&p, &g, &scored| {
            if scored {
                let bin = &mut self.bins[((p * BINS as f32) as usize).min(BINS - 1)];
                bin.count += 1;
                bin.invaded += u64::from(g);
                bin.probability += f64::from(p);
            }
        });
    }

    /// The partition of the Brier score; `None` when no pixel was counted.
    pub fn partition(&self) -> Option<Partition> {
        let count = self.bins.iter().map(|bin| bin.count).sum::<u64>() as f64;
        if count == 0.0 {
            return None;
        }
        let base = self.bins.iter().map(|bin| bin.invaded).sum::<u64>() as f64 / count;
        let mut partition = Partition { reliability: 0.0, resolution: 0.0, uncertainty: base * (1.0 - base) };
        for bin in &self.bins {
            let Some((predicted, observed)) = bin.means() else { continue };
            let share = bin.count as f64 / count;
            partition.reliability += share * (predicted - observed).powi(2);
            partition.resolution += share * (observed - base).powi(2);
        }
        Some(partition)
    }
}

impl AddAssign<&Self> for Reliability {
    fn add_assign(&mut self, other: &Self) {
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            bin.count += other.count;
            bin.invaded += other.invaded;
            bin.probability += other.probability;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SquaredError;
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        let p = array![[0.22, 0.22, 0.22, 0.22], [0.72, 0.72, 0.9, 1.0]];
        let g = array![[true, false, false, false], [true, false, true, false]];
        let mut scored = Array2::from_elem((2, 4), true);
        scored[[1, 2]] = false;
        scored[[1, 3]] = false;
        let mut found = Reliability::default();
        found.add(p.view(), g.view(), scored.view());
        let Partition { reliability, resolution, uncertainty } = found.partition().unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        close(reliability, (4.0 * 0.03f64.powi(2) + 2.0 * 0.22f64.powi(2)) / 6.0);
        close(resolution, (4.0 * (0.25 - 1.0 / 3.0f64).powi(2) + 2.0 * (0.5 - 1.0 / 3.0f64).powi(2)) / 6.0);
        close(uncertainty, 2.0 / 9.0);
    }

    #[test]
    fn nothing_counted_has_no_partition() {
        assert_eq!(Reliability::default().partition(), None);
    }

    proptest! {
        // One probability a bin leaves nothing within the bins: the partition is exact.
        #[test]
        fn the_parts_sum_to_the_brier_score(pixels in prop::collection::vec((0..BINS, any::<bool>()), 1..80)) {
            let n = pixels.len();
            let middle = |bin: usize| (bin as f32 + 0.5) / BINS as f32;
            let p = Array2::from_shape_fn((1, n), |(_, i)| middle(pixels[i].0));
            let g = Array2::from_shape_fn((1, n), |(_, i)| pixels[i].1);
            let scored = Array2::from_elem((1, n), true);
            let mut found = Reliability::default();
            found.add(p.view(), g.view(), scored.view());
            let Partition { reliability, resolution, uncertainty } = found.partition().unwrap();
            let brier = SquaredError::sum(p.view(), g.view(), scored.view()).mean().unwrap();
            prop_assert!((reliability - resolution + uncertainty - brier).abs() < 1e-6);
        }
    }
}
