//! The operations implemented with Burn's own, for backends and cases without kernels.

use burn::tensor::backend::Backend;
use burn::tensor::ops::{
    ConvOptions, ConvTransposeOptions, FloatTensor, InterpolateMode, InterpolateOptions,
};
use burn::tensor::{Int, Scalar, Shape, Tensor, TensorMetadata, TensorPrimitive, activation};

use crate::activation::Activation;
use crate::adam;
use crate::backend::Normalized;
use crate::norm::{NormOptions, Statistics};

pub(crate) fn convolve2d_onto<B: crate::Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    onto: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    let batch = x.shape()[0];
    let sum =
        tensor::<B, 4>(B::convolve2d(x, weight, None, options)) + repeat_images(tensor::<B, 4>(onto), batch);
    primitive(sum)
}

pub(crate) fn convolve2d_input_gradient<B: Backend>(
    input: Shape,
    weight: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    // Burn reads only its shape.
    let x = B::float_empty(input, &B::float_device(&weight), weight.dtype().into());
    B::conv2d_x_backward(x, weight, out_gradient, options)
}

pub(crate) fn convolve2d_pair_gradients<B: crate::Backend>(
    [first, rest]: [FloatTensor<B>; 2],
    weight: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
    options: ConvOptions<2>,
) -> [FloatTensor<B>; 3] {
    let channels = first.shape()[1];
    let x = B::join_channels(first, rest);
    let for_x =
        B::convolve2d_input_gradient(x.shape(), weight.clone(), out_gradient.clone(), options.clone());
    let [for_first, for_rest] = B::split_channels(for_x, channels);
    [for_first, for_rest, B::convolve2d_weight_gradient(x, weight, out_gradient, options)]
}

pub(crate) fn sum_images<B: Backend>(x: FloatTensor<B>, images: usize) -> FloatTensor<B> {
    let x = tensor::<B, 4>(x);
    let [batch, channels, height, width] = x.dims();
    let together = x.reshape([images, batch / images, channels * height * width]).sum_dim(1);
    primitive(together.reshape([images, channels, height, width]))
}

pub(crate) fn convolve2d_finished<B: crate::Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    onto: Option<FloatTensor<B>>,
    affine: [FloatTensor<B>; 2],
    activation: Activation,
    options: ConvOptions<2>,
) -> FloatTensor<B> {
    let channels = weight.shape()[0];
    let y = match onto {
        Some(onto) => B::convolve2d_onto(x, weight, onto, options),
        None => B::convolve2d(x, weight, None, options),
    };
    let [scale, shift] = affine.map(|of| per_image::<B>(of, channels));
    primitive(activate(tensor::<B, 4>(y) * scale + shift, activation))
}

/// Repeats each image such that the result has `batch` images.
fn repeat_images<B: Backend>(x: Tensor<B, 4>, batch: usize) -> Tensor<B, 4> {
    let [images, channels, height, width] = x.dims();
    let rows = x.reshape([images, 1, channels * height * width]).repeat_dim(1, batch / images);
    rows.reshape([batch, channels, height, width])
}

pub(crate) fn adam<B: Backend>(
    parameter: FloatTensor<B>,
    gradient: FloatTensor<B>,
    [first, second]: [FloatTensor<B>; 2],
    step: adam::Step,
) -> [FloatTensor<B>; 3] {
    let shape = parameter.shape();
    let flat = |of: FloatTensor<B>| tensor::<B, 1>(B::float_reshape(of, Shape::new([shape.num_elements()])));
    let (parameter, first, second) = (flat(parameter), flat(first), flat(second));
    let gradient = flat(gradient) + parameter.clone() * step.penalty;
    let [keep_first, keep_second] = step.keep_moments;
    let first = first * keep_first + gradient.clone() * (1.0 - keep_first);
    let second = second * keep_second + gradient.square() * (1.0 - keep_second);
    let scale = (second.clone() / step.corrections[1]).sqrt() + step.epsilon;
    let change = first.clone() / step.corrections[0] / scale;
    let parameter = parameter * step.keep - change * step.rate;
    [parameter, first, second].map(|of| B::float_reshape(primitive(of), shape.clone()))
}

