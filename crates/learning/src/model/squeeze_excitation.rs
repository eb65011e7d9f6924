//! Squeeze-and-excitation: weights each channel by a function of the means of all channels.

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, backend::Backend};

use super::ops::{Conv, Kernels, activate, mean_of_channels};
use porecast_store::config::model::ActivationKind;

/// x σ(W₂ f(W₁ mean(x))), with the mean over the pixels.
///
/// # References
/// Hu, Shen & Sun (2018), equations 2 and 3.
#[derive(Module, Debug)]
pub struct SqueezeExcitation<B: Backend> {
    reduce: Conv<B>,
    restore: Conv<B>,
    #[module(skip)]
    activation: ActivationKind,
}

impl<B: Kernels> SqueezeExcitation<B> {
    /// A layer for `channels` channels with `reduced` hidden values.
    pub fn init(channels: usize, reduced: usize, activation: ActivationKind, device: &B::Device) -> Self {
        Self {
            reduce: Conv::init(channels, reduced, 1, device),
            restore: Conv::init(reduced, channels, 1, device),
            activation,
        }
    }

    /// `[n, channels, h, w]`, shape kept.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let squeezed = activate(self.activation, self.reduce.forward(mean_of_channels(x.clone())));
        x * sigmoid(self.restore.forward(squeezed))
    }
}
