//! The operations on Burn's modules; their parameters, records and names are unchanged.

use burn::module::{Module as _, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::nn::{BatchNorm, GroupNorm, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvTransposeOptions, FloatTensor, PaddedConvOptions};

use crate::activation::Activation;
use crate::backend::{Backend, Normalized};
use crate::fallback::{primitive, tensor};
use crate::functions::{self, Finish};
use crate::norm::{NormOptions, Statistics};

/// Same as `layer.forward(x)`.
pub fn conv2d<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    let options = options(layer, &x);
    functions::conv2d(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()), options)
}

/// `layer.forward(x)` in two tensors, the first `[b, first, h, w]`. A slice of the whole output would be copied wherever it is
/// used.
pub fn conv2d_split<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>, first: usize) -> [Tensor<B, 4>; 2] {
    assert_eq!(layer.groups, 1, "conv2d_split: channels in groups");
    let outputs = layer.weight.dims()[0];
    [(0, first), (first, outputs - first)].map(|(start, length)| {
        let weight = layer.weight.val().narrow(0, start, length);
        let bias = layer.bias.as_ref().map(|bias| bias.val().narrow(0, start, length));
        functions::conv2d(x.clone(), weight, bias, options(layer, &x))
    })
}

/// `layer.forward(x)` without the bias, added to `onto`.
pub fn conv2d_onto<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>, onto: Tensor<B, 4>) -> Tensor<B, 4> {
    let options = options(layer, &x);
    functions::conv2d_onto(x, layer.weight.val(), onto, options)
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
    let options = options(layer, &x.own);
    if let (true, Some(shared), Some(bias), None) =
        (B::PREFERS_FEW_OPERATIONS && layer.groups == 1, &x.shared, &bias, options.padding_end)
        && shared.dims()[0] < x.own.dims()[0]
    {
        let (shared, weight) = (shared.clone(), layer.weight.val());
        return functions::conv2d_joined(shared, x.own, weight, bias.clone(), options.options);
    }
    let weight = layer.weight.val();
    match Parts::of(layer, x, bias.clone()) {
        Parts::One(own) => functions::conv2d(own, weight, bias, options),
        Parts::Two(x) => functions::conv2d_pair(x, weight, bias, options.options),
        Parts::Onto { onto, own, weight } => functions::conv2d_onto(own, weight, onto, options),
    }
}

/// The input of a convolution of joined channels.
enum Parts<B: Backend> {
    /// All channels in one tensor.
    One(Tensor<B, 4>),
    /// The first channels in one tensor and the rest in another.
    Two([Tensor<B, 4>; 2]),
    /// The shared channels have already been convolved; the weight of the others.
    Onto { onto: Tensor<B, 4>, own: Tensor<B, 4>, weight: Tensor<B, 4> },
}

