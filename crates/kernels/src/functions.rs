//! The operations on tensors: functions for models.

use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, PadMode, PaddedConvOptions};

use crate::activation::Activation;
use crate::backend::Backend;
use crate::fallback::{primitive, tensor};
use crate::norm::{NormOptions, Statistics};
use crate::precision::{factor, output};

/// Convolves `x` with `weight`.
///
/// # Shapes
/// `x` `[b, in, h, w]`, `weight` `[out, in / groups, kh, kw]`, `bias` `[out]`, result `[b, out, oh, ow]`.
///
/// # Panics
/// If the shapes do not match, as with Burn's own convolution.
///
/// ```
/// use burn::{backend::Flex, tensor::{Tensor, ops::ConvOptions}};
/// let x = Tensor::<Flex, 4>::ones([1, 2, 5, 4], &Default::default());
/// let weight = Tensor::ones([3, 2, 3, 3], &Default::default());
/// let y = porecast_kernels::conv2d(x, weight, None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
/// assert_eq!(y.dims(), [1, 3, 5, 4]);
/// assert_eq!(y.max().into_scalar(), 18.0);
/// ```
pub fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: impl Into<PaddedConvOptions<2>>,
) -> Tensor<B, 4> {
    let (x, options) = padded(x, &weight, options.into());
    let (x, weight) = (factor(x), factor(weight));
    output(tensor(B::convolve2d(primitive(x), primitive(weight), bias.map(primitive), options)))
}

/// Convolves `x` with `weight` and adds `onto`, which is shared by consecutive images.
///
/// This avoids repeated work if several images share channels: for channels `x` and shared channels `s`, the
/// convolution of both is `conv2d_onto(x, weight of x, conv2d(s, weight of s))`.
///
/// # Shapes
/// Like [`conv2d`]; `onto` is `[b / k, out, oh, ow]`, and each of its images is used for k images of `x`.
///
/// # Panics
/// If the shapes do not match.
pub fn conv2d_onto<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    onto: Tensor<B, 4>,
    options: impl Into<PaddedConvOptions<2>>,
) -> Tensor<B, 4> {
    let (x, options) = padded(x, &weight, options.into());
    check_onto(&x, &weight, &onto);
    let (x, weight) = (factor(x), factor(weight));
    output(tensor(B::convolve2d_onto(primitive(x), primitive(weight), primitive(onto), options)))
}

/// Operations after a convolution: z = `scale` (y + `onto`) + `shift`, then the activation.
#[derive(Clone, Debug)]
pub struct Finish<B: Backend> {
    /// Added first, as in [`conv2d_onto`].
    pub onto: Option<Tensor<B, 4>>,
    /// `[1, out]`, or `[b, out]` for separate values per image.
    pub scale: Tensor<B, 2>,
    /// Shape like `scale`.
    pub shift: Tensor<B, 2>,
    /// Applied last.
    pub activation: Activation,
}

/// Convolution and all subsequent operations in one pass, for prediction, where a norm is an affine function.
/// No backend has its own gradient for it.
///
/// # Shapes
/// Like [`conv2d`].
///
/// # Panics
/// If the shapes do not match.
pub fn conv2d_finished<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    finish: Finish<B>,
    options: impl Into<PaddedConvOptions<2>>,
) -> Tensor<B, 4> {
    let (x, options) = padded(x, &weight, options.into());
    let (batch, channels) = (x.dims()[0], weight.dims()[0]);
    for affine in [&finish.scale, &finish.shift] {
        let [images, found] = affine.dims();
        assert!(
            found == channels && (images == 1 || images == batch),
            "conv2d: one scale and shift for each output channel, or for each of each image"
        );
    }
    if let Some(onto) = &finish.onto {
        check_onto(&x, &weight, onto);
    }
    let Finish { onto, scale, shift, activation } = finish;
    let affine = [primitive(scale), primitive(shift)];
    let onto = onto.map(primitive);
    let (x, weight) = (factor(x), factor(weight));
    tensor(B::convolve2d_finished(primitive(x), primitive(weight), onto, affine, activation, options))
}

