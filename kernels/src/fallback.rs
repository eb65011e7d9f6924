//! The operations in terms of Burn's own, for backends and cases without kernels.

use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvTransposeOptions, FloatTensor, InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, TensorMetadata, TensorPrimitive, activation};

use crate::activation::Activation;
use crate::backend::Normalized;
use crate::norm::{NormOptions, Statistics};

pub(crate) fn convolve_transposed2d_gradients<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
    options: ConvTransposeOptions<2>,
    wanted: [bool; 2],
) -> [Option<FloatTensor<B>>; 2] {
    let for_x = wanted[0]
        .then(|| B::conv_transpose2d_x_backward(weight.clone(), out_gradient.clone(), options.clone()));
    let for_weight = wanted[1].then(|| B::conv_transpose2d_weight_backward(x, weight, out_gradient, options));
    [for_x, for_weight]
}

pub(crate) fn bias_gradient<B: Backend>(out_gradient: FloatTensor<B>) -> FloatTensor<B> {
    let gradient = tensor::<B, 4>(out_gradient);
    let channels = gradient.dims()[1];
    primitive(gradient.sum_dims(&[0, 2, 3]).reshape([channels]))
}

pub(crate) fn normalize<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    options: NormOptions,
) -> Normalized<FloatTensor<B>> {
    let x = tensor::<B, 4>(x);
    let values = in_sets(x.clone(), options.statistics);
    let mean = values.clone().mean_dim(1);
    let variance = (values - mean.clone()).square().mean_dim(1);
    let sets = mean.dims()[0];
    let moments = [mean, variance].map(|moment| moment.reshape([sets]));
    let [mean, variance] = moments.clone().map(|moment| per_plane(moment, &x, options.statistics));
    let [gamma, beta] = [gamma, beta].map(|of| per_channel(tensor::<B, 1>(of)));
    let z = (x - mean) / (variance + options.epsilon).sqrt() * gamma + beta;
    let [mean, variance] = moments.map(primitive);
    Normalized { output: primitive(activate(z, options.activation)), mean, variance }
}

pub(crate) fn normalize_gradients<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    moments: [FloatTensor<B>; 2],
    out_gradient: FloatTensor<B>,
    options: NormOptions,
) -> [FloatTensor<B>; 3] {
    let x = tensor::<B, 4>(x);
    let gradient = tensor::<B, 4>(out_gradient);
    let statistics = options.statistics;
    let [mean, variance] = moments.map(|moment| per_plane(tensor::<B, 1>(moment), &x, statistics));
    let [gamma, beta] = [gamma, beta].map(|of| per_channel(tensor::<B, 1>(of)));
    let channels = x.dims()[1];
    let deviation = (variance + options.epsilon).sqrt();
    let normalised = (x.clone() - mean) / deviation.clone();
    let inner = gradient * slope(normalised.clone() * gamma.clone() + beta, options.activation);
    let over_planes = |values: Tensor<B, 4>| values.sum_dims(&[0, 2, 3]).reshape([channels]);
    let for_beta = over_planes(inner.clone());
    let for_gamma = over_planes(inner.clone() * normalised.clone());
    let inner = inner * gamma;
    let set_mean = |values: Tensor<B, 4>| {
        let means = in_sets(values, statistics).mean_dim(1);
        let sets = means.dims()[0];
        per_plane(means.reshape([sets]), &x, statistics)
    };
    let mean = set_mean(inner.clone());
    let weighted_mean = set_mean(inner.clone() * normalised.clone());
    let for_x = (inner - mean - normalised * weighted_mean) / deviation;
    [primitive(for_x), primitive(for_gamma), primitive(for_beta)]
}

pub(crate) fn normalize_with<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    moments: [FloatTensor<B>; 2],
    options: NormOptions,
) -> FloatTensor<B> {
    let [gamma, beta] = [gamma, beta].map(|of| per_channel(tensor::<B, 1>(of)));
    let [mean, variance] = moments.map(|moment| per_channel(tensor::<B, 1>(moment)));
    let z = (tensor::<B, 4>(x) - mean) / (variance + options.epsilon).sqrt() * gamma + beta;
    primitive(activate(z, options.activation))
}

pub(crate) fn pool2x2_max<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false)
}

pub(crate) fn pool2x2_max_gradient<B: Backend>(
    x: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let (size, padding, dilation) = ([2, 2], [0, 0], [1, 1]);
    let indices = B::max_pool2d_with_indices(x.clone(), size, size, padding, dilation, false).indices;
    let backward = B::max_pool2d_with_indices_backward;
    backward(x, size, size, padding, dilation, false, out_gradient, indices).x_grad
}

pub(crate) fn upsample2x_nearest<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [_, _, height, width] = x.shape().dims();
    B::interpolate(x, [2 * height, 2 * width], InterpolateOptions::new(InterpolateMode::Nearest))
}

pub(crate) fn upsample2x_nearest_gradient<B: Backend>(out_gradient: FloatTensor<B>) -> FloatTensor<B> {
    let gradient = tensor::<B, 4>(out_gradient);
    let [batch, channels, height, width] = gradient.dims();
    let blocks = gradient.reshape([batch * channels, height / 2, 2, width / 2, 2]);
    primitive(blocks.sum_dims(&[2, 4]).reshape([batch, channels, height / 2, width / 2]))
}

pub(crate) fn join_channels<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    B::float_cat(vec![a, b], 1)
}

pub(crate) fn split_channels<B: Backend>(joined: FloatTensor<B>, channels: usize) -> [FloatTensor<B>; 2] {
    let joined = tensor::<B, 4>(joined);
    let rest = joined.dims()[1] - channels;
    [primitive(joined.clone().narrow(1, 0, channels)), primitive(joined.narrow(1, channels, rest))]
}

pub(crate) fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

pub(crate) fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

/// Values as `[set, values of the set]`.
fn in_sets<B: Backend>(x: Tensor<B, 4>, statistics: Statistics) -> Tensor<B, 2> {
    let [batch, channels, height, width] = x.dims();
    match statistics {
        Statistics::Batch => x.swap_dims(0, 1).reshape([channels, batch * height * width]),
        Statistics::Group(groups) => x.reshape([batch * groups, channels / groups * height * width]),
    }
}

/// A value of each set, spread to the planes of `x`.
fn per_plane<B: Backend>(of: Tensor<B, 1>, x: &Tensor<B, 4>, statistics: Statistics) -> Tensor<B, 4> {
    let [batch, channels, _, _] = x.dims();
    match statistics {
        Statistics::Batch => per_channel(of),
        Statistics::Group(groups) => of
            .reshape([batch, groups, 1, 1])
            .repeat_dim(2, channels / groups)
            .reshape([batch, channels, 1, 1]),
    }
}

fn per_channel<B: Backend>(of: Tensor<B, 1>) -> Tensor<B, 4> {
    let [channels] = of.dims();
    of.reshape([1, channels, 1, 1])
}

fn activate<B: Backend>(z: Tensor<B, 4>, function: Activation) -> Tensor<B, 4> {
    match function {
        Activation::Identity => z,
        Activation::Relu => activation::relu(z),
        Activation::Silu => activation::silu(z),
    }
}

fn slope<B: Backend>(z: Tensor<B, 4>, function: Activation) -> Tensor<B, 4> {
    match function {
        Activation::Identity => z.ones_like(),
        Activation::Relu => z.greater_elem(0.0).float(),
        Activation::Silu => {
            let sigmoid = activation::sigmoid(z.clone());
            sigmoid.clone() * (z * (sigmoid.neg() + 1.0) + 1.0)
        }
    }
}
