//! The Dice loss of classes and of their complements.

use burn::tensor::{Tensor, backend::Backend};

use super::{Overlap, SMALL};

/// Dice loss 1 − (2 Σ p g m + s) / (Σ p m + Σ g m + s), s = 1e-6, mean over samples and classes;
/// result `[1]`.
///
/// # References
/// Milletari, Navab & Ahmadi (2016), with the sums of p and g, not of their squares.
pub fn dice<B: Backend>(overlap: &Overlap<B>) -> Tensor<B, 1> {
    let total = overlap.predicted.clone() + overlap.actual.clone();
    (-((overlap.both.clone() * 2.0 + SMALL) / (total + SMALL)) + 1.0).mean()
}

/// [`dice`] of 1 − p and 1 − g.
pub fn inverse_dice<B: Backend>(overlap: &Overlap<B>) -> Tensor<B, 1> {
    dice(&overlap.inverse())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;
    use porecast_store::config::segmentation_loss::Over;

    #[test]
    fn dice_by_hand() {
        // Three scored pixels: Σ p g m = 1/2, Σ p m = 1, Σ g m = 2; of the complement 1/2, 2, 1.
        let [p, g, m] = [[0.5, 0.5, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]].map(image);
        let overlap = Overlap::of(p, g, m, Over::Sample);
        close(dice(&overlap), 1.0 - 2.0 * 0.5 / 3.0);
        close(inverse_dice(&overlap), 1.0 - 2.0 * 0.5 / 3.0);
    }
}
