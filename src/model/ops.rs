//! The layers that networks are made of, named once: what computes them can change here alone.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::tensor::{Tensor, backend::Backend};
use porecast_kernels::{Activation, layer};

use crate::config::model::{NormKind, Upsampling};

pub use porecast_kernels::layer::{Condition, Joined};
pub use porecast_kernels::{AutodiffBackend as TrainBackend, Backend as Kernels};

/// Convolution that keeps height and width.
#[derive(Module, Debug)]
pub struct Conv<B: Backend> {
    inner: Conv2d<B>,
}

impl<B: Kernels> Conv<B> {
    /// A `kernel` x `kernel` convolution with bias; `kernel` is odd.
    pub fn init(inputs: usize, outputs: usize, kernel: usize, device: &B::Device) -> Self {
        let half = kernel / 2;
        let inner = Conv2dConfig::new([inputs, outputs], [kernel, kernel])
            .with_padding(PaddingConfig2d::Explicit(half, half, half, half))
            .init(device);
        Self { inner }
    }

    /// `[n, inputs, h, w]` to `[n, outputs, h, w]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        layer::conv2d(&self.inner, x)
    }
}

/// Convolution of patches that do not overlap.
#[derive(Module, Debug)]
pub struct PatchConv<B: Backend> {
    inner: Conv2d<B>,
}

impl<B: Kernels> PatchConv<B> {
    /// One output pixel for each `patch` x `patch` pixels.
    pub fn init(inputs: usize, outputs: usize, patch: usize, device: &B::Device) -> Self {
        let inner =
            Conv2dConfig::new([inputs, outputs], [patch, patch]).with_stride([patch, patch]).init(device);
        Self { inner }
    }

    /// `[n, inputs, h, w]` to `[n, outputs, h / patch, w / patch]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        layer::conv2d(&self.inner, x)
    }
}

/// Normalisation of channels.
#[derive(Module, Debug)]
pub enum Norm<B: Backend> {
    /// Over the batch.
    Batch(BatchNorm<B>),
    /// Over groups of channels.
    Group(GroupNorm<B>),
}

impl<B: Kernels> Norm<B> {
    /// A normalisation of `channels`; groups hold 8 channels, or all where there are fewer.
    pub fn init(kind: NormKind, channels: usize, device: &B::Device) -> Self {
        match kind {
            NormKind::Batch => Self::Batch(BatchNormConfig::new(channels).init(device)),
            NormKind::Group => {
                let groups = if channels.is_multiple_of(8) { channels / 8 } else { 1 };
                Self::Group(GroupNormConfig::new(groups, channels).init(device))
            }
        }
    }

    /// A convolution, this norm, the change that `condition` asks for, and the rectifier.
    pub fn after(&self, conv: &Conv<B>, x: Joined<B>, condition: Option<Condition<B>>) -> Tensor<B, 4> {
        match self {
            Self::Batch(norm) => layer::conv2d_batch_norm(&conv.inner, norm, x, condition, Activation::Relu),
            Self::Group(norm) => {
                let x = layer::conv2d_joined(&conv.inner, x);
                layer::group_norm(norm, x, condition, Activation::Relu)
            }
        }
    }
}

/// Doubles height and width.
#[derive(Module, Debug)]
pub enum Upsample<B: Backend> {
    /// Transposed convolution.
    Transposed(ConvTranspose2d<B>),
    /// Nearest neighbour, then a 3x3 convolution.
    Nearest(Conv<B>),
}

impl<B: Kernels> Upsample<B> {
    /// An upsampling from `inputs` to `outputs` channels.
    pub fn init(kind: Upsampling, inputs: usize, outputs: usize, device: &B::Device) -> Self {
        match kind {
            Upsampling::Transposed => Self::Transposed(
                ConvTranspose2dConfig::new([inputs, outputs], [2, 2]).with_stride([2, 2]).init(device),
            ),
            Upsampling::Nearest => Self::Nearest(Conv::init(inputs, outputs, 3, device)),
        }
    }

    /// `[n, inputs, h, w]` to `[n, outputs, 2 h, 2 w]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Transposed(conv) => layer::conv_transpose2d(conv, x),
            Self::Nearest(conv) => conv.forward(porecast_kernels::upsample2x(x)),
        }
    }
}

/// Halves height and width: the maximum of each 2x2 square.
pub fn max_pool<B: Kernels>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    porecast_kernels::max_pool2x2(x)
}