pub(crate) fn log_softmax_channels<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    primitive(activation::log_softmax(tensor::<B, 4>(x), 1))
}

pub(crate) fn log_softmax_channels_gradient<B: Backend>(
    out: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let (out, gradient) = (tensor::<B, 4>(out), tensor::<B, 4>(out_gradient));
    primitive(gradient.clone() - out.exp() * gradient.sum_dim(1))
}

pub(crate) fn silu<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x.clone(), B::sigmoid(x))
}

pub(crate) fn silu_gradient<B: Backend>(x: FloatTensor<B>, out_gradient: FloatTensor<B>) -> FloatTensor<B> {
    let count = x.shape().num_elements();
    let z = B::float_reshape(x, Shape::new([1, 1, 1, count]));
    let slope = primitive(slope(tensor::<B, 4>(z), Activation::Silu));
    B::float_mul(B::float_reshape(slope, out_gradient.shape()), out_gradient)
}

pub(crate) fn gated_change<B: crate::Backend>(
    state: FloatTensor<B>,
    change: FloatTensor<B>,
) -> FloatTensor<B> {
    let channels = state.shape()[1];
    let state = tensor::<B, 4>(state);
    let [gate, new] = B::split_channels(change, channels).map(tensor::<B, 4>);
    primitive(state.clone() + activation::sigmoid(gate) * (new.tanh() - state))
}

pub(crate) fn gated_change_gradients<B: crate::Backend>(
    state: FloatTensor<B>,
    change: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let channels = state.shape()[1];
    let (state, gradient) = (tensor::<B, 4>(state), tensor::<B, 4>(out_gradient));
    let [gate, new] = B::split_channels(change, channels).map(tensor::<B, 4>);
    let (gate, new) = (activation::sigmoid(gate), new.tanh());
    let passed = gradient.clone() * gate.clone();
    let for_new = passed.clone() * (-new.clone().powi_scalar(2) + 1.0);
    let for_gate = passed.clone() * (-gate + 1.0) * (new - state);
    let for_change = B::join_channels(primitive(for_gate), primitive(for_new));
    [primitive(gradient - passed), for_change]
}

/// Weights `[coarse, fine]` of linear interpolation between the centres of coarse pixels at those of fine pixels; the outermost
/// coarse pixels extend to the edge.
fn interpolation<B: Backend>(coarse: usize, fine: usize, device: &B::Device) -> Tensor<B, 2> {
    let at = Tensor::<B, 1, Int>::arange(0..fine as i64, device).float();
    let at = ((at + 0.5) * (coarse as f64 / fine as f64) - 0.5).clamp(0.0, (coarse - 1) as f64);
    let centre = Tensor::<B, 1, Int>::arange(0..coarse as i64, device).float();
    let apart = at.unsqueeze_dim::<2>(0) - centre.unsqueeze_dim::<2>(1);
    (-apart.abs() + 1.0).clamp_min(0.0)
}

/// The planes `[n, h, w]` times a matrix `[h, height]` along the first axis and another along the second.
fn along_both<B: Backend>(planes: Tensor<B, 3>, [rows, columns]: [Tensor<B, 2>; 2]) -> Tensor<B, 3> {
    let [n, h, w] = planes.dims();
    let [height, width] = [rows.dims()[1], columns.dims()[1]];
    let tall = planes.swap_dims(1, 2).reshape([n * w, h]).matmul(rows).reshape([n, w, height]);
    tall.swap_dims(1, 2).reshape([n * height, w]).matmul(columns).reshape([n, height, width])
}