/// Convolution of the channels of `first`, followed by those of `rest`.
///
/// # Shapes
/// `first` `[b, m, h, w]`, `rest` `[b, n, h, w]`, `weight` `[out, m + n, kh, kw]`, `bias` `[out]`.
///
/// # Panics
/// If the shapes do not match.
pub(crate) fn conv2d_pair<B: Backend>(
    x: [Tensor<B, 4>; 2],
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: ConvOptions<2>,
) -> Tensor<B, 4> {
    check_pair(&x, &weight, &options);
    let (x, weight) = (x.map(factor), factor(weight));
    output(tensor(B::convolve2d_pair(x.map(primitive), primitive(weight), bias.map(primitive), options)))
}

fn check_pair<B: Backend>(
    [first, rest]: &[Tensor<B, 4>; 2],
    weight: &Tensor<B, 4>,
    options: &ConvOptions<2>,
) {
    let ([batch, channels, height, width], [_, more, ..]) = (first.dims(), rest.dims());
    assert_eq!([batch, more, height, width], rest.dims(), "conv2d: batch and size of joined channels differ");
    let weight_channels = weight.dims()[1] * options.groups;
    assert_eq!(channels + more, weight_channels, "conv2d: channels of the input and of the weight differ");
}

/// [`conv2d_pair`], then scale and shift as in [`Finish`], and activation.
pub(crate) fn conv2d_pair_finished<B: Backend>(
    x: [Tensor<B, 4>; 2],
    weight: Tensor<B, 4>,
    affine: [Tensor<B, 2>; 2],
    activation: Activation,
    options: ConvOptions<2>,
) -> Tensor<B, 4> {
    check_pair(&x, &weight, &options);
    let (x, weight) = (x.map(factor), factor(weight));
    let affine = affine.map(primitive);
    tensor(B::convolve2d_pair_finished(x.map(primitive), primitive(weight), affine, activation, options))
}

/// Convolution of joined channels: those of `shared`, each image of which is for consecutive images of `own`, come
/// first.
///
/// # Shapes
/// `shared` `[b / k, m, h, w]`, `own` `[b, n, h, w]`, `weight` `[out, m + n, kh, kw]`, `bias` `[out]`.
pub(crate) fn conv2d_joined<B: Backend>(
    shared: Tensor<B, 4>,
    own: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    options: ConvOptions<2>,
) -> Tensor<B, 4> {
    let x = [primitive(factor(shared)), primitive(factor(own))];
    output(tensor(B::convolve2d_joined(x, primitive(factor(weight)), primitive(bias), options)))
}

/// The gated change of a state s to s + σ(g) (tanh n - s).
///
/// # Shapes
/// `state` `[b, c, h, w]`; `change` `[b, 2c, h, w]`, the gates g, then the new states n.
///
/// # Panics
/// If the shapes do not match.
///
/// # References
/// Cho et al. (2014), equation 7, without the reset gate.
pub fn gated_change<B: Backend>(state: Tensor<B, 4>, change: Tensor<B, 4>) -> Tensor<B, 4> {
    let [batch, channels, height, width] = state.dims();
    assert_eq!(change.dims(), [batch, 2 * channels, height, width], "a gate and a new state for each value");
    tensor(B::gated_change(primitive(state), primitive(change)))
}

/// Sums of images, weighted by coefficients of a coarser grid that are interpolated bilinearly.
///
/// # Shapes
/// `x` `[b, f, h, w]`; `coefficients` `[b k, o f, h', w']`, those of the first output first, k consecutive ones for each
/// image of `x`. Result `[b k, o, h, w]`.
///
/// # Panics
/// If the shapes do not match.
pub fn combine<B: Backend>(coefficients: Tensor<B, 4>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    let ([samples, channels, ..], [images, features, ..]) = (coefficients.dims(), x.dims());
    assert!(
        images > 0 && samples.is_multiple_of(images) && channels.is_multiple_of(features),
        "combine: coefficients {samples} x {channels} for images {images} x {features}"
    );
    tensor(B::combine(primitive(coefficients), primitive(x)))
}

