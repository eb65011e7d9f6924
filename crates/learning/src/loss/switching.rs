//! The switching loss, which weights foreground or background, whichever is rarer.

use burn::tensor::{Tensor, backend::Backend};

use super::{Overlap, SMALL, dice, inverse_dice};

/// λ D + (1 − λ) D′ if the share Σ g m / Σ m of the foreground (all compared classes) in the batch
/// is at most `threshold`, else (1 − λ) D + λ D′. D is the Dice loss and D′ the inverse Dice loss,
/// so λ goes to the rarer side. Result `[1]`.
///
/// # References
/// Dang et al. (2019), arXiv 1908.08004, without the cross-entropy, which is a term of its own.
pub fn switching<B: Backend>(overlap: &Overlap<B>, lambda: f64, threshold: f64) -> Tensor<B, 1> {
    let pixels = overlap.pixels.clone().sum() + SMALL;
    let share = overlap.actual.clone().detach().sum() / pixels;
    let is_common = share.greater_elem(threshold).float(); // [1]
    let foreground = is_common * (1.0 - 2.0 * lambda) + lambda;
    dice(overlap) * foreground.clone() + inverse_dice(overlap) * (-foreground + 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;
    use porecast_store::config::segmentation_loss::Over;

    #[test]
    fn switching_weighs_the_rarer_side() {
        let p = [0.5, 0.5, 0.0, 0.0];
        // One of four: the foreground is rarer. Dice 1 - 1/2, inverse 1 - 2 * 2.5 / 6.
        let overlap = Overlap::of(image(p), image([1.0, 0.0, 0.0, 0.0]), image([1.0; 4]), Over::Sample);
        close(switching(&overlap, 0.75, 0.5), 0.75 * 0.5 + 0.25 / 6.0);
        close(switching(&overlap, 0.75, 0.2), 0.25 * 0.5 + 0.75 / 6.0);
        // Three of four: the background is rarer. Dice 1 - 2 / 4, inverse 1 - 2 / 4.
        let overlap = Overlap::of(image(p), image([1.0, 1.0, 1.0, 0.0]), image([1.0; 4]), Over::Sample);
        close(dice(&overlap), 0.5);
        close(inverse_dice(&overlap), 0.5);
        close(switching(&overlap, 0.9, 0.5), 0.5);
    }
}