/// The coefficients of full resolution `[domains, frames * outputs, features, pixels]`, the images `[domains, 1, features,
/// pixels]`, and the matrices of the interpolation.
#[allow(clippy::type_complexity, reason = "three values of one use")]
fn interpolated<B: Backend>(
    coefficients: FloatTensor<B>,
    x: FloatTensor<B>,
) -> (Tensor<B, 4>, Tensor<B, 4>, [Tensor<B, 2>; 2]) {
    let (coefficients, x) = (tensor::<B, 4>(coefficients), tensor::<B, 4>(x));
    let ([samples, channels, h, w], [domains, features, height, width]) = (coefficients.dims(), x.dims());
    let device = x.device();
    let matrices = [interpolation(h, height, &device), interpolation(w, width, &device)];
    let fine = along_both(coefficients.reshape([samples * channels, h, w]), matrices.clone());
    let images = samples / domains * (channels / features);
    let fine = fine.reshape([domains, images, features, height * width]);
    (fine, x.reshape([domains, 1, features, height * width]), matrices)
}

pub(crate) fn combine<B: Backend>(coefficients: FloatTensor<B>, x: FloatTensor<B>) -> FloatTensor<B> {
    let [samples, channels, _, _] = coefficients.shape().dims();
    let [_, features, height, width] = x.shape().dims();
    let (coefficients, x, _) = interpolated::<B>(coefficients, x);
    primitive((coefficients * x).sum_dim(2).reshape([samples, channels / features, height, width]))
}

pub(crate) fn combine_gradients<B: Backend>(
    coefficients: FloatTensor<B>,
    x: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let [samples, channels, h, w] = coefficients.shape().dims();
    let [domains, features, height, width] = x.shape().dims();
    let (coefficients, x, matrices) = interpolated::<B>(coefficients, x);
    let gradient = tensor::<B, 4>(out_gradient).reshape([domains as i32, -1, 1, (height * width) as i32]);
    let for_x = (coefficients * gradient.clone()).sum_dim(1).reshape([domains, features, height, width]);
    let fine = (gradient * x).reshape([samples * channels, height, width]);
    let for_coefficients = along_both(fine, matrices.map(Tensor::transpose));
    [primitive(for_coefficients.reshape([samples, channels, h, w])), primitive(for_x)]
}

/// 1 in the channel of the class of each pixel, times the weight of the class.
fn weighted_classes<B: Backend>(classes: FloatTensor<B>, weights: FloatTensor<B>) -> Tensor<B, 4> {
    let (classes, weights) = (tensor::<B, 4>(classes), tensor::<B, 1>(weights));
    let channels = weights.dims()[0];
    let of_channel = |channel: usize| classes.clone().equal_elem(channel as f32).float();
    Tensor::cat((0..channels).map(of_channel).collect(), 1) * weights.reshape([1, channels, 1, 1])
}

pub(crate) fn cross_entropy<B: crate::Backend>(
    logits: FloatTensor<B>,
    classes: FloatTensor<B>,
    weights: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let y = weighted_classes::<B>(classes, weights);
    let total = y.clone().sum();
    let total = total.clone() + total.equal_elem(0.0).float();
    let loss = -(tensor::<B, 4>(B::log_softmax_channels(logits)) * y).sum() / total.clone();
    [primitive(loss), primitive(total)]
}

pub(crate) fn cross_entropy_gradient<B: crate::Backend>(
    logits: FloatTensor<B>,
    classes: FloatTensor<B>,
    weights: FloatTensor<B>,
    total: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let y = weighted_classes::<B>(classes, weights);
    let factor = tensor::<B, 1>(out_gradient) / tensor(total);
    let p = tensor::<B, 4>(B::log_softmax_channels(logits)).exp();
    primitive((p * y.clone().sum_dim(1) - y) * factor.reshape([1, 1, 1, 1]))
}

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
    primitive(plane_sums(gradient).sum_dim(0).reshape([channels]))
}

