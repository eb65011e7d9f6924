//! The operations on Burn's modules; their parameters, records and names are unchanged.

use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::nn::{BatchNorm, GroupNorm, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvTransposeOptions, PaddedConvOptions};

use crate::activation::Activation;
use crate::backend::Backend;
use crate::functions::{self, BatchNormOutput, Finish};

/// Same as `layer.forward(x)`.
pub fn conv2d<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    let options = options(layer, &x);
    functions::conv2d(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()), options)
}

/// Channels of `shared` followed by those of `own`. Each image of `shared` is used for k consecutive images
/// of `own`.
#[derive(Clone, Debug)]
pub struct Joined<B: Backend> {
    /// `[b / k, m, h, w]`
    pub shared: Option<Tensor<B, 4>>,
    /// `[b, n, h, w]`
    pub own: Tensor<B, 4>,
}

impl<B: Backend> From<Tensor<B, 4>> for Joined<B> {
    fn from(own: Tensor<B, 4>) -> Self {
        Self { shared: None, own }
    }
}

/// `layer.forward` of the joined channels, without concatenating them; the shared channels are convolved only
/// once.
pub fn conv2d_joined<B: Backend>(layer: &Conv2d<B>, x: Joined<B>) -> Tensor<B, 4> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    match Parts::of(layer, x, bias.clone()) {
        Parts { own, weight, onto: None, options } => functions::conv2d(own, weight, bias, options),
        Parts { own, weight, onto: Some(onto), options } => {
            functions::conv2d_onto(own, weight, onto, options)
        }
    }
}

/// A convolution whose shared channels have already been convolved.
struct Parts<B: Backend> {
    own: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    onto: Option<Tensor<B, 4>>,
    options: PaddedConvOptions<2>,
}

impl<B: Backend> Parts<B> {
    /// Convolves the shared channels; `bias` is added there.
    fn of(layer: &Conv2d<B>, Joined { shared, own }: Joined<B>, bias: Option<Tensor<B, 1>>) -> Self {
        let options = options(layer, &own);
        let weight = layer.weight.val();
        let Some(shared) = shared else { return Self { own, weight, onto: None, options } };
        if shared.dims()[0] == own.dims()[0] {
            // Nothing is shared between images: concatenate.
            let own = functions::concat_channels(shared, own);
            return Self { own, weight, onto: None, options };
        }
        assert_eq!(layer.groups, 1, "conv2d: joined channels in groups");
        let (first, all) = (shared.dims()[1], weight.dims()[1]);
        let onto = functions::conv2d(shared, weight.clone().narrow(1, 0, first), bias, options.clone());
        Self { own, weight: weight.narrow(1, first, all - first), onto: Some(onto), options }
    }
}

fn options<B: Backend>(layer: &Conv2d<B>, x: &Tensor<B, 4>) -> PaddedConvOptions<2> {
    let [_, _, height, width] = x.dims();
    let (start, end) = padding(&layer.padding, layer.kernel_size, layer.stride, [height, width]);
    PaddedConvOptions::asymmetric(layer.stride, start, end, layer.dilation, layer.groups)
}

/// Same as `layer.forward(x)`.
pub fn conv_transpose2d<B: Backend>(layer: &ConvTranspose2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    let options = ConvTransposeOptions::new(
        layer.stride,
        layer.padding,
        layer.padding_out,
        layer.dilation,
        layer.groups,
    );
    functions::conv_transpose2d(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()), options)
}

/// A per-image modulation of normalised values: z (1 + scale) + shift, before the activation.
#[derive(Clone, Debug)]
pub struct Condition<B: Backend> {
    /// `[b, c]`
    pub scale: Option<Tensor<B, 2>>,
    /// `[b, c]`
    pub shift: Tensor<B, 2>,
}

/// γ and β `[1, c]`, or `[b, c]` with a condition.
fn affine<B: Backend>(
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    condition: Option<Condition<B>>,
) -> [Tensor<B, 2>; 2] {
    let [gamma, beta] = [gamma.unsqueeze::<2>(), beta.unsqueeze::<2>()];
    let Some(Condition { scale, shift }) = condition else { return [gamma, beta] };
    let images = shift.dims()[0];
    match scale {
        Some(scale) => {
            let scale = scale + 1.0;
            [gamma * scale.clone(), beta * scale + shift]
        }
        None => [gamma.repeat_dim(0, images), beta + shift],
    }
}

