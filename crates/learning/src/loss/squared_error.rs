//! The squared error.

use burn::tensor::{Tensor, backend::Backend};

use super::{SMALL, sum_pixels};

/// Mean squared error inside the mask: mean over samples of Σ m (p − g)² / (Σ m + s), s = 1e-6.
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
///
/// # References
/// Brier (1950), Verification of forecasts expressed in terms of probability: the score of a single class.
pub fn squared_error<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    let error = p - g;
    (sum_pixels(error.clone() * error * m.clone()) / (sum_pixels(m) + SMALL)).mean()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;

    #[test]
    fn squared_error_counts_scored_pixels_only() {
        let p = image([0.5, 1.0, 0.0, 0.9]);
        let g = image([1.0, 1.0, 1.0, 0.0]);
        let m = image([1.0, 1.0, 0.0, 0.0]);
        close(squared_error(p, g, m), 0.25 / 2.0);
    }

    #[test]
    fn squared_error_of_an_unscored_image_is_zero() {
        close(squared_error(image([0.5; 4]), image([1.0; 4]), image([0.0; 4])), 0.0);
    }
}
