//! The networks of the comparison, as in `networks.py`.

mod resnet;
mod unet;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Tensor, activation};
use porecast_kernels::layer::{Condition, Joined, conv2d_batch_norm};
use porecast_kernels::{Activation, Backend};

/// Frames of a sequence head.
const FRAMES: usize = 26;

/// Whose operations compute.
#[derive(Clone, Copy, PartialEq)]
pub enum By {
    Kernels,
    Burn,
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one.
pub enum Network<B: burn::tensor::backend::Backend> {
    Unet(unet::Unet<B>),
    /// Logits at the times of all frames at once.
    Sequence(unet::Unet<B>),
    Resnet(resnet::ResnetUnet<B>),
}

impl<B: Backend> Network<B> {
    pub fn new(name: &str, base: usize, device: &B::Device) -> Self {
        match name {
            "resnet" => Self::Resnet(resnet::ResnetUnet::new(device)),
            "head" => Self::Sequence(unet::Unet::new([base, FRAMES], device)),
            _ => Self::Unet(unet::Unet::new([base, 1], device)),
        }
    }

    pub fn inputs(&self) -> usize {
        match self {
            Self::Unet(_) | Self::Sequence(_) => unet::INPUTS,
            Self::Resnet(_) => resnet::INPUTS,
        }
    }

    pub fn forward(&self, x: Tensor<B, 4>, by: By) -> Tensor<B, 4> {
        match self {
            Self::Unet(network) | Self::Sequence(network) => network.forward(x, by),
            Self::Resnet(network) => network.forward(x),
        }
    }

    /// Frames of one domain: the encoder once, the rest for each frame; with a sequence head, all of it once.
    pub fn sequence(&self, x: Tensor<B, 4>, frames: usize) {
        match self {
            Self::Unet(network) => network.sequence(x, frames),
            Self::Sequence(network) => drop(network.forward(x, By::Kernels).into_data()),
            Self::Resnet(_) => panic!("knows no time"),
        }
    }
}

/// A convolution that keeps the size at stride 1, batch norm, and the activation.
#[derive(Module, Debug)]
struct Normed<B: burn::tensor::backend::Backend> {
    conv: Conv2d<B>,
    norm: BatchNorm<B>,
}

impl<B: Backend> Normed<B> {
    fn new([from, to]: [usize; 2], kernel: usize, stride: usize, device: &B::Device) -> Self {
        let half = kernel / 2;
        let conv = Conv2dConfig::new([from, to], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(half, half, half, half))
            .with_bias(false)
            .init(device);
        Self { conv, norm: BatchNormConfig::new(to).init(device) }
    }

    fn forward(
        &self,
        x: impl Into<Joined<B>>,
        condition: Option<Condition<B>>,
        activation: Activation,
    ) -> Tensor<B, 4> {
        conv2d_batch_norm(&self.conv, &self.norm, x.into(), condition, activation)
    }

    fn forward_by_burn(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        activation::relu(self.norm.forward(self.conv.forward(x)))
    }
}
