//! The block of a UNet: two convolutions, each normalised and activated.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::ops::{Conv, Joined, Kernels, Norm, activate, drop_samples, join};
use super::time_embedding::TimeInjection;
use porecast_store::config::model::{ActivationKind, ModelConfig};

/// Convolution, norm, time, activation, dropout, convolution, norm, activation. A residual block
/// adds its input before the last activation.
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
    /// A block from `inputs` to `outputs` channels, with the time if `takes_time`; stochastic depth
    /// grows with `depth` (0 to 1).
    pub fn init(
        config: &ModelConfig,
        inputs: usize,
        outputs: usize,
        takes_time: bool,
        depth: f64,
        device: &B::Device,
    ) -> Self {
        let unet = &config.unet;
        Self {
            first: Conv::init(inputs, outputs, 3, device),
            first_norm: Norm::init(unet.norm, outputs, device),
            time: takes_time
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

    /// `inputs` channels to `outputs`, height and width kept; `time` `[n, embedding]`.
    pub fn forward(&self, x: Joined<B>, time: Option<&Tensor<B, 2>>) -> Tensor<B, 4> {
        let activation = Some(self.activation);
        let shortcut = self.is_residual.then(|| match &self.shortcut {
            Some(shortcut) => shortcut.forward_joined(x.clone()),
            None => join(x.clone()),
        });
        let condition = self.time.as_ref().zip(time).map(|(injection, time)| injection.forward(time.clone()));
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
