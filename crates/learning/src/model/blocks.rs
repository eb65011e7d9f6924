//! The block of a UNet: two convolutions, each normalised and activated.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::ops::{Conv, Joined, Kernels, Norm, activate, drop_samples, join};
use super::time_embedding::TimeInjection;
use porecast_store::config::model::{ActivationKind, ModelConfig};

/// Convolution, norm, time and physics, activation, dropout, convolution, norm, activation; a residual block adds its input
/// before the last activation.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    first: Conv<B>,
    first_norm: Norm<B>,
    time: Option<TimeInjection<B>>,
    dropout: Dropout,
    second: Conv<B>,
    second_norm: Norm<B>,
    shortcut: Option<Conv<B>>,
    is_residual: bool,
    left_out: f64,
    #[module(skip)]
    activation: ActivationKind,
}

impl<B: Kernels> Block<B> {
    /// A block from `inputs` to `outputs` channels at `depth` from 0 to 1; with `is_told` it takes an embedding of time or
    /// physics.
    pub fn init(
        config: &ModelConfig,
        inputs: usize,
        outputs: usize,
        is_told: bool,
        depth: f64,
        device: &B::Device,
    ) -> Self {
        let unet = &config.unet;
        Self {
            first: Conv::init(inputs, outputs, 3, device),
            first_norm: Norm::init(unet.norm, outputs, device),
            time: is_told
                .then(|| TimeInjection::init(config.time.mode, config.time.channels, outputs, device)),
            dropout: DropoutConfig::new(config.dropout).init(),
            second: Conv::init(outputs, outputs, 3, device),
            second_norm: Norm::init(unet.norm, outputs, device),
            shortcut: (unet.residual && inputs != outputs).then(|| Conv::init(inputs, outputs, 1, device)),
            is_residual: unet.residual,
            left_out: unet.stochastic_depth * depth,
            activation: unet.activation,
        }
    }

    /// `inputs` channels to `outputs`, height and width kept; `embedding` `[n, channels]`.
    pub fn forward(&self, x: Joined<B>, embedding: Option<&Tensor<B, 2>>) -> Tensor<B, 4> {
        let activation = Some(self.activation);
        let shortcut = self.is_residual.then(|| match &self.shortcut {
            Some(shortcut) => shortcut.forward_joined(x.clone()),
            None => join(x.clone()),
        });
        let told = self.time.as_ref().zip(embedding);
        let condition = told.map(|(injection, embedding)| injection.forward(embedding.clone()));
        let x = self.first_norm.after(&self.first, x, condition, activation);
        let x = self.dropout.forward(x).into();
        match shortcut {
            None => self.second_norm.after(&self.second, x, None, activation),
            Some(shortcut) => {
                let change = self.second_norm.after(&self.second, x, None, None);
                activate(self.activation, shortcut + drop_samples(change, self.left_out))
            }
        }
    }
}
