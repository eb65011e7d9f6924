//! Losses that compare regions.

use burn::tensor::{Tensor, backend::Backend};

use super::{SMALL, sum_pixels};

/// Dice loss: mean over samples of 1 − (2 Σ p g m + s) / (Σ p m + Σ g m + s), s = 1e-6.
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
///
/// # References
/// Milletari, Navab & Ahmadi (2016), with the sums of the first power.
pub fn dice<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    let (p, g) = (p * m.clone(), g * m);
    let both = sum_pixels(p.clone() * g.clone());
    let ratio = (both * 2.0 + SMALL) / (sum_pixels(p) + sum_pixels(g) + SMALL);
    (-ratio + 1.0).mean()
}

/// Soft intersection over union: mean over samples of 1 − (Σ p g m + s) / (Σ p m + Σ g m − Σ p g m + s), s = 1e-6.
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
///
/// # References
/// Rahman & Wang (2016), equation 3.
pub fn soft_iou<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    let (p, g) = (p * m.clone(), g * m);
    let both = sum_pixels(p.clone() * g.clone());
    let union = sum_pixels(p) + sum_pixels(g) - both.clone();
    (-((both + SMALL) / (union + SMALL)) + 1.0).mean()
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
    }
}
