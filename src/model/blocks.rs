//! The block of a UNet: two convolutions, each normalised and rectified.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::ops::{Activation, Conv, Kernels, Norm, relu};
use super::time_embedding::TimeInjection;
use crate::config::train::ModelConfig;

/// Convolution, norm, time, ReLU, dropout, convolution, norm, ReLU.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    first: Conv<B>,
    first_norm: Norm<B>,
    time: Option<TimeInjection<B>>,
    dropout: Dropout,
    second: Conv<B>,
    second_norm: Norm<B>,
}

impl<B: Kernels> Block<B> {
    /// A block from `inputs` to `outputs` channels, told the time where `takes_time`.
    pub fn init(
        config: &ModelConfig,
        inputs: usize,
        outputs: usize,
        takes_time: bool,
        device: &B::Device,
    ) -> Self {
        let norm = config.unet.norm;
        Self {
            first: Conv::init(inputs, outputs, 3, device),
            first_norm: Norm::init(norm, outputs, device),
            time: takes_time
                .then(|| TimeInjection::init(config.time.mode, config.time.channels, outputs, device)),
            dropout: DropoutConfig::new(config.dropout).init(),
            second: Conv::init(outputs, outputs, 3, device),
            second_norm: Norm::init(norm, outputs, device),
        }
    }

    /// `[n, inputs, h, w]` to `[n, outputs, h, w]`; `time` `[n, embedding]`.
    pub fn forward(&self, x: Tensor<B, 4>, time: Option<&Tensor<B, 2>>) -> Tensor<B, 4> {
        let x = self.first.forward(x);
        let x = match (&self.time, time) {
            (Some(injection), Some(time)) => {
                relu(injection.forward(self.first_norm.forward(x, Activation::Identity), time.clone()))
            }
            _ => self.first_norm.forward(x, Activation::Relu),
        };
        let x = self.second.forward(self.dropout.forward(x));
        self.second_norm.forward(x, Activation::Relu)
    }
}