/// The activation of `layer.forward(x)`, modulated by a condition. Autodiff backends use batch statistics and
/// update the running ones; others use the running statistics.
pub fn batch_norm<B: Backend>(
    layer: &BatchNorm<B>,
    x: Tensor<B, 4>,
    condition: Option<Condition<B>>,
    activation: Activation,
) -> Tensor<B, 4> {
    let device = x.device();
    let [gamma, beta] = affine(layer.gamma.val(), layer.beta.val(), condition);
    if !B::ad_enabled(&device) {
        let mean = layer.running_mean.value().to_device(&device);
        let variance = layer.running_var.value().to_device(&device);
        return functions::batch_norm_inference(x, gamma, beta, mean, variance, layer.epsilon, activation);
    }
    let BatchNormOutput { output, mean, variance } =
        functions::batch_norm(x, gamma, beta, layer.epsilon, activation);
    for (running, found) in [(&layer.running_mean, mean), (&layer.running_var, variance)] {
        let kept = running.value_sync().to_device(&device).mul_scalar(1.0 - layer.momentum);
        running.update(kept.add(found.mul_scalar(layer.momentum)).detach());
    }
    output
}

/// A convolution and the batch norm after it. In prediction, where the norm is an affine function of each
/// channel, they are fused into one operation.
pub fn conv2d_batch_norm<B: Backend>(
    conv: &Conv2d<B>,
    norm: &BatchNorm<B>,
    x: Joined<B>,
    condition: Option<Condition<B>>,
    activation: Activation,
) -> Tensor<B, 4> {
    let device = x.own.device();
    if B::ad_enabled(&device) {
        return batch_norm(norm, conv2d_joined(conv, x), condition, activation);
    }
    let Parts { own, weight, onto, options } = Parts::of(conv, x, None);
    let [gamma, beta] = affine(norm.gamma.val(), norm.beta.val(), condition);
    let mean = norm.running_mean.value().to_device(&device);
    let variance = norm.running_var.value().to_device(&device);
    let scale = gamma / (variance + norm.epsilon).sqrt().unsqueeze::<2>();
    let offset = match &conv.bias {
        Some(bias) => bias.val() - mean,
        None => mean.neg(),
    };
    let shift = beta + scale.clone() * offset.unsqueeze::<2>();
    functions::conv2d_finished(own, weight, Finish { onto, scale, shift, activation }, options)
}

/// The activation of `layer.forward(x)`, modulated by a condition.
pub fn group_norm<B: Backend>(
    layer: &GroupNorm<B>,
    x: Tensor<B, 4>,
    condition: Option<Condition<B>>,
    activation: Activation,
) -> Tensor<B, 4> {
    let (device, channels) = (x.device(), [layer.num_channels]);
    let gamma = layer.gamma.as_ref().map_or_else(|| Tensor::ones(channels, &device), |gamma| gamma.val());
    let beta = layer.beta.as_ref().map_or_else(|| Tensor::zeros(channels, &device), |beta| beta.val());
    let [gamma, beta] = affine(gamma, beta, condition);
    functions::group_norm(x, layer.num_groups, gamma, beta, layer.epsilon, activation)
}

/// Padding before and after, computed like in [`Conv2d`], where the function is private.
fn padding(
    config: &PaddingConfig2d,
    kernel: [usize; 2],
    stride: [usize; 2],
    size: [usize; 2],
) -> ([usize; 2], [usize; 2]) {
    match config {
        PaddingConfig2d::Valid => ([0, 0], [0, 0]),
        PaddingConfig2d::Explicit(top, left, bottom, right) => ([*top, *left], [*bottom, *right]),
        PaddingConfig2d::Same => {
            let all = |axis: usize| {
                let out = size[axis].div_ceil(stride[axis]);
                (out.saturating_sub(1) * stride[axis] + kernel[axis]).saturating_sub(size[axis])
            };
            let start = [all(0) / 2, all(1) / 2];
            (start, [all(0) - start[0], all(1) - start[1]])
        }
    }
}