/// max(x, 0).
pub fn relu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    tensor(B::rectify(primitive(x)))
}

/// x / (1 + exp(-x)) in one operation.
pub fn silu<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    tensor(B::silu(primitive(x)))
}

fn check_onto<B: Backend>(x: &Tensor<B, 4>, weight: &Tensor<B, 4>, onto: &Tensor<B, 4>) {
    let ([batch, ..], [images, channels, ..]) = (x.dims(), onto.dims());
    assert_eq!(channels, weight.dims()[0], "conv2d_onto: channels of the output and of the sum differ");
    assert!(
        images > 0 && batch.is_multiple_of(images),
        "conv2d_onto: {images} images for a batch of {batch}"
    );
}

/// The input, padded if the padding differs between the two sides, and the remaining options.
fn padded<B: Backend>(
    x: Tensor<B, 4>,
    weight: &Tensor<B, 4>,
    options: PaddedConvOptions<2>,
) -> (Tensor<B, 4>, ConvOptions<2>) {
    let PaddedConvOptions { mut options, padding_end } = options;
    let (in_channels, weight_channels) = (x.dims()[1], weight.dims()[1] * options.groups);
    assert_eq!(in_channels, weight_channels, "conv2d: channels of the input and of the weight differ");
    let x = match padding_end {
        None => x,
        Some([bottom, right]) => {
            let [top, left] = std::mem::take(&mut options.padding);
            x.pad((left, right, top, bottom), PadMode::Constant(0.0))
        }
    };
    (x, ConvOptions::new(options.stride, options.padding, options.dilation, options.groups))
}

/// Transposed convolution; fast if the kernel size equals the stride and there is no padding.
///
/// # Shapes
/// `x` `[b, in, h, w]`, `weight` `[in, out / groups, kh, kw]`, `bias` `[out]`; with a 2x2 kernel and stride 2
/// the result is `[b, out, 2h, 2w]`.
pub fn conv_transpose2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: ConvTransposeOptions<2>,
) -> Tensor<B, 4> {
    assert_eq!(
        x.dims()[1],
        weight.dims()[0],
        "conv_transpose2d: channels of the input and of the weight differ"
    );
    let (x, weight) = (factor(x), factor(weight));
    output(tensor(B::convolve_transposed2d(primitive(x), primitive(weight), bias.map(primitive), options)))
}

/// Result of [`batch_norm`].
#[derive(Clone, Debug)]
pub struct BatchNormOutput<B: Backend> {
    /// `[b, c, h, w]`
    pub output: Tensor<B, 4>,
    /// Mean of each channel of the input, without gradient.
    pub mean: Tensor<B, 1>,
    /// Variance of each channel of the input, divided by the number of values, without gradient.
    pub variance: Tensor<B, 1>,
}

/// Batch norm with the statistics of `x`, then the activation: training mode.
///
/// # Shapes
/// `x` `[b, c, h, w]`, `gamma` and `beta` `[c]` (or `[1, c]`), or `[b, c]` for separate values per image.
pub fn batch_norm<B: Backend, const D: usize>(
    x: Tensor<B, 4>,
    gamma: Tensor<B, D>,
    beta: Tensor<B, D>,
    epsilon: f64,
    activation: Activation,
) -> BatchNormOutput<B> {
    check_affine(&x, &gamma, &beta);
    let options = NormOptions { statistics: Statistics::Batch, epsilon, activation };
    let found = B::normalize(primitive(x), primitive(gamma), primitive(beta), options);
    BatchNormOutput {
        output: tensor(found.output),
        mean: tensor(found.mean),
        variance: tensor(found.variance),
    }
}

