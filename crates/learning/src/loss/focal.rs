//! The focal loss, which gives more weight to badly predicted pixels.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::SMALL;

/// Focal loss −Σ α_c y_c (1 − p_c)^γ ln p_c / (Σ y_c + s), s = 1e-6, over pixels and classes of
/// weight α > 0; y is 1 in the channel of the class of a scored pixel.
///
/// # Shapes
/// `log_p` and `y` `[n, classes, h, w]`, `alpha` one value per class; result `[1]`.
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

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;

    #[test]
    fn focal_by_hand() {
        // p of class 0 is 1/2, 1/4, 1/4, 1/2; the pixels have classes 0, 0, 1, and the last is
        // unscored.
        let p = [0.5f32, 0.25, 0.25, 0.5];
        let log_p = Tensor::cat(vec![image(p.map(f32::ln)), image(p.map(|p| (1.0 - p).ln()))], 1);
        let y = Tensor::cat(vec![image([1.0, 1.0, 0.0, 0.0]), image([0.0, 0.0, 1.0, 0.0])], 1);
        let (ln2, ln4, of_rest) = (2f64.ln(), 4f64.ln(), (4f64 / 3.0).ln());
        // (1 − p)² is 1/4, 9/16 and 1/16.
        let expected = (ln2 / 4.0 + ln4 * 9.0 / 16.0 + 3.0 * of_rest / 16.0) / 3.0;
        close(focal(log_p.clone(), y.clone(), &[1.0, 3.0], 2.0), expected);
        // A class of weight zero is not counted; γ = 0 is the cross-entropy.
        close(focal(log_p.clone(), y.clone(), &[1.0, 0.0], 0.0), (ln2 + ln4) / 2.0);
        close(focal(log_p, y.zeros_like(), &[1.0, 3.0], 2.0), 0.0);
    }
}
