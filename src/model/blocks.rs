//! The block of a UNet: two convolutions, each normalised and rectified.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::ops::{Conv, Joined, Kernels, Norm};
use super::time_embedding::TimeInjection;
use crate::config::model::ModelConfig;

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

    /// `inputs` channels to `outputs`, height and width kept; `time` `[n, embedding]`.
    pub fn forward(&self, x: Joined<B>, time: Option<&Tensor<B, 2>>) -> Tensor<B, 4> {
        let condition = self.time.as_ref().zip(time).map(|(injection, time)| injection.forward(time.clone()));
        let x = self.first_norm.after(&self.first, x, condition);
        self.second_norm.after(&self.second, self.dropout.forward(x).into(), None)
    }
}
