//! Probability of the invading phase, and the three classes of an invasion.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use porecast_kernels::{Backend as Kernels, log_softmax_channels};

use porecast_store::config::train::Head;

/// Index of the invading phase among the classes solid, defending, invading.
pub const INVADING: usize = 2;

/// Probability of the invading phase from logits.
///
/// # Shapes
/// `[n, head channels, h, w]` to `[n, 1, h, w]`.
pub fn invading_probability<B: Kernels>(head: Head, logits: Tensor<B, 4>) -> Tensor<B, 4> {
    match head {
        Head::Regression => sigmoid(logits),
        Head::MultiClass => log_softmax_channels(logits).narrow(1, INVADING, 1).exp(),
    }
}

/// Index of the class solid, defending or invading of each pixel.
///
/// # Shapes
/// `invading` and `pore` `[n, 1, h, w]` of 0 and 1; result the same.
pub fn invasion_class<B: Backend>(invading: Tensor<B, 4>, pore: Tensor<B, 4>) -> Tensor<B, 4> {
    (invading + 1.0) * pore
}

/// Cross-entropy target: the classes solid, defending and invading, each times its weight. It
/// covers the whole image; a solid weight of zero restricts it to the pore space.
///
/// # Shapes
/// `invading` and `pore` `[n, 1, h, w]` of 0 and 1; result `[n, 3, h, w]`.
pub fn invasion_classes<B: Backend>(
    invading: Tensor<B, 4>,
    pore: Tensor<B, 4>,
    weights: [f32; 3],
) -> Tensor<B, 4> {
    let invading = invading * pore.clone();
    let classes = Tensor::cat(vec![-pore.clone() + 1.0, pore - invading.clone(), invading], 1);
    let weights = Tensor::<B, 1>::from_data(TensorData::from(weights), &classes.device());
    classes * weights.reshape([1, 3, 1, 1])
}