pub(crate) fn normalize<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    options: NormOptions,
) -> Normalized<FloatTensor<B>> {
    let x = tensor::<B, 4>(x);
    let mean = means(plane_sums(x.clone()), &x, options.statistics);
    let centred = x.clone() - per_plane(mean.clone(), &x, options.statistics);
    let variance = means(plane_sums(centred.clone().square()), &x, options.statistics);
    let deviation = (per_plane(variance.clone(), &x, options.statistics) + options.epsilon).sqrt();
    let [gamma, beta] = [gamma, beta].map(|of| per_image::<B>(of, x.dims()[1]));
    let z = centred * (gamma / deviation) + beta;
    let [mean, variance] = [mean, variance].map(primitive);
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
    let channels = x.dims()[1];
    let affine_shape = gamma.shape();
    let [gamma, beta] = [gamma, beta].map(|of| per_image::<B>(of, channels));
    let deviation = (variance + options.epsilon).sqrt();
    let normalised = (x.clone() - mean) / deviation.clone();
    let inner = gradient * slope(normalised.clone() * gamma.clone() + beta, options.activation);
    let images = gamma.dims()[0];
    let [sums, weighted_sums] = [inner.clone(), inner.clone() * normalised.clone()].map(plane_sums);
    let [for_gamma, for_beta] = [&weighted_sums, &sums].map(|sums| {
        let sums = if images > 1 { sums.clone() } else { sums.clone().sum_dim(0) };
        B::float_reshape(primitive(sums), affine_shape.clone())
    });
    let of_planes = gamma.clone().reshape([images, channels]);
    let [mean, weighted_mean] = [sums, weighted_sums]
        .map(|sums| per_plane(means(sums * of_planes.clone(), &x, statistics), &x, statistics));
    let for_x = (inner * gamma - mean - normalised * weighted_mean) / deviation;
    [primitive(for_x), for_gamma, for_beta]
}

pub(crate) fn normalize_with<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    moments: [FloatTensor<B>; 2],
    options: NormOptions,
) -> FloatTensor<B> {
    let channels = x.shape()[1];
    let [gamma, beta] = [gamma, beta].map(|of| per_image::<B>(of, channels));
    let [mean, variance] = moments.map(|moment| per_channel(tensor::<B, 1>(moment)));
    let z = (tensor::<B, 4>(x) - mean) / (variance + options.epsilon).sqrt() * gamma + beta;
    primitive(activate(z, options.activation))
}

/// γ and β of each image `[b, c]`.
pub(crate) fn modulated<B: Backend>(
    affine: [FloatTensor<B>; 2],
    change: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let change = tensor::<B, 2>(change);
    let channels = affine[0].shape().num_elements();
    let [images, changes] = change.dims();
    let [gamma, beta] = affine.map(|of| tensor::<B, 2>(B::float_reshape(of, Shape::new([1, channels]))));
    let [gamma, beta] = if changes == channels {
        [gamma.repeat_dim(0, images), beta + change]
    } else {
        let [scale, shift] = [0, channels].map(|first| change.clone().narrow(1, first, channels));
        let scale = scale + 1.0;
        [gamma * scale.clone(), beta * scale + shift]
    };
    [primitive(gamma), primitive(beta)]
}

