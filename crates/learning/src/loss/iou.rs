//! The soft intersection over union.

use burn::tensor::{Tensor, backend::Backend};

use super::{Overlap, SMALL};

/// Soft intersection over union 1 − (Σ p g m + s) / (Σ p m + Σ g m − Σ p g m + s), s = 1e-6, mean over samples and
/// classes; result `[1]`.
///
/// # References
/// Rahman & Wang (2016), equation 3.
pub fn iou<B: Backend>(overlap: &Overlap<B>) -> Tensor<B, 1> {
    let union = overlap.predicted.clone() + overlap.actual.clone() - overlap.both.clone();
    (-((overlap.both.clone() + SMALL) / (union + SMALL)) + 1.0).mean()
}
