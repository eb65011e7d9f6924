//! Pixel counts by true and predicted class.

use std::ops::AddAssign;

use ndarray::{Array2, ArrayView2, Zip};
use serde::{Deserialize, Serialize};

use super::confusion::{Confusion, ratio};

/// Pixel counts by true and predicted class. Counts can be added over the images of a set.
///
/// ```
/// use ndarray::array;
/// use porecast_imaging::measure::ConfusionMatrix;
///
/// let mut counts = ConfusionMatrix::new(3);
/// let truth = array![[0, 1], [1, 2]];
/// let predicted = array![[0, 1], [2, 2]];
/// counts.count(predicted.view(), truth.view(), array![[true, true], [true, true]].view());
/// assert_eq!(counts.class(1).iou(), 0.5);
/// assert_eq!(counts.mean_iou(&[0]), Some(0.5));
/// assert_eq!(counts.pixel_accuracy(), 0.75);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfusionMatrix {
    /// `[truth][predicted]`.
    counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// An empty matrix for this number of classes.
    pub fn new(classes: usize) -> Self {
        Self { counts: vec![vec![0; classes]; classes] }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Adds the pixels in which `scored` is true. Masks are `[y, x]`.
    ///
    /// # Panics
    /// If the shapes differ, or the class of a scored pixel is not below the number of classes.
    pub fn count(
        &mut self,
        predicted: ArrayView2<'_, u8>,
        truth: ArrayView2<'_, u8>,
        scored: ArrayView2<'_, bool>,
    ) {
        Zip::from(&predicted).and(&truth).and(&scored).for_each(|&predicted, &truth, &scored| {
            if scored {
                self.counts[usize::from(truth)][usize::from(predicted)] += 1;
            }
        });
    }

    /// Pixel counts `[truth, predicted]`.
    pub fn counts(&self) -> Array2<u64> {
        Array2::from_shape_fn((self.classes(), self.classes()), |(truth, predicted)| {
            self.counts[truth][predicted]
        })
    }

    /// The counts of one class against all others.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn class(&self, class: u8) -> Confusion {
        let class = usize::from(class);
        let true_positive = self.counts[class][class];
        let in_truth: u64 = self.counts[class].iter().sum();
        let in_prediction: u64 = self.counts.iter().map(|row| row[class]).sum();
        let all: u64 = self.counts.iter().flatten().sum();
        Confusion {
            true_positive,
            false_positive: in_prediction - true_positive,
            false_negative: in_truth - true_positive,
            true_negative: all + true_positive - in_truth - in_prediction,
        }
    }

    /// Fraction of pixels that are predicted correctly; 1 when nothing was counted.
    pub fn pixel_accuracy(&self) -> f64 {
        let right = (0..self.classes()).map(|class| self.counts[class][class]).sum();
        ratio(right, self.counts.iter().flatten().sum())
    }

    /// Mean intersection over union of the classes that occur in truth or prediction and are not excluded;
    /// `None` if there is no such class.
    pub fn mean_iou(&self, excluded: &[u8]) -> Option<f64> {
        self.mean(excluded, Confusion::iou)
    }

    /// Like [`mean_iou`](Self::mean_iou), for the Dice coefficient.
    pub fn mean_dice(&self, excluded: &[u8]) -> Option<f64> {
        self.mean(excluded, Confusion::dice)
    }

    fn mean(&self, excluded: &[u8], measure: impl Fn(&Confusion) -> f64) -> Option<f64> {
        let values: Vec<f64> = (0..self.classes() as u8)
            .filter(|class| !excluded.contains(class))
            .map(|class| self.class(class))
            .filter(Confusion::occurs)
            .map(|counts| measure(&counts))
            .collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }
}

impl AddAssign<&Self> for ConfusionMatrix {
    /// # Panics
    /// If the numbers of classes differ.
    fn add_assign(&mut self, other: &Self) {
        assert_eq!(self.classes(), other.classes(), "counts of equally many classes");
        for (count, more) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            *count += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn three_classes_by_hand() {
        let mut counts = ConfusionMatrix::new(4);
        let truth = array![[0, 0, 0, 1], [1, 1, 2, 2]];
        let predicted = array![[0, 0, 1, 1], [1, 0, 2, 0]];
        counts.count(predicted.view(), truth.view(), Array2::from_elem((2, 4), true).view());
        assert_eq!(counts.counts(), array![[2, 1, 0, 0], [1, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]);
        assert_eq!([0, 1, 2].map(|class| counts.class(class).iou()), [0.4, 0.5, 0.5]);
        assert_eq!(counts.pixel_accuracy(), 0.625);
        // Class 3 does not occur and does not count.
        assert_eq!(counts.mean_iou(&[]), Some((0.4 + 0.5 + 0.5) / 3.0));
        assert_eq!(counts.mean_iou(&[0, 2]), Some(0.5));
        assert_eq!(counts.mean_iou(&[0, 1, 2]), None);
        assert_eq!(counts.mean_dice(&[0]), Some((4.0 / 6.0 + 2.0 / 3.0) / 2.0));
    }

    proptest! {
        #[test]
        fn each_class_equals_its_binary_counts_and_images_add(
            pixels in prop::collection::vec((0u8..3, 0u8..3, any::<bool>()), 2..80), at in 0.0f64..1.0,
        ) {
            let column = |f: fn(&(u8, u8, bool)) -> u8| {
                Array2::from_shape_vec((pixels.len(), 1), pixels.iter().map(f).collect()).unwrap()
            };
            let (p, t, s) = (column(|x| x.0), column(|x| x.1), column(|x| x.2.into()).mapv(|s| s == 1));
            let mut whole = ConfusionMatrix::new(3);
            whole.count(p.view(), t.view(), s.view());
            for class in 0..3 {
                let (p, t) = (p.mapv(|c| c == class), t.mapv(|c| c == class));
                prop_assert_eq!(whole.class(class), Confusion::count(p.view(), t.view(), s.view()));
            }
            let cut = (at * pixels.len() as f64) as usize;
            let mut parts = ConfusionMatrix::new(3);
            for range in [0..cut, cut..pixels.len()] {
                let part = |a: &Array2<u8>| a.slice(ndarray::s![range.clone(), ..]).to_owned();
                let mut image = ConfusionMatrix::new(3);
                image.count(part(&p).view(), part(&t).view(), s.slice(ndarray::s![range.clone(), ..]));
                parts += &image;
            }
            prop_assert_eq!(parts, whole);
        }
    }
}
