//! Losses that compare regions.

use burn::tensor::{Tensor, backend::Backend};

use super::{SMALL, sum_pixels};
use porecast_store::config::segmentation_loss::Over;

/// Sizes of predicted and true regions, by sample (or one for the batch) and class.
///
/// Probabilities p, truth g of 0 and 1, mask m; every loss of it is a mean over samples and classes.
#[derive(Debug, Clone)]
pub struct Overlap<B: Backend> {
    /// Σ p g m
    both: Tensor<B, 2>,
    /// Σ p m
    predicted: Tensor<B, 2>,
    /// Σ g m
    actual: Tensor<B, 2>,
    /// Σ m
    pixels: Tensor<B, 2>,
}

impl<B: Backend> Overlap<B> {
    /// Counts the regions.
    ///
    /// # Shapes
    /// `p` and `g` `[n, classes, h, w]`, `m` `[n, 1, h, w]`.
    pub fn of(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>, over: Over) -> Self {
        let (p, g) = (p * m.clone(), g * m.clone());
        let sum = |x: Tensor<B, 4>| match over {
            Over::Sample => sum_pixels(x),
            Over::Batch => sum_pixels(x).sum_dim(0),
        };
        Self { both: sum(p.clone() * g.clone()), predicted: sum(p), actual: sum(g), pixels: sum(m) }
    }

    /// The regions of what is not the class: p and g are replaced by 1 − p and 1 − g.
    pub fn inverse(&self) -> Self {
        let outside = self.predicted.clone() + self.actual.clone() - self.both.clone();
        Self {
            both: self.pixels.clone() - outside,
            predicted: self.pixels.clone() - self.predicted.clone(),
            actual: self.pixels.clone() - self.actual.clone(),
            pixels: self.pixels.clone(),
        }
    }

    /// Dice loss 1 − (2 Σ p g m + s) / (Σ p m + Σ g m + s), s = 1e-6; result `[1]`.
    ///
    /// # References
    /// Milletari, Navab & Ahmadi (2016), with the sums of the first power.
    pub fn dice(&self) -> Tensor<B, 1> {
        let total = self.predicted.clone() + self.actual.clone();
        (-((self.both.clone() * 2.0 + SMALL) / (total + SMALL)) + 1.0).mean()
    }

    /// Soft intersection over union 1 − (Σ p g m + s) / (Σ p m + Σ g m − Σ p g m + s), s = 1e-6; result `[1]`.
    ///
    /// # References
    /// Rahman & Wang (2016), equation 3.
    pub fn iou(&self) -> Tensor<B, 1> {
        let union = self.predicted.clone() + self.actual.clone() - self.both.clone();
        (-((self.both.clone() + SMALL) / (union + SMALL)) + 1.0).mean()
    }

    /// Switching loss: λ times the Dice loss of the rarer side and 1 − λ times that of the other. The rarer side is
    /// the foreground (all classes here) where its share Σ g m / Σ m over the batch is at most `threshold`, else what
    /// is not the class; result `[1]`.
    ///
    /// # References
    /// Dang et al. (2019), arXiv 1908.08004, without the cross-entropy, which is a term of its own.
    pub fn switching(&self, lambda: f64, threshold: f64) -> Tensor<B, 1> {
        let pixels = self.pixels.clone().sum() + SMALL;
        let share = self.actual.clone().detach().sum() / pixels;
        let is_common = share.greater_elem(threshold).float(); // [1]
        let foreground = is_common * (1.0 - 2.0 * lambda) + lambda;
        self.dice() * foreground.clone() + self.inverse().dice() * (-foreground + 1.0)
    }
}

/// Dice loss: mean over samples of [`Overlap::dice`].
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
pub fn dice<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    Overlap::of(p, g, m, Over::Sample).dice()
}

