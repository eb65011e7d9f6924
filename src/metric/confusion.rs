//! Counts of agreeing and disagreeing pixels, and the overlap measures that follow from them.

use std::iter::Sum;
use std::ops::Add;

use ndarray::{ArrayView2, Zip};
use serde::{Deserialize, Serialize};

/// Pixels by predicted and true phase. Counts add: sum them over frames or domains, then divide, for set-level values.
///
/// Where a ratio has no pixels to speak of, the prediction made no mistake of that sort and the ratio is 1.
///
/// ```
/// use ndarray::array;
/// use porecast::metric::Confusion;
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
    /// Invaded in both.
    pub true_positive: u64,
    /// Invaded in the prediction only.
    pub false_positive: u64,
    /// Invaded in the truth only.
    pub false_negative: u64,
    /// Invaded in neither.
    pub true_negative: u64,
}

impl Confusion {
    /// Counts the pixels in which `scored` is true.
    ///
    /// # Panics
    /// The shapes differ.
    pub fn count(predicted: ArrayView2<bool>, truth: ArrayView2<bool>, scored: ArrayView2<bool>) -> Self {
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

    /// Intersection over union, TP / (TP + FP + FN) (Jaccard 1912); 1 when both are empty.
    pub fn iou(&self) -> f64 {
        ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)
    }

    /// Dice coefficient, 2 TP / (2 TP + FP + FN) (Dice 1945); 1 when both are empty.
    pub fn dice(&self) -> f64 {
        ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
    }

    /// Share of the predicted invasion that is true, TP / (TP + FP); 1 when nothing is predicted.
    pub fn precision(&self) -> f64 {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// Share of the true invasion that is predicted, TP / (TP + FN); 1 when nothing is invaded.
    pub fn recall(&self) -> f64 {
        ratio(self.true_positive, self.true_positive + self.false_negative)
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

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    const ALL: [[bool; 2]; 2] = [[true, true], [true, true]];

    fn count(predicted: [[bool; 2]; 2], truth: [[bool; 2]; 2], scored: [[bool; 2]; 2]) -> Confusion {
        Confusion::count(
            Array2::from(predicted.to_vec()).view(),
            Array2::from(truth.to_vec()).view(),
            Array2::from(scored.to_vec()).view(),
        )
    }

    #[test]
    fn perfect_prediction_scores_one() {
        let truth = [[true, false], [true, false]];
        let c = count(truth, truth, ALL);
        assert_eq!((c.iou(), c.dice(), c.precision(), c.recall()), (1.0, 1.0, 1.0, 1.0));
    }

    #[test]
    fn disjoint_prediction_scores_zero() {
        let c = count([[true, false], [false, false]], [[false, true], [true, true]], ALL);
        assert_eq!((c.iou(), c.dice(), c.precision(), c.recall()), (0.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn empty_and_unscored_score_one() {
        let none = [[false; 2]; 2];
        for c in [count(none, none, ALL), count(ALL, none, none)] {
            assert_eq!((c.iou(), c.dice(), c.precision(), c.recall()), (1.0, 1.0, 1.0, 1.0));
        }
    }

    #[test]
    fn predicting_everything_by_hand() {
        let c = count(ALL, [[true, false], [false, false]], [[true, true], [true, false]]);
        assert_eq!(c, Confusion { true_positive: 1, false_positive: 2, ..Confusion::default() });
        assert_eq!((c.iou(), c.dice(), c.precision(), c.recall()), (1.0 / 3.0, 0.5, 1.0 / 3.0, 1.0));
    }

    proptest! {
        #[test]
        fn counts_agree_with_sets_and_add(pixels in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..60)) {
            let column = |f: fn(&(bool, bool, bool)) -> bool| {
                Array2::from_shape_vec((pixels.len(), 1), pixels.iter().map(f).collect()).unwrap()
            };
            let (p, t, s) = (column(|x| x.0), column(|x| x.1), column(|x| x.2));
            let whole = Confusion::count(p.view(), t.view(), s.view());
            let both = pixels.iter().filter(|x| x.2 && x.0 && x.1).count() as f64;
            let either = pixels.iter().filter(|x| x.2 && (x.0 || x.1)).count() as f64;
            prop_assert_eq!(whole.iou(), if either == 0.0 { 1.0 } else { both / either });
            let parts: Confusion = (0..pixels.len())
                .map(|i| Confusion::count(array![[p[[i, 0]]]].view(), array![[t[[i, 0]]]].view(), array![[s[[i, 0]]]].view()))
                .sum();
            prop_assert_eq!(parts, whole);
        }
    }
}
