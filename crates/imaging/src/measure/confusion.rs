//! Confusion counts of one class, and the overlap measures derived from them.

use std::iter::Sum;
use std::ops::Add;

use ndarray::{ArrayView2, Zip};
use serde::{Deserialize, Serialize};

/// Pixel counts by prediction and truth. Counts can be added: for set-level values, sum them over images,
/// then compute the ratio.
///
/// A ratio whose denominator is zero is 1, because the prediction made no mistake of that kind.
///
/// ```
/// use ndarray::array;
/// use porecast_imaging::measure::Confusion;
///
/// let predicted = array![[true, true], [false, false]];
/// let truth = array![[true, false], [true, false]];
/// let scored = array![[true, true], [true, true]];
/// let counts = Confusion::count(predicted.view(), truth.view(), scored.view());
/// assert_eq!(counts.iou(), 1.0 / 3.0);
/// assert_eq!(counts.dice(), 0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confusion {
    /// True positives.
    pub true_positive: u64,
    /// False positives: only predicted.
    pub false_positive: u64,
    /// False negatives: only in the truth.
    pub false_negative: u64,
    /// True negatives.
    pub true_negative: u64,
}

impl Confusion {
    /// Counts the pixels in which `scored` is true.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn count(
        predicted: ArrayView2<'_, bool>,
        truth: ArrayView2<'_, bool>,
        scored: ArrayView2<'_, bool>,
    ) -> Self {
        let mut counts = Self::default();
        Zip::from(&predicted).and(&truth).and(&scored).for_each(|&predicted, &truth, &scored| {
            if scored {
                *match (predicted, truth) {
                    (true, true) => &mut counts.true_positive,
                    (true, false) => &mut counts.false_positive,
                    (false, true) => &mut counts.false_negative,
                    (false, false) => &mut counts.true_negative,
                } += 1;
            }
        });
        counts
    }

    /// True positives over predicted positives, TP / (TP + FP); 1 when nothing is predicted.
    pub fn precision(&self) -> f64 {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// True positives over actual positives, TP / (TP + FN); 1 when the truth is empty.
    pub fn recall(&self) -> f64 {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Fraction of pixels that are predicted correctly, (TP + TN) / all; 1 when nothing is scored.
    pub fn accuracy(&self) -> f64 {
        let agreeing = self.true_positive + self.true_negative;
        ratio(agreeing, agreeing + self.false_positive + self.false_negative)
    }

    /// Whether the class occurs in the prediction or in the truth.
    pub fn occurs(&self) -> bool {
        self.true_positive + self.false_positive + self.false_negative > 0
    }
}

impl Add for Confusion {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            true_positive: self.true_positive + other.true_positive,
            false_positive: self.false_positive + other.false_positive,
            false_negative: self.false_negative + other.false_negative,
            true_negative: self.true_negative + other.true_negative,
        }
    }
}

impl Sum for Confusion {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn count(predicted: [[bool; 2]; 2], truth: [[bool; 2]; 2], scored: [[bool; 2]; 2]) -> [f64; 5] {
        let [p, t, s] = [predicted, truth, scored].map(|rows| Array2::from(rows.to_vec()));
        let c = Confusion::count(p.view(), t.view(), s.view());
        [c.iou(), c.dice(), c.precision(), c.recall(), c.accuracy()]
    }

    const ALL: [[bool; 2]; 2] = [[true, true], [true, true]];
    const NONE: [[bool; 2]; 2] = [[false; 2]; 2];

    #[test]
    fn two_by_two_by_hand() {
        let truth = [[true, false], [true, false]];
        assert_eq!(count(truth, truth, ALL), [1.0; 5]);
        assert_eq!(count([[false, true], [false, true]], truth, ALL), [0.0; 5]);
        assert_eq!(count(ALL, truth, ALL), [0.5, 2.0 / 3.0, 0.5, 1.0, 0.5]);
        assert_eq!(
            count([[true, true], [false, false]], truth, [[true, true], [true, false]]),
            [1.0 / 3.0, 0.5, 0.5, 0.5, 1.0 / 3.0]
        );
    }

    #[test]
    fn empty_and_unscored_score_one() {
        assert_eq!(count(NONE, NONE, ALL), [1.0; 5]);
        assert_eq!(count(ALL, NONE, NONE), [1.0; 5]);
        let empty = array![[false]];
        assert!(!Confusion::count(empty.view(), empty.view(), array![[true]].view()).occurs());
    }
}
