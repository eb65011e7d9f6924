//! The block of a UNet: two convolutions, each normalised and rectified.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;

use super::ops::{Backend, Conv, Norm, relu};
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

impl<B: Backend> Block<B> {
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
        let mut x = self.first_norm.forward(self.first.forward(x));
        if let (Some(injection), Some(time)) = (&self.time, time) {
            x = injection.forward(x, time.clone());
        }
        let x = self.dropout.forward(relu(x));
        relu(self.second_norm.forward(self.second.forward(x)))
    }
}