impl<B: Backend> Parts<B> {
    /// Convolves channels that several images share; `bias` is added there.
    fn of(layer: &Conv2d<B>, Joined { shared, own }: Joined<B>, bias: Option<Tensor<B, 1>>) -> Self {
        let options = options(layer, &own);
        let Some(shared) = shared else { return Self::One(own) };
        if shared.dims()[0] == own.dims()[0] {
            return match options.padding_end {
                None => Self::Two([shared, own]),
                Some(_) => Self::One(functions::concat_channels(shared, own)),
            };
        }
        assert_eq!(layer.groups, 1, "conv2d: joined channels in groups");
        let weight = layer.weight.val();
        let (first, all) = (shared.dims()[1], weight.dims()[1]);
        let onto = functions::conv2d(shared, weight.clone().narrow(1, 0, first), bias, options);
        Self::Onto { onto, own, weight: weight.narrow(1, first, all - first) }
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

/// A per-image modulation of normalised values, before the activation: z + shift, or z (1 + scale) + shift.
#[derive(Clone, Debug)]
pub struct Condition<B: Backend> {
    /// The shift `[b, c]`, or the scale followed by the shift `[b, 2c]`.
    pub change: Tensor<B, 2>,
}

/// γ and β `[1, c]`, or `[b, c]` with a condition.
fn affine<B: Backend>(
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    condition: Option<Condition<B>>,
) -> [Tensor<B, 2>; 2] {
    let [gamma, beta] = [gamma.unsqueeze::<2>(), beta.unsqueeze::<2>()];
    let Some(Condition { change }) = condition else { return [gamma, beta] };
    let (channels, [images, changes]) = (gamma.dims()[1], change.dims());
    if changes == channels {
        return [gamma.repeat_dim(0, images), beta + change];
    }
    let scale = change.clone().narrow(1, 0, channels) + 1.0;
    let shift = change.narrow(1, channels, channels);
    [gamma * scale.clone(), beta * scale + shift]
}

/// γ, β and what changes them, where the backend applies that together with the norm; else γ and β of each image.
fn affine_and_change<B: Backend>(
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    condition: Option<Condition<B>>,
    images: usize,
) -> ([Tensor<B, 2>; 2], Option<Tensor<B, 2>>) {
    match condition {
        Some(Condition { change }) if B::PREFERS_FEW_OPERATIONS && change.dims()[0] == images => {
            ([gamma.unsqueeze(), beta.unsqueeze()], Some(change))
        }
        condition => (affine(gamma, beta, condition), None),
    }
}

/// Norm with the statistics of `x`, then the activation.
fn normalize<B: Backend>(
    x: Tensor<B, 4>,
    ([gamma, beta], change): ([Tensor<B, 2>; 2], Option<Tensor<B, 2>>),
    options: NormOptions,
) -> Normalized<FloatTensor<B>> {
    let (x, affine) = (primitive(x), [primitive(gamma), primitive(beta)]);
    match change {
        Some(change) => B::normalize_modulated(x, affine, primitive(change), options),
        None => {
            let [gamma, beta] = affine;
            B::normalize(x, gamma, beta, options)
        }
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
    let (affine, change) = affine_and_change(layer.gamma.val(), layer.beta.val(), condition, x.dims()[0]);
    let options = NormOptions { statistics: Statistics::Batch, epsilon: layer.epsilon, activation };
    if !B::ad_enabled(&device) {
        let moments = [&layer.running_mean, &layer.running_var];
        let moments = moments.map(|running| primitive(running.value().to_device(&device)));
        let (x, affine) = (primitive(x), affine.map(primitive));
        return tensor(match change {
            Some(change) => B::normalize_modulated_with(x, affine, primitive(change), moments, options),
            None => {
                let [gamma, beta] = affine;
                B::normalize_with(x, gamma, beta, moments, options)
            }
        });
    }
    let Normalized { output, mean, variance } = normalize(x, (affine, change), options);
    let running = [&layer.running_mean, &layer.running_var];
    let pairs = running.into_iter().zip([mean, variance]);
    let pairs = pairs.map(|(running, found)| [primitive(running.value().to_device(&device)), found]);
    let mixed = B::mix(pairs.collect(), [1.0 - layer.momentum, layer.momentum]);
    for (running, mixed) in running.into_iter().zip(mixed) {
        // `update` would keep a value for each thread and, when it is read, take their mean: another value if a batch runs on
        // another thread than the one before.
        running.clone().map(&mut Set(Some(mixed)));
    }
    tensor(output)
}

/// Sets the value of a running statistic; its clones share it.
struct Set<B: Backend>(Option<FloatTensor<B>>);

impl<B: Backend> ModuleMapper<B> for Set<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        match self.0.take() {
            Some(value) => Param::initialized(param.id, tensor(value)),
            None => param,
        }
    }
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
    if B::ad_enabled(&device) || B::PREFERS_FEW_OPERATIONS {
        return batch_norm(norm, conv2d_joined(conv, x), condition, activation);
    }
    let options = options(conv, &x.own);
    let [gamma, beta] = affine(norm.gamma.val(), norm.beta.val(), condition);
    let mean = norm.running_mean.value().to_device(&device);
    let variance = norm.running_var.value().to_device(&device);
    let scale = gamma / (variance + norm.epsilon).sqrt().unsqueeze::<2>();
    let offset = match &conv.bias {
        Some(bias) => bias.val() - mean,
        None => mean.neg(),
    };
    let shift = beta + scale.clone() * offset.unsqueeze::<2>();
    let weight = conv.weight.val();
    let (own, weight, onto) = match Parts::of(conv, x, None) {
        Parts::One(own) => (own, weight, None),
        Parts::Two(x) => {
            return functions::conv2d_pair_finished(x, weight, [scale, shift], activation, options.options);
        }
        Parts::Onto { onto, own, weight } => (own, weight, Some(onto)),
    };
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
    let affine = affine_and_change(gamma, beta, condition, x.dims()[0]);
    let statistics = Statistics::Group(layer.num_groups);
    tensor(normalize(x, affine, NormOptions { statistics, epsilon: layer.epsilon, activation }).output)
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
