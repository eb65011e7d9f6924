//! The operations on tensors, as models call them.

use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, PadMode, PaddedConvOptions};

use crate::activation::Activation;
use crate::backend::Backend;
use crate::fallback::{primitive, tensor};
use crate::norm::{NormOptions, Statistics};

/// Convolves `x` with `weight`.
///
/// # Shapes
/// `x` `[b, in, h, w]`, `weight` `[out, in / groups, kh, kw]`, `bias` `[out]`, result `[b, out, oh, ow]`.
///
/// # Panics
/// When the shapes do not fit together, as Burn's own convolution does.
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
    let PaddedConvOptions { mut options, padding_end } = options.into();
    let (in_channels, weight_channels) = (x.dims()[1], weight.dims()[1] * options.groups);
    assert_eq!(in_channels, weight_channels, "conv2d: channels of the input and of the weight differ");
    let x = match padding_end {
        None => x,
        Some([bottom, right]) => {
            let [top, left] = std::mem::take(&mut options.padding);
            x.pad((left, right, top, bottom), PadMode::Constant(0.0))
        }
    };
    let options = ConvOptions::new(options.stride, options.padding, options.dilation, options.groups);
    tensor(B::convolve2d(primitive(x), primitive(weight), bias.map(primitive), options))
}

/// Transposed convolution; fast where the kernel equals the stride, without padding.
///
/// # Shapes
/// `x` `[b, in, h, w]`, `weight` `[in, out / groups, kh, kw]`, `bias` `[out]`; with a 2x2 kernel and stride 2 the
/// result is `[b, out, 2h, 2w]`.
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
    tensor(B::convolve_transposed2d(primitive(x), primitive(weight), bias.map(primitive), options))
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

/// Batch norm with the statistics of `x` itself, then the activation: training mode.
///
/// # Shapes
/// `x` `[b, c, h, w]`, `gamma` and `beta` `[c]`.
pub fn batch_norm<B: Backend>(
    x: Tensor<B, 4>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    epsilon: f64,
    activation: Activation,
) -> BatchNormOutput<B> {
    check_channels(&x, &[&gamma, &beta]);
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
/// `x` `[b, c, h, w]`, everything else `[c]`.
pub fn batch_norm_inference<B: Backend>(
    x: Tensor<B, 4>,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    mean: Tensor<B, 1>,
    variance: Tensor<B, 1>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<B, 4> {
    check_channels(&x, &[&gamma, &beta, &mean, &variance]);
    let options = NormOptions { statistics: Statistics::Batch, epsilon, activation };
    let moments = [primitive(mean), primitive(variance)];
    tensor(B::normalize_with(primitive(x), primitive(gamma), primitive(beta), moments, options))
}

/// Group norm, then the activation.
///
/// # Shapes
/// `x` `[b, c, h, w]`, `gamma` and `beta` `[c]`.
///
/// # Panics
/// When `groups` does not divide the number of channels.
pub fn group_norm<B: Backend>(
    x: Tensor<B, 4>,
    groups: usize,
    gamma: Tensor<B, 1>,
    beta: Tensor<B, 1>,
    epsilon: f64,
    activation: Activation,
) -> Tensor<B, 4> {
    check_channels(&x, &[&gamma, &beta]);
    let channels = x.dims()[1];
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "group_norm: {groups} groups of {channels} channels"
    );
    let options = NormOptions { statistics: Statistics::Group(groups), epsilon, activation };
    tensor(B::normalize(primitive(x), primitive(gamma), primitive(beta), options).output)
}

fn check_channels<B: Backend>(x: &Tensor<B, 4>, per_channel: &[&Tensor<B, 1>]) {
    for of in per_channel {
        assert_eq!(of.dims(), [x.dims()[1]], "norm: one value for each channel of the input");
    }
}

/// Largest value of each 2x2 block: `[b, c, h, w]` to `[b, c, h / 2, w / 2]`, an odd last row or column left out.
pub fn max_pool2x2<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    tensor(B::pool2x2_max(primitive(x)))
}

/// Each value repeated in a 2x2 block: `[b, c, h, w]` to `[b, c, 2h, 2w]`.
pub fn upsample2x<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    tensor(B::upsample2x_nearest(primitive(x)))
}

/// `[b, m, h, w]` and `[b, n, h, w]` to `[b, m + n, h, w]`.
///
/// # Panics
/// When batch or size differ.
pub fn concat_channels<B: Backend>(a: Tensor<B, 4>, b: Tensor<B, 4>) -> Tensor<B, 4> {
    let ([batch, _, height, width], [b_batch, _, b_height, b_width]) = (a.dims(), b.dims());
    assert_eq!(
        [batch, height, width],
        [b_batch, b_height, b_width],
        "concat_channels: batch and size differ"
    );
    tensor(B::join_channels(primitive(a), primitive(b)))
}
