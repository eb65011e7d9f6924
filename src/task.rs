//! What a network is asked, made from the configuration and the data's own description.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use porecast_kernels::{Backend as Kernels, log_softmax_channels};

use crate::config::train::Head;

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
