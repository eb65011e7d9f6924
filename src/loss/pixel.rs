//! Losses that compare pixel by pixel.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use porecast_kernels::{Backend as Kernels, log_softmax_channels};

use super::{SMALL, sum_pixels};

/// Mean squared error inside the mask: mean over samples of Σ m (p − g)² / Σ m.
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
pub fn mse<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    let error = p - g;
    (sum_pixels(error.clone() * error * m.clone()) / (sum_pixels(m) + SMALL)).mean()
}

/// Binary cross-entropy of logits z inside the mask: mean over samples of −Σ m (g ln σ(z) + (1 − g) ln σ(−z)) / Σ m.
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
pub fn binary_cross_entropy<B: Backend>(z: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    let log_likelihood = log_sigmoid(z.clone()) * g.clone() + log_sigmoid(-z) * (-g + 1.0);
    (-sum_pixels(log_likelihood * m.clone()) / (sum_pixels(m) + SMALL)).mean()
}

/// Cross-entropy over solid, defending, invading with class weights w: −Σ w_c y_c ln softmax(z)_c / Σ w_c y_c, over
/// the whole image, since solid is a class; a weight of zero for solid leaves the fluid mask.
///
/// # Shapes
/// `z` `[n, 3, h, w]`, `g` and `m` `[n, 1, h, w]`; result `[1]`.
pub fn cross_entropy<B: Kernels>(
    z: Tensor<B, 4>,
    g: Tensor<B, 4>,
    m: Tensor<B, 4>,
    weights: [f32; 3],
) -> Tensor<B, 1> {
    let invading = g * m.clone();
    let classes = Tensor::cat(vec![-m.clone() + 1.0, m - invading.clone(), invading], 1);
    let weights = Tensor::<B, 1>::from_data(TensorData::from(weights), &z.device()).reshape([1, 3, 1, 1]);
    let weighted = classes * weights;
    -(log_softmax_channels(z) * weighted.clone()).sum() / (weighted.sum() + SMALL)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;

    #[test]
    fn mse_counts_scored_pixels_only() {
        let p = image([0.5, 1.0, 0.0, 0.9]);
        let g = image([1.0, 1.0, 1.0, 0.0]);
        let m = image([1.0, 1.0, 0.0, 0.0]);
        close(mse(p, g, m), 0.25 / 2.0);
    }

    #[test]
    fn mse_of_an_unscored_image_is_zero() {
        close(mse(image([0.5; 4]), image([1.0; 4]), image([0.0; 4])), 0.0);
    }

    #[test]
    fn binary_cross_entropy_by_hand() {
        let z = image([0.0, 2.0, -100.0, 5.0]);
        let g = image([1.0, 1.0, 0.0, 0.0]);
        let m = image([1.0, 1.0, 1.0, 0.0]);
        let expected = (2f64.ln() + (1.0 + (-2f64).exp()).ln()) / 3.0;
        close(binary_cross_entropy(z, g, m), expected);
    }

    #[test]
    fn cross_entropy_by_hand() {
        // One pixel of each class and one more of solid; logits (0, 0, ln 2) everywhere: p = (1/4, 1/4, 1/2).
        let ln2 = 2f32.ln();
        let z = Tensor::cat(vec![image([0.0; 4]), image([0.0; 4]), image([ln2; 4])], 1);
        let g = image([0.0, 0.0, 1.0, 0.0]);
        let m = image([0.0, 1.0, 1.0, 0.0]);
        close(cross_entropy(z.clone(), g.clone(), m.clone(), [1.0; 3]), (3.0 * 4f64.ln() + 2f64.ln()) / 4.0);
        close(cross_entropy(z, g, m, [0.0, 1.0, 2.0]), (4f64.ln() + 2.0 * 2f64.ln()) / 3.0);
    }
}
