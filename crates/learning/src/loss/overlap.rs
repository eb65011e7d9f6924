//! Sizes of predicted and true regions, the input of the overlap losses.

use burn::tensor::{Tensor, backend::Backend};

use super::sum_pixels;
use porecast_store::config::segmentation_loss::Over;

/// Sizes of predicted and true regions, per class and per sample (or for the whole batch).
///
/// p are the probabilities, g the target, m the mask. Each overlap loss is a mean over samples and
/// classes, `[1]`.
#[derive(Debug, Clone)]
pub struct Overlap<B: Backend> {
    /// Σ p g m
    pub(super) both: Tensor<B, 2>,
    /// Σ p m
    pub(super) predicted: Tensor<B, 2>,
    /// Σ g m
    pub(super) actual: Tensor<B, 2>,
    /// Σ m
    pub(super) pixels: Tensor<B, 2>,
}

impl<B: Backend> Overlap<B> {
    /// Sums over the pixels.
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

    /// The complements: 1 − p and 1 − g in place of p and g.
    pub fn inverse(&self) -> Self {
        let outside = self.predicted.clone() + self.actual.clone() - self.both.clone();
        Self {
            both: self.pixels.clone() - outside,
            predicted: self.pixels.clone() - self.predicted.clone(),
            actual: self.pixels.clone() - self.actual.clone(),
            pixels: self.pixels.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::super::{dice, inverse_dice, iou, switching};
    use super::*;

    const PORE: [f32; 4] = [1.0, 1.0, 1.0, 0.0];

    fn overlap(p: [f32; 4], g: [f32; 4], m: [f32; 4]) -> Overlap<burn::backend::Flex> {
        Overlap::of(image(p), image(g), image(m), Over::Sample)
    }

    #[test]
    fn sizes_of_regions_and_of_their_complements() {
        let overlap = overlap([0.5, 0.5, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0], PORE);
        let sizes = |overlap: Overlap<burn::backend::Flex>| {
            let Overlap { both, predicted, actual, pixels } = overlap;
            [both, predicted, actual, pixels].map(|size| size.into_scalar())
        };
        assert_eq!(sizes(overlap.clone()), [0.5, 1.0, 2.0, 3.0]);
        assert_eq!(sizes(overlap.inverse()), [0.5, 2.0, 1.0, 3.0]);
        assert_eq!(sizes(overlap.inverse().inverse()), sizes(overlap));
    }

    #[test]
    fn classes_and_samples_are_averaged_or_a_batch_is_one_region() {
        let p = Tensor::cat(vec![image([1.0, 0.0, 0.0, 0.0]), image([0.0, 0.5, 0.5, 0.0])], 0);
        let g = Tensor::cat(vec![image([1.0, 1.0, 0.0, 0.0]), image([0.0; 4])], 0);
        let m = image([1.0; 4]).repeat_dim(0, 2);
        let by_sample = Overlap::of(p.clone(), g.clone(), m.clone(), Over::Sample);
        close(dice(&by_sample), (1.0 / 3.0 + 1.0) / 2.0);
        close(dice(&Overlap::of(p.clone(), g.clone(), m.clone(), Over::Batch)), 1.0 - 2.0 / 4.0);
        // The same two images as classes of one sample.
        let as_classes = |x: Tensor<burn::backend::Flex, 4>| x.reshape([1, 2, 2, 2]);
        let by_class = Overlap::of(as_classes(p), as_classes(g), image([1.0; 4]), Over::Batch);
        close(dice(&by_class), (1.0 / 3.0 + 1.0) / 2.0);
        close(iou(&by_class), (1.0 / 2.0 + 1.0) / 2.0);
    }

    #[test]
    fn perfect_is_zero_and_disjoint_is_one() {
        let (g, other) = ([1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
        for loss in [dice, iou] {
            close(loss(&overlap(g, g, PORE)), 0.0);
            close(loss(&overlap(other, g, PORE)), 1.0);
        }
    }

    #[test]
    fn empty_against_empty_and_unscored_are_zero() {
        for loss in [dice, iou] {
            close(loss(&overlap([0.0; 4], [0.0; 4], PORE)), 0.0);
            close(loss(&overlap([1.0; 4], [0.0; 4], [0.0; 4])), 0.0);
        }
        let unscored = Overlap::of(image([1.0; 4]), image([0.0; 4]), image([0.0; 4]), Over::Batch);
        close(inverse_dice(&unscored), 0.0);
        close(switching(&unscored, 0.75, 0.5), 0.0);
    }
}
