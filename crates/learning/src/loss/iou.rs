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

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;
    use porecast_store::config::segmentation_loss::Over;

    #[test]
    fn iou_by_hand() {
        // Three scored pixels: Σ p g m = 1/2, Σ p m = 1, Σ g m = 2.
        let [p, g, m] = [[0.5, 0.5, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]].map(image);
        close(iou(&Overlap::of(p, g, m, Over::Sample)), 1.0 - 0.5 / (1.0 + 2.0 - 0.5));
    }
}
