//! Losses on invasions and annotated images: one file per term; [`Objective`] sums them. No term is
//! negative.

mod classes;
mod cross_entropy;
mod dice;
mod focal;
mod invasion;
mod iou;
mod objective;
mod overlap;
mod penalty;
mod squared_error;
mod switching;
mod volume;

use burn::tensor::{Tensor, backend::Backend};

pub use cross_entropy::{binary_cross_entropy, cross_entropy};
pub use dice::{dice, inverse_dice};
pub use focal::focal;
pub use iou::iou;
pub use objective::{Objective, Terms};
pub use overlap::Overlap;
pub use penalty::elastic_net;
pub use squared_error::squared_error;
pub use switching::switching;
pub use volume::{volume_hard, volume_soft};

/// Sum over the pixels of each channel: `[n, c, h, w]` to `[n, c]`.
fn sum_pixels<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [n, c, _, _] = x.dims();
    // One axis at a time: a GPU sums many rows in parallel.
    x.sum_dim(2).sum_dim(3).reshape([n, c])
}

/// s of the published study; keeps the ratios finite when no pixel is scored.
const SMALL: f32 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    /// A 2x2 image as a batch of one.
    pub fn image(values: [f32; 4]) -> Tensor<Flex, 4> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 2, 2]), &Default::default())
    }

    pub fn close(loss: Tensor<Flex, 1>, expected: f64) {
        let value = f64::from(loss.into_scalar());
        assert!((value - expected).abs() < 1e-5, "{value} instead of {expected}");
    }
}