pub(crate) fn normalize_modulated_gradients<B: crate::Backend>(
    x: FloatTensor<B>,
    affine: [FloatTensor<B>; 2],
    change: FloatTensor<B>,
    moments: [FloatTensor<B>; 2],
    out_gradient: FloatTensor<B>,
    options: NormOptions,
) -> [FloatTensor<B>; 4] {
    let of_affine = affine[0].shape();
    let channels = of_affine.num_elements();
    let [gamma, beta] = modulated::<B>(affine.clone(), change.clone());
    let [for_x, of_gamma, of_beta] = B::normalize_gradients(x, gamma, beta, moments, out_gradient, options);
    let [of_gamma, of_beta] = [of_gamma, of_beta].map(tensor::<B, 2>);
    let [gamma, beta] = affine.map(|of| tensor::<B, 2>(B::float_reshape(of, Shape::new([1, channels]))));
    let change = tensor::<B, 2>(change);
    let (scale, for_change) = if change.dims()[1] == channels {
        (change.ones_like(), of_beta.clone())
    } else {
        let for_scale = gamma * of_gamma.clone() + beta * of_beta.clone();
        (change.narrow(1, 0, channels) + 1.0, Tensor::cat(vec![for_scale, of_beta.clone()], 1))
    };
    let [for_gamma, for_beta] = [of_gamma, of_beta]
        .map(|of| B::float_reshape(primitive((of * scale.clone()).sum_dim(0)), of_affine.clone()));
    [for_x, for_gamma, for_beta, primitive(for_change)]
}

pub(crate) fn mix<B: Backend>(pairs: Vec<[FloatTensor<B>; 2]>, factors: [f64; 2]) -> Vec<FloatTensor<B>> {
    let scaled = |of, factor| B::float_mul_scalar(of, Scalar::Float(factor));
    let mixed = |[a, b]: [FloatTensor<B>; 2]| B::float_add(scaled(a, factors[0]), scaled(b, factors[1]));
    pairs.into_iter().map(mixed).collect()
}

pub(crate) fn sums_of_squares<B: Backend>(tensors: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    let sums = tensors.into_iter().map(|of| B::float_sum(B::float_mul(of.clone(), of)));
    B::float_cat(sums.collect(), 0)
}

pub(crate) fn pool2x2_max<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false)
}

pub(crate) fn pool2x2_max_gradient<B: Backend>(
    x: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    pool_gradient::<B>(x, [2, 2], [0, 0], out_gradient)
}

pub(crate) fn pool3x3_max<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::max_pool2d(x, [3, 3], [2, 2], [1, 1], [1, 1], false)
}

pub(crate) fn pool3x3_max_gradient<B: Backend>(
    x: FloatTensor<B>,
    out_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    pool_gradient::<B>(x, [3, 3], [1, 1], out_gradient)
}

fn pool_gradient<B: Backend>(
    x: FloatTensor<B>,
    size: [usize; 2],
    padding: [usize; 2],
    out_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let (stride, dilation) = ([2, 2], [1, 1]);
    let indices = B::max_pool2d_with_indices(x.clone(), size, stride, padding, dilation, false).indices;
    let backward = B::max_pool2d_with_indices_backward;
    backward(x, size, stride, padding, dilation, false, out_gradient, indices).x_grad
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

/// Sum of each plane: `[b, c, h, w]` to `[b, c]`.
fn plane_sums<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [batch, channels, _, _] = x.dims();
    // Sums one axis after the other, because a GPU sums many short rows in parallel but each row
    // sequentially.
    x.sum_dim(2).sum_dim(3).reshape([batch, channels])
}

/// Mean of each set of `x`, computed from the sums of its planes.
fn means<B: Backend>(sums: Tensor<B, 2>, x: &Tensor<B, 4>, statistics: Statistics) -> Tensor<B, 1> {
    let [batch, channels, height, width] = x.dims();
    let (sums, planes) = match statistics {
        Statistics::Batch => (sums.sum_dim(0).reshape([channels]), batch),
        Statistics::Group(groups) => {
            let planes = channels / groups;
            (sums.reshape([batch * groups, planes]).sum_dim(1).reshape([batch * groups]), planes)
        }
    };
    sums / (planes * height * width) as f64
}

/// Expands one value per set to the planes of `x`.
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