/// Soft intersection over union: mean over samples of [`Overlap::iou`].
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
pub fn soft_iou<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    Overlap::of(p, g, m, Over::Sample).iou()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;

    const PORE: [f32; 4] = [1.0, 1.0, 1.0, 0.0];

    #[test]
    fn by_hand() {
        let (p, g) = ([0.5, 0.5, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0]);
        close(dice(image(p), image(g), image(PORE)), 1.0 - 1.0 / 3.0);
        close(soft_iou(image(p), image(g), image(PORE)), 1.0 - 0.5 / 2.5);
        // Of the complement: both 0.5, predicted 2, actual 1.
        let overlap = Overlap::of(image(p), image(g), image(PORE), Over::Sample);
        close(overlap.inverse().dice(), 1.0 - 1.0 / 3.0);
        close(overlap.inverse().inverse().dice(), 1.0 - 1.0 / 3.0);
    }

    #[test]
    fn classes_and_samples_are_averaged_or_a_batch_is_one_region() {
        let p = Tensor::cat(vec![image([1.0, 0.0, 0.0, 0.0]), image([0.0, 0.5, 0.5, 0.0])], 0);
        let g = Tensor::cat(vec![image([1.0, 1.0, 0.0, 0.0]), image([0.0; 4])], 0);
        let m = image([1.0; 4]).repeat_dim(0, 2);
        let by_sample = Overlap::of(p.clone(), g.clone(), m.clone(), Over::Sample);
        close(by_sample.dice(), (1.0 / 3.0 + 1.0) / 2.0);
        close(Overlap::of(p.clone(), g.clone(), m.clone(), Over::Batch).dice(), 1.0 - 2.0 / 4.0);
        // The same two images as classes of one sample.
        let as_classes = |x: Tensor<burn::backend::Flex, 4>| x.reshape([1, 2, 2, 2]);
        let by_class = Overlap::of(as_classes(p), as_classes(g), image([1.0; 4]), Over::Batch);
        close(by_class.dice(), (1.0 / 3.0 + 1.0) / 2.0);
        close(by_class.iou(), (1.0 / 2.0 + 1.0) / 2.0);
    }

    #[test]
    fn switching_weighs_the_rarer_side() {
        let p = [0.5, 0.5, 0.0, 0.0];
        // One of four: the foreground is rarer. Dice 1 - 1/2, inverse 1 - 2 * 2.5 / 6.
        let overlap = Overlap::of(image(p), image([1.0, 0.0, 0.0, 0.0]), image([1.0; 4]), Over::Sample);
        close(overlap.switching(0.75, 0.5), 0.75 * 0.5 + 0.25 / 6.0);
        close(overlap.switching(0.75, 0.2), 0.25 * 0.5 + 0.75 / 6.0);
        // Three of four: the background is. Dice 1 - 2 / 4, inverse 1 - 2 / 4.
        let overlap = Overlap::of(image(p), image([1.0, 1.0, 1.0, 0.0]), image([1.0; 4]), Over::Sample);
        close(overlap.dice(), 0.5);
        close(overlap.inverse().dice(), 0.5);
        close(overlap.switching(0.9, 0.5), 0.5);
    }

    #[test]
    fn perfect_is_zero_and_disjoint_is_one() {
        let (g, other) = ([1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
        for loss in [dice, soft_iou] {
            close(loss(image(g), image(g), image(PORE)), 0.0);
            close(loss(image(other), image(g), image(PORE)), 1.0);
        }
    }

    #[test]
    fn empty_against_empty_and_unscored_are_zero() {
        for loss in [dice, soft_iou] {
            close(loss(image([0.0; 4]), image([0.0; 4]), image(PORE)), 0.0);
            close(loss(image([1.0; 4]), image([0.0; 4]), image([0.0; 4])), 0.0);
        }
        let unscored = Overlap::of(image([1.0; 4]), image([0.0; 4]), image([0.0; 4]), Over::Batch);
        close(unscored.inverse().dice(), 0.0);
        close(unscored.switching(0.75, 0.5), 0.0);
    }
}
