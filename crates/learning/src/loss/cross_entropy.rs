//! Cross-entropy of several classes and of a single logit.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Tensor, backend::Backend};

use super::{SMALL, sum_pixels};

/// Binary cross-entropy of logits z inside the mask: mean over samples of
/// −Σ m (g ln σ(z) + (1 − g) ln σ(−z)) / (Σ m + s), s = 1e-6.
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
///
/// # References
/// Bishop (2006), Pattern recognition and machine learning, section 4.3.2.
pub fn binary_cross_entropy<B: Backend>(z: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    let log_likelihood = log_sigmoid(z.clone()) * g.clone() + log_sigmoid(-z) * (-g + 1.0);
    (-sum_pixels(log_likelihood * m.clone()) / (sum_pixels(m) + SMALL)).mean()
}

/// Cross-entropy −Σ y_c ln p_c / Σ y_c over pixels and classes; y is 1 in the channel of the class,
/// times the weight of the class and of the pixel.
///
/// # Shapes
/// `log_p` and `y` `[n, classes, h, w]`; result `[1]`.
///
/// # References
/// Bishop (2006), Pattern recognition and machine learning, section 4.3.4.
pub fn cross_entropy<B: Backend>(log_p: Tensor<B, 4>, y: Tensor<B, 4>) -> Tensor<B, 1> {
    // If no pixel counts, this is 0 / 1. A constant in the denominator would distort the small
    // totals of inverse-count weights.
    let total = y.clone().sum();
    -(log_p * y).sum() / (total.clone() + total.equal_elem(0.0).float())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;
    use crate::task::invasion_classes;

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
        // One pixel of each class and one more of solid; logits (0, 0, ln 2) everywhere: p = (1/4,
        // 1/4, 1/2).
        let ln2 = 2f32.ln();
        let log_p = Tensor::cat(vec![image([-2.0 * ln2; 4]), image([-2.0 * ln2; 4]), image([-ln2; 4])], 1);
        let g = image([0.0, 0.0, 1.0, 0.0]);
        let m = image([0.0, 1.0, 1.0, 0.0]);
        let classes = |weights| invasion_classes(g.clone(), m.clone(), weights);
        close(cross_entropy(log_p.clone(), classes([1.0; 3])), (3.0 * 4f64.ln() + 2f64.ln()) / 4.0);
        close(cross_entropy(log_p.clone(), classes([0.0, 1.0, 2.0])), (4f64.ln() + 2.0 * 2f64.ln()) / 3.0);
        close(cross_entropy(log_p, classes([0.0; 3])), 0.0);
    }
}
