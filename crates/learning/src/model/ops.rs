//! The layers of the networks, so that what computes them changes in one place.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::tensor::activation::{leaky_relu, mish};
use burn::tensor::{Distribution, Tensor, backend::Backend};
use porecast_kernels::{Activation, layer};

use super::repeat_each;
use porecast_store::config::model::{ActivationKind, NormKind, Upsampling};

pub use porecast_kernels::layer::{Condition, Joined};
pub use porecast_kernels::{AutodiffBackend as TrainBackend, Backend as Kernels};

/// Convolution that keeps height and width, or divides them by its stride.
#[derive(Module, Debug)]
pub struct Conv<B: Backend> {
    inner: Conv2d<B>,
}

impl<B: Kernels> Conv<B> {
    /// A `kernel` x `kernel` convolution with bias; `kernel` is odd.
    pub fn init(inputs: usize, outputs: usize, kernel: usize, device: &B::Device) -> Self {
        ConvShape::new(inputs, outputs, kernel).init(device)
    }

    /// `[n, inputs, h, w]` to `[n, outputs, h / stride, w / stride]`, rounded up.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        layer::conv2d(&self.inner, x)
    }

    /// [`forward`](Self::forward) in two tensors, the first of `first` channels.
    pub fn forward_split(&self, x: Tensor<B, 4>, first: usize) -> [Tensor<B, 4>; 2] {
        layer::conv2d_split(&self.inner, x, first)
    }

    /// [`forward`](Self::forward) without the bias, added to `onto`.
    pub fn forward_onto(&self, x: Tensor<B, 4>, onto: Tensor<B, 4>) -> Tensor<B, 4> {
        layer::conv2d_onto(&self.inner, x, onto)
    }

    /// [`forward`](Self::forward) of joined channels.
    pub fn forward_joined(&self, x: Joined<B>) -> Tensor<B, 4> {
        layer::conv2d_joined(&self.inner, x)
    }
}

/// Sizes and options of a [`Conv`].
#[derive(Debug, Clone, Copy)]
pub struct ConvShape {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Height and width of the kernel, odd.
    pub kernel: usize,
    /// Stride in pixels.
    pub stride: usize,
    /// Dilation in pixels.
    pub dilation: usize,
    /// Groups of channels that are convolved separately.
    pub groups: usize,
    /// Whether each output channel has a bias.
    pub has_bias: bool,
}

impl ConvShape {
    /// A convolution with bias, stride and dilation 1.
    pub fn new(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self { inputs, outputs, kernel, stride: 1, dilation: 1, groups: 1, has_bias: true }
    }

    /// The convolution with fresh weights.
    pub fn init<B: Kernels>(self, device: &B::Device) -> Conv<B> {
        let around = self.dilation * (self.kernel / 2);
        let inner = Conv2dConfig::new([self.inputs, self.outputs], [self.kernel, self.kernel])
            .with_stride([self.stride, self.stride])
            .with_dilation([self.dilation, self.dilation])
            .with_groups(self.groups)
            .with_padding(PaddingConfig2d::Explicit(around, around, around, around))
            .with_bias(self.has_bias)
            .init(device);
        Conv { inner }
    }
}

/// The activation that is computed together with a norm; identity for the kinds in [`unfused`].
fn fused(kind: ActivationKind) -> Activation {
    match kind {
        ActivationKind::Relu => Activation::Relu,
        ActivationKind::Silu => Activation::Silu,
        ActivationKind::LeakyRelu | ActivationKind::Mish => Activation::Identity,
    }
}

/// The activations that are computed after the norm; the others leave `x` unchanged.
fn unfused<B: Kernels>(kind: ActivationKind, x: Tensor<B, 4>) -> Tensor<B, 4> {
    match kind {
        ActivationKind::Relu | ActivationKind::Silu => x,
        ActivationKind::LeakyRelu => leaky_relu(x, 0.01),
        ActivationKind::Mish => mish(x),
    }
}

