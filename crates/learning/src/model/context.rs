//! Dilated convolutions, in series or in parallel, that widen the view at the bottleneck of a UNet.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::ops::{Conv, ConvNorm, ConvShape, Kernels, activate, mean_of_channels};
use super::squeeze_excitation::SqueezeExcitation;
use porecast_store::config::model::{ActivationKind, ContextKind, UnetConfig};

/// A context module of either kind.
#[allow(clippy::large_enum_variant, reason = "a network has one at most")]
#[derive(Module, Debug)]
pub enum Context<B: Backend> {
    /// In series.
    Atrous(Atrous<B>),
    /// In parallel.
    Pyramid(Pyramid<B>),
}

impl<B: Kernels> Context<B> {
    /// The configured module for `channels` channels, if any.
    pub fn init(config: &UnetConfig, channels: usize, device: &B::Device) -> Option<Self> {
        match config.context.kind {
            ContextKind::None => None,
            ContextKind::Atrous => Some(Self::Atrous(Atrous::init(config, channels, device))),
            ContextKind::Aspp => Some(Self::Pyramid(Pyramid::init(config, channels, device))),
        }
    }

    /// `[n, channels, h, w]`, shape kept.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Atrous(atrous) => atrous.forward(x),
            Self::Pyramid(pyramid) => pyramid.forward(x),
        }
    }
}

/// Dilated 3x3 convolutions in series; the input and all their outputs are summed and pass through
/// squeeze-and-excitation.
///
/// # References
/// Zhou, Zhang & Wu (2018), the centre of D-LinkNet; Hu, Shen & Sun (2018).
#[derive(Module, Debug)]
pub struct Atrous<B: Backend> {
    convolutions: Vec<ConvNorm<B>>,
    excitation: SqueezeExcitation<B>,
}

impl<B: Kernels> Atrous<B> {
    fn init(config: &UnetConfig, channels: usize, device: &B::Device) -> Self {
        Self {
            convolutions: dilated(config, channels, channels, device),
            excitation: SqueezeExcitation::init(channels, (channels / 8).max(1), config.activation, device),
        }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut sum = x.clone();
        let mut wider = x;
        for convolution in &self.convolutions {
            wider = convolution.forward(wider);
            sum = sum + wider.clone();
        }
        self.excitation.forward(sum)
    }
}

/// Atrous spatial pyramid pooling: a 1x1 convolution, dilated 3x3 convolutions and the mean of the
/// image, in parallel, joined by a 1x1 convolution.
///
/// # References
/// Chen et al. (2017), section 3.3. The mean has no norm, which would remove it in a batch of one.
#[derive(Module, Debug)]
pub struct Pyramid<B: Backend> {
    point: ConvNorm<B>,
    convolutions: Vec<ConvNorm<B>>,
    image: Conv<B>,
    project: ConvNorm<B>,
    #[module(skip)]
    activation: ActivationKind,
}

impl<B: Kernels> Pyramid<B> {
    fn init(config: &UnetConfig, channels: usize, device: &B::Device) -> Self {
        let width = (channels / 4).max(8);
        let convolutions = dilated(config, channels, width, device);
        let joined = (convolutions.len() + 2) * width;
        let point = |from, to| {
            ConvNorm::init(ConvShape::new(from, to, 1), config.norm, Some(config.activation), device)
        };
        Self {
            point: point(channels, width),
            convolutions,
            image: Conv::init(channels, width, 1, device),
            project: point(joined, channels),
            activation: config.activation,
        }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [_, _, h, w] = x.dims();
        let image = activate(self.activation, self.image.forward(mean_of_channels(x.clone())));
        let mut parts = vec![self.point.forward(x.clone())];
        parts.extend(self.convolutions.iter().map(|convolution| convolution.forward(x.clone())));
        parts.push(image.repeat_dim(2, h).repeat_dim(3, w));
        self.project.forward(Tensor::cat(parts, 1))
    }
}

fn dilated<B: Kernels>(
    config: &UnetConfig,
    inputs: usize,
    outputs: usize,
    device: &B::Device,
) -> Vec<ConvNorm<B>> {
    let dilations = config.context.dilations.iter();
    let shape = |dilation: &usize| ConvShape { dilation: *dilation, ..ConvShape::new(inputs, outputs, 3) };
    dilations.map(|d| ConvNorm::init(shape(d), config.norm, Some(config.activation), device)).collect()
}
