//! Losses that compare invaded volumes.

use burn::tensor::{Tensor, backend::Backend};

use super::{SMALL, sum_pixels};

/// Volume difference as published: mean over samples of |Σ g m − Σ 1[p > 0.5] m| / (Σ m + 1e-6).
///
/// It has no gradient: in a sum it changes the reported loss, not the weights.
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
pub fn volume_hard<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    volume_soft(p.detach().greater_elem(0.5).float(), g, m)
}

/// Volume difference of the probabilities: mean over samples of |Σ g m − Σ p m| / (Σ m + 1e-6).
///
/// # Shapes
/// All `[n, 1, h, w]`; result `[1]`.
pub fn volume_soft<B: Backend>(p: Tensor<B, 4>, g: Tensor<B, 4>, m: Tensor<B, 4>) -> Tensor<B, 1> {
    (sum_pixels((g - p) * m.clone()).abs() / (sum_pixels(m) + SMALL)).mean()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{close, image};
    use super::*;

    #[test]
    fn by_hand() {
        let p = [0.6, 0.4, 0.4, 1.0];
        let (g, m) = ([1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]);
        close(volume_hard(image(p), image(g), image(m)), 2.0 / 3.0);
        close(volume_soft(image(p), image(g), image(m)), 1.6 / 3.0);
    }

    #[test]
    fn a_displaced_region_has_the_right_volume() {
        let (p, g) = ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]);
        close(volume_hard(image(p), image(g), image([1.0; 4])), 0.0);
        close(volume_soft(image(p), image(g), image([1.0; 4])), 0.0);
        close(volume_soft(image(p), image(g), image([0.0; 4])), 0.0);
    }
}