/// Batch norm with given statistics, then the activation: inference mode.
///
/// # Shapes
/// `x` `[b, c, h, w]`, `gamma` and `beta` `[c]` or `[b, c]`, `mean` and `variance` `[c]`.
pub fn batch_norm_inference<B: Backend, const D: usize>(
    x: Tensor<B, 4>,
    gamma: Tensor<B, D>,
    beta: Tensor<B, D>,
    mean: Tensor<B, 1>,
    variance: Tensor<B, 1>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<B, 4> {
    check_affine(&x, &gamma, &beta);
    check_affine(&x, &mean, &variance);
    let options = NormOptions { statistics: Statistics::Batch, epsilon, activation };
    let moments = [primitive(mean), primitive(variance)];
    tensor(B::normalize_with(primitive(x), primitive(gamma), primitive(beta), moments, options))
}

/// Group norm, then the activation.
///
/// # Shapes
/// `x` `[b, c, h, w]`, `gamma` and `beta` `[c]` or `[b, c]`.
///
/// # Panics
/// If `groups` does not divide the number of channels.
pub fn group_norm<B: Backend, const D: usize>(
    x: Tensor<B, 4>,
    groups: usize,
    gamma: Tensor<B, D>,
    beta: Tensor<B, D>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<B, 4> {
    check_affine(&x, &gamma, &beta);
    let channels = x.dims()[1];
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "group_norm: {groups} groups of {channels} channels"
    );
    let options = NormOptions { statistics: Statistics::Group(groups), epsilon, activation };
    tensor(B::normalize(primitive(x), primitive(gamma), primitive(beta), options).output)
}

fn check_affine<B: Backend, const D: usize>(x: &Tensor<B, 4>, gamma: &Tensor<B, D>, beta: &Tensor<B, D>) {
    let [batch, channels, _, _] = x.dims();
    let dims = gamma.dims();
    let fits = [&[channels] as &[usize], &[1, channels], &[batch, channels]].contains(&dims.as_slice());
    assert!(fits && beta.dims() == dims, "norm: one value for each channel, or each channel of each image");
}

/// Maximum of each 2x2 block: `[b, c, h, w]` to `[b, c, h / 2, w / 2]`; an odd last row or column is ignored.
pub fn max_pool2x2<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    tensor(B::pool2x2_max(primitive(x)))
}

/// Maximum of the 3x3 pixels around every second one: `[b, c, h, w]` to `[b, c, h / 2, w / 2]`, rounded up.
pub fn max_pool3x3<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    tensor(B::pool3x3_max(primitive(x)))
}

/// Repeats each value in a 2x2 block: `[b, c, h, w]` to `[b, c, 2h, 2w]`.
pub fn upsample2x<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    tensor(B::upsample2x_nearest(primitive(x)))
}

/// Concatenates `[b, m, h, w]` and `[b, n, h, w]` to `[b, m + n, h, w]`.
///
/// # Panics
/// If batch or image sizes differ.
pub fn concat_channels<B: Backend>(a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4> {
    let ([batch, _, height, width], [b_batch, _, b_height, b_width]) = (a.dims(), b.dims());
    assert_eq!(
        [batch, height, width],
        [b_batch, b_height, b_width],
        "concat_channels: batch and size differ"
    );
    tensor(B::join_channels(primitive(a), primitive(b)))
}

/// Cross-entropy -Σ w ln p / Σ w over the pixels: p is the probability of the class of a pixel and w the weight of that
/// class; 0 if no pixel counts.
///
/// # Shapes
/// `logits` `[b, c, h, w]`, `classes` `[b, 1, h, w]` of 0, 1, ..., `weights` `[c]`; result `[1]`.
pub fn cross_entropy<B: Backend>(
    logits: Tensor<B, 4>,
    classes: Tensor<B, 4>,
    weights: Tensor<B, 1>,
) -> Tensor<B, 1> {
    let [loss, _] = B::cross_entropy(primitive(logits), primitive(classes), primitive(weights));
    tensor(loss)
}

/// Log-softmax over the channels: `[b, c, h, w]` to the same shape.
pub fn log_softmax_channels<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    tensor(B::log_softmax_channels(primitive(x)))
}