/// Reshapes values per channel, or per image and channel, for broadcasting.
fn per_image<B: Backend>(of: FloatTensor<B>, channels: usize) -> Tensor<B, 4> {
    let images = of.shape().num_elements() / channels.max(1);
    tensor(B::float_reshape(of, Shape::new([images, channels, 1, 1])))
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

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use burn::tensor::TensorData;
    use burn::tensor::ops::FloatTensorOps;

    use super::*;
    use crate::Backend as _;
    use crate::reference::{assert_close, noise};

    #[test]
    fn norms_of_burns_operations_equal_the_kernels() {
        fn random<const D: usize>(seed: u64, shape: [usize; D]) -> FloatTensor<Flex> {
            let values = noise(seed, shape.iter().product());
            primitive(Tensor::<Flex, D>::from_data(TensorData::new(values, shape), &Default::default()))
        }
        let values = |of: FloatTensor<Flex>| -> Vec<f64> {
            let count = of.shape().num_elements();
            let flat = tensor::<Flex, 1>(Flex::float_reshape(of, Shape::new([count])));
            flat.into_data().iter::<f64>().collect()
        };
        let same = |found: FloatTensor<Flex>, expected: FloatTensor<Flex>| {
            assert_eq!(found.shape(), expected.shape());
            let found: Vec<f32> = values(found).into_iter().map(|value| value as f32).collect();
            assert_close(&found, &values(expected), 1e-5);
        };
        for statistics in [Statistics::Batch, Statistics::Group(3)] {
            for activation in [Activation::Identity, Activation::Relu, Activation::Silu] {
                for images in [1, 4] {
                    let options = NormOptions { statistics, epsilon: 1e-5, activation };
                    let [x, gradient] = [1, 2].map(|seed| random(seed, [4, 6, 5, 7]));
                    let [gamma, beta] = [3, 4].map(|seed| random(seed, [images, 6]));
                    let found = normalize::<Flex>(x.clone(), gamma.clone(), beta.clone(), options);
                    let expected = Flex::normalize(x.clone(), gamma.clone(), beta.clone(), options);
                    same(found.output, expected.output);
                    same(found.mean, expected.mean.clone());
                    same(found.variance, expected.variance.clone());
                    let moments = || [expected.mean.clone(), expected.variance.clone()];
                    let inputs = || (x.clone(), gamma.clone(), beta.clone());
                    let (a, b, c) = inputs();
                    let found = normalize_gradients::<Flex>(a, b, c, moments(), gradient.clone(), options);
                    let (a, b, c) = inputs();
                    let expected = Flex::normalize_gradients(a, b, c, moments(), gradient, options);
                    found.into_iter().zip(expected).for_each(|(found, expected)| same(found, expected));
                }
            }
        }
        let all = |found: [FloatTensor<Flex>; 2], expected: [FloatTensor<Flex>; 2]| {
            found.into_iter().zip(expected).for_each(|(found, expected)| same(found, expected));
        };
        let (state, change) = (random(1, [2, 3, 4, 5]), random(2, [2, 6, 4, 5]));
        let gradient = random(3, [2, 3, 4, 5]);
        let inputs = || (state.clone(), change.clone());
        let (a, b) = inputs();
        same(gated_change::<Flex>(a.clone(), b.clone()), Flex::gated_change(a, b));
        let (a, b) = inputs();
        let found = gated_change_gradients::<Flex>(a.clone(), b.clone(), gradient.clone());
        all(found, Flex::gated_change_gradients(a, b, gradient));
        let (coefficients, x) = (random(1, [6, 8, 3, 5]), random(2, [2, 4, 9, 20]));
        let gradient = random(3, [6, 2, 9, 20]);
        let inputs = || (coefficients.clone(), x.clone());
        let (a, b) = inputs();
        same(combine::<Flex>(a.clone(), b.clone()), Flex::combine(a, b));
        let (a, b) = inputs();
        let found = combine_gradients::<Flex>(a.clone(), b.clone(), gradient.clone());
        all(found, Flex::combine_gradients(a, b, gradient));
    }
}
