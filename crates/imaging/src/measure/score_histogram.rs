//! Histograms of scores inside and outside the truth; curves over the threshold are computed from them.

use std::ops::AddAssign;

use ndarray::{ArrayView2, Zip};
use serde::{Deserialize, Serialize};

use super::confusion::Confusion;

/// Number of bins: probabilities are resolved to 1/1024.
const BINS: usize = 1024;

/// Pixel counts by score and truth. Counts can be added, so the curve of a whole set needs no stored scores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreHistogram {
    /// Pixels of the class, by score from 0 to 1.
    positive: Vec<u64>,
    /// Other pixels by score.
    negative: Vec<u64>,
}

/// A threshold and its counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// Pixels with a score of at least this are predicted.
    pub threshold: f64,
    /// Counts at this threshold.
    pub counts: Confusion,
}

impl Default for ScoreHistogram {
    fn default() -> Self {
        Self { positive: vec![0; BINS], negative: vec![0; BINS] }
    }
}

impl ScoreHistogram {
    /// Adds the pixels in which `scored` is true. Scores are probabilities; values outside [0, 1] are
    /// clamped, and NaN counts as 0.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn count(
        &mut self,
        scores: ArrayView2<'_, f32>,
        truth: ArrayView2<'_, bool>,
        scored: ArrayView2<'_, bool>,
    ) {
        Zip::from(&scores).and(&truth).and(&scored).for_each(|&score, &truth, &scored| {
            if scored {
                let bin = ((score * BINS as f32) as usize).min(BINS - 1);
                let counts = if truth { &mut self.positive } else { &mut self.negative };
                counts[bin] += 1;
            }
        });
    }

    /// The counts at thresholds 0, 1/1024, …, 1023/1024, in ascending order, and finally those with nothing
    /// predicted.
    pub fn curve(&self) -> Vec<OperatingPoint> {
        let (mut positive, mut negative) = (self.positive.iter().sum(), self.negative.iter().sum());
        let mut counts =
            Confusion { true_positive: positive, false_positive: negative, ..Default::default() };
        let (all_positive, all_negative): (u64, u64) = (positive, negative);
        let mut points = vec![OperatingPoint { threshold: 0.0, counts }];
        for bin in 0..BINS {
            positive -= self.positive[bin];
            negative -= self.negative[bin];
            counts = Confusion {
                true_positive: positive,
                false_positive: negative,
                false_negative: all_positive - positive,
                true_negative: all_negative - negative,
            };
            points.push(OperatingPoint { threshold: (bin + 1) as f64 / BINS as f64, counts });
        }
        points
    }

    /// Area under the precision-recall curve, Σ (Rᵢ - Rᵢ₋₁) Pᵢ from high thresholds to low; `None` if the
    /// truth is empty.
    pub fn average_precision(&self) -> Option<f64> {
        let points = self.curve();
        let first = points.first()?;
        (first.counts.true_positive > 0).then(|| {
            points
                .windows(2)
                .map(|pair| (pair[0].counts.recall() - pair[1].counts.recall()) * pair[0].counts.precision())
                .sum()
        })
    }

    /// The threshold with the highest Dice coefficient; the lowest one if several are equal.
    pub fn best_dice(&self) -> OperatingPoint {
        let points = self.curve();
        points[1..].iter().fold(points[0], |best, point| {
            if point.counts.dice() > best.counts.dice() { *point } else { best }
        })
    }
}

impl AddAssign<&Self> for ScoreHistogram {
    fn add_assign(&mut self, other: &Self) {
        for (count, more) in self.positive.iter_mut().zip(&other.positive) {
            *count += more;
        }
        for (count, more) in self.negative.iter_mut().zip(&other.negative) {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    fn histogram(scores: &Array2<f32>, truth: &Array2<bool>) -> ScoreHistogram {
        let mut histogram = ScoreHistogram::default();
        histogram.count(scores.view(), truth.view(), Array2::from_elem(scores.dim(), true).view());
        histogram
    }

    #[test]
    fn four_pixels_by_hand() {
        let counts = histogram(&array![[0.9, 0.8, 0.3, 0.1]], &array![[true, false, true, false]]);
        // From high thresholds to low: 0.9 gives P 1, R 1/2; 0.3 gives P 2/3, R 1.
        let expected = 0.5 + 0.5 * 2.0 / 3.0;
        assert!((counts.average_precision().unwrap() - expected).abs() < 1e-12);
        let best = counts.best_dice();
        assert_eq!(best.counts.dice(), 0.8);
        assert!(best.threshold > 0.1 && best.threshold <= 0.3);
    }

    #[test]
    fn perfect_and_empty_truths() {
        let scores = array![[1.0, 0.0, 1.0]];
        assert_eq!(histogram(&scores, &array![[true, false, true]]).average_precision(), Some(1.0));
        assert_eq!(histogram(&scores, &array![[false, false, false]]).average_precision(), None);
        let odd = histogram(&array![[f32::NAN, 2.0, -1.0]], &array![[false, true, false]]);
        assert_eq!(odd.average_precision(), Some(1.0));
    }

    proptest! {
        #[test]
        fn each_point_equals_a_count_at_its_threshold(
            pixels in prop::collection::vec((0.0f32..=1.0, any::<bool>()), 1..50), step in 0usize..BINS,
        ) {
            let scores = Array2::from_shape_fn((1, pixels.len()), |(_, x)| pixels[x].0);
            let truth = Array2::from_shape_fn((1, pixels.len()), |(_, x)| pixels[x].1);
            let counts = histogram(&scores, &truth);
            let point = counts.curve()[step];
            let predicted = scores.mapv(|score| f64::from(score) >= point.threshold);
            let all = Array2::from_elem(truth.dim(), true);
            prop_assert_eq!(point.counts, Confusion::count(predicted.view(), truth.view(), all.view()));
            let mut twice = counts.clone();
            twice += &counts;
            prop_assert_eq!(twice.average_precision(), counts.average_precision());
        }
    }
}
