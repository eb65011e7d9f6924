//! The focal loss, which weighs pixels by how far from right they are.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::SMALL;

/// Focal loss −Σ α_c y_c (1 − p_c)^γ ln p_c / Σ y_c over pixels and classes of positive weight α; y is 1 in the
/// channel of the class of a scored pixel.
///
/// # Shapes
/// `log_p` and `y` `[n, classes, h, w]`, `alpha` one for each class; result `[1]`.
///
/// # References
/// Lin et al. (2017), equation 5; the mean over pixels in place of the sum over objects.
pub fn focal<B: Backend>(log_p: Tensor<B, 4>, y: Tensor<B, 4>, alpha: &[f32], gamma: f64) -> Tensor<B, 1> {
    let per_class = |values: Vec<f32>| {
        let data = TensorData::new(values, [1, alpha.len(), 1, 1]);
        Tensor::<B, 4>::from_data(data, &y.device())
    };
    let counted = y.clone() * per_class(alpha.iter().map(|a| if *a > 0.0 { 1.0 } else { 0.0 }).collect());
    let missed = (-log_p.clone().exp() + 1.0).clamp_min(0.0);
    let ease = if gamma == 0.0 { missed.ones_like() } else { missed.powf_scalar(gamma) };
    -(ease * log_p * y.clone() * per_class(alpha.to_vec())).sum() / (counted.sum() + SMALL)
}