/// Applies an activation.
pub fn activate<B: Kernels>(kind: ActivationKind, x: Tensor<B, 4>) -> Tensor<B, 4> {
    match kind {
        ActivationKind::Relu => porecast_kernels::relu(x),
        ActivationKind::Silu if B::PREFERS_FEW_OPERATIONS => porecast_kernels::silu(x),
        ActivationKind::Silu => burn::tensor::activation::silu(x),
        ActivationKind::LeakyRelu | ActivationKind::Mish => unfused(kind, x),
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

/// Channels that a group norm normalises together.
pub(super) const GROUP: usize = 8;

/// Normalisation of channels.
#[derive(Module, Debug)]
pub enum Norm<B: Backend> {
    /// Over the batch.
    Batch(BatchNorm<B>),
    /// Over groups of channels.
    Group(GroupNorm<B>),
}

impl<B: Kernels> Norm<B> {
    /// A normalisation of `channels`. Groups hold [`GROUP`] channels; a number that this does not divide makes
    /// one group.
    pub fn init(kind: NormKind, channels: usize, device: &B::Device) -> Self {
        match kind {
            NormKind::Batch => Self::Batch(BatchNormConfig::new(channels).init(device)),
            NormKind::Group => {
                let groups = if channels.is_multiple_of(GROUP) { channels / GROUP } else { 1 };
                Self::Group(GroupNormConfig::new(groups, channels).init(device))
            }
        }
    }

    /// Normalises `[n, c, h, w]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Batch(norm) => layer::batch_norm(norm, x, None, Activation::Identity),
            Self::Group(norm) => layer::group_norm(norm, x, None, Activation::Identity),
        }
    }

    /// A convolution, this norm, the modulation by `condition` and the activation.
    pub fn after(
        &self,
        conv: &Conv<B>,
        x: Joined<B>,
        condition: Option<Condition<B>>,
        activation: Option<ActivationKind>,
    ) -> Tensor<B, 4> {
        let fused = activation.map_or(Activation::Identity, fused);
        let x = match self {
            Self::Batch(norm) => layer::conv2d_batch_norm(&conv.inner, norm, x, condition, fused),
            Self::Group(norm) => {
                layer::group_norm(norm, layer::conv2d_joined(&conv.inner, x), condition, fused)
            }
        };
        match activation {
            Some(activation) => unfused(activation, x),
            None => x,
        }
    }
}

/// Convolution, norm and activation.
#[derive(Module, Debug)]
pub struct ConvNorm<B: Backend> {
    conv: Conv<B>,
    norm: Norm<B>,
    #[module(skip)]
    activation: Option<ActivationKind>,
}

impl<B: Kernels> ConvNorm<B> {
    /// The convolution has no bias: the norm would remove it.
    pub fn init(
        shape: ConvShape,
        norm: NormKind,
        activation: Option<ActivationKind>,
        device: &B::Device,
    ) -> Self {
        Self {
            conv: ConvShape { has_bias: false, ..shape }.init(device),
            norm: Norm::init(norm, shape.outputs, device),
            activation,
        }
    }

    /// As [`Conv::forward`].
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.norm.after(&self.conv, x.into(), None, self.activation)
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

/// The maximum of each 3x3 square around every second pixel: `[n, c, h, w]` to
/// `[n, c, h / 2, w / 2]`, rounded up.
pub fn max_pool_overlapping<B: Kernels>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    porecast_kernels::max_pool3x3(x)
}

/// The mean of each channel: `[n, c, h, w]` to `[n, c, 1, 1]`.
pub fn mean_of_channels<B: Kernels>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w]).mean_dim(2).unsqueeze_dim(3)
}

/// The joined channels as one tensor.
pub fn join<B: Kernels>(Joined { shared, own }: Joined<B>) -> Tensor<B, 4> {
    match shared {
        Some(shared) => {
            let repeats = own.dims()[0] / shared.dims()[0];
            porecast_kernels::concat_channels(repeat_each(shared, repeats), own)
        }
        None => own,
    }
}

/// Stochastic depth: in training, sets some samples to zero and scales up the others.
///
/// # References
/// Huang et al. (2016); scaled in training instead of prediction.
pub fn drop_samples<B: Kernels>(x: Tensor<B, 4>, probability: f64) -> Tensor<B, 4> {
    let device = x.device();
    if probability == 0.0 || !B::ad_enabled(&device) {
        return x;
    }
    let kept =
        Tensor::<B, 4>::random([x.dims()[0], 1, 1, 1], Distribution::Bernoulli(1.0 - probability), &device);
    x * (kept / (1.0 - probability))
}
