//! The operations as a trait that extends Burn's backends.

use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor};
use burn::tensor::{Scalar, Shape, TensorMetadata, backend};

use crate::activation::Activation;
use crate::adam;
use crate::fallback;
use crate::norm::NormOptions;
use crate::precision;

/// A Burn backend with these operations.
///
/// The methods work on primitives. Models should call the functions in the root of the crate instead. Every
/// method has a default implementation with Burn's own operations, so an empty `impl` is enough to support a
/// backend; a backend overrides the methods that it can do faster. Methods ending in `_gradient` are the
/// backward steps that [`Autodiff`](burn::backend::Autodiff) requests from its inner backend.
pub trait Backend: backend::Backend {
    /// Whether starting an operation takes longer than the work on a small tensor, so that few large operations are
    /// faster than many small ones.
    const PREFERS_FEW_OPERATIONS: bool = false;

    /// `x` `[b, c, h, w]` rounded to the precision of [`with_precision`](crate::with_precision); its gradient passes unchanged.
    fn round_factor(x: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::primitive(precision::rounded::<Self>(fallback::tensor(x)))
    }

    /// `y` `[b, c, h, w]` itself; its gradient is rounded.
    fn round_gradient(y: FloatTensor<Self>) -> FloatTensor<Self> {
        y
    }

    /// Bytes of the largest buffer that a device can hold; `None` without such a limit.
    fn largest_buffer(_device: &Self::Device) -> Option<u64> {
        None
    }

    /// Bytes that this process has reserved on a device with a memory of its own.
    fn reserved_memory(_device: &Self::Device) -> Option<u64> {
        None
    }

    /// Convolution of `x` `[b, in, h, w]` with `weight` `[out, in / groups, kh, kw]`.
    fn convolve2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::conv2d(x, weight, bias, options)
    }

    /// Gradient of [`convolve2d`](Self::convolve2d) with respect to its input, of the shape `input`.
    fn convolve2d_input_gradient(
        input: Shape,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        fallback::convolve2d_input_gradient::<Self>(input, weight, out_gradient, options)
    }

    /// Gradient of [`convolve2d`](Self::convolve2d) with respect to its weight.
    fn convolve2d_weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(x, weight, out_gradient, options)
    }

    /// [`convolve2d`](Self::convolve2d) added to `onto` `[b / k, out, oh, ow]`. Each image of `onto` is used
    /// for k consecutive images of `x`.
    fn convolve2d_onto(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        onto: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        fallback::convolve2d_onto::<Self>(x, weight, onto, options)
    }

    /// Convolution of the channels of `shared` `[b / k, m, h, w]`, each image of which is for k images of `own`
    /// `[b, n, h, w]`, followed by those of `own`, with `weight` `[out, m + n, kh, kw]`.
    fn convolve2d_joined(
        [shared, own]: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let [of_shared, of_own] = Self::split_channels(weight, shared.shape()[1]);
        let onto = Self::convolve2d(shared, of_shared, Some(bias), options.clone());
        Self::convolve2d_onto(own, of_own, onto, options)
    }

    /// Convolution of the channels of the first input, followed by those of the second.
    fn convolve2d_pair(
        [first, rest]: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        Self::convolve2d(Self::join_channels(first, rest), weight, bias, options)
    }

    /// Gradients of [`convolve2d_pair`](Self::convolve2d_pair) with respect to both inputs and the weight.
    fn convolve2d_pair_gradients(
        x: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> [FloatTensor<Self>; 3] {
        fallback::convolve2d_pair_gradients::<Self>(x, weight, out_gradient, options)
    }

    /// [`convolve2d_pair`](Self::convolve2d_pair), then scale and shift `[1 or b, out]`, and activation.
    fn convolve2d_pair_finished(
        [first, rest]: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        affine: [FloatTensor<Self>; 2],
        activation: Activation,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let x = Self::join_channels(first, rest);
        Self::convolve2d_finished(x, weight, None, affine, activation, options)
    }

    /// Sums of consecutive images: `[b, c, h, w]` to `[images, c, h, w]`.
    fn sum_images(x: FloatTensor<Self>, images: usize) -> FloatTensor<Self> {
        fallback::sum_images::<Self>(x, images)
    }

    /// Convolution, then addition of `onto`, scale and shift `[1 or b, out]`, and activation.
    fn convolve2d_finished(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        onto: Option<FloatTensor<Self>>,
        affine: [FloatTensor<Self>; 2],
        activation: Activation,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        fallback::convolve2d_finished::<Self>(x, weight, onto, affine, activation, options)
    }

    /// Transposed convolution of `x` `[b, in, h, w]` with `weight` `[in, out / groups, kh, kw]`.
    fn convolve_transposed2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<2>,
    ) -> FloatTensor<Self> {
        Self::conv_transpose2d(x, weight, bias, options)
    }

    /// Gradients of [`convolve_transposed2d`](Self::convolve_transposed2d) with respect to its input and its
    /// weight; each is computed only if `wanted`.
    fn convolve_transposed2d_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvTransposeOptions<2>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        fallback::convolve_transposed2d_gradients::<Self>(x, weight, out_gradient, options, wanted)
    }

    /// Gradient of a convolution with respect to its bias: the sum over all axes except the channels.
    fn bias_gradient(out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::bias_gradient::<Self>(out_gradient)
    }

    /// Norm with the statistics of `x`, then the activation; `gamma` and `beta` are `[c]` or `[b, c]`.
    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        fallback::normalize::<Self>(x, gamma, beta, options)
    }

    /// Gradients of [`normalize`](Self::normalize) with respect to `x`, `gamma` and `beta`, given its mean
    /// and variance.
    fn normalize_gradients(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        out_gradient: FloatTensor<Self>,
        options: NormOptions,
    ) -> [FloatTensor<Self>; 3] {
        fallback::normalize_gradients::<Self>(x, gamma, beta, moments, out_gradient, options)
    }

    /// Norm with given mean and variance of each channel, then the activation.
    fn normalize_with(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        options: NormOptions,
    ) -> FloatTensor<Self> {
        fallback::normalize_with::<Self>(x, gamma, beta, moments, options)
    }

    /// [`normalize`](Self::normalize) with γ and β `[c]`, changed for each image: `change` is `[b, c]`, added to β, or
    /// `[b, 2c]`, a scale s and a shift t for γ (1 + s) and β (1 + s) + t.
    fn normalize_modulated(
        x: FloatTensor<Self>,
        affine: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        let [gamma, beta] = fallback::modulated::<Self>(affine, change);
        Self::normalize(x, gamma, beta, options)
    }

    /// Gradients of [`normalize_modulated`](Self::normalize_modulated) with respect to `x`, γ, β and `change`.
    fn normalize_modulated_gradients(
        x: FloatTensor<Self>,
        affine: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        out_gradient: FloatTensor<Self>,
        options: NormOptions,
    ) -> [FloatTensor<Self>; 4] {
        fallback::normalize_modulated_gradients::<Self>(x, affine, change, moments, out_gradient, options)
    }

    /// [`normalize_with`](Self::normalize_with), modulated as [`normalize_modulated`](Self::normalize_modulated).
    fn normalize_modulated_with(
        x: FloatTensor<Self>,
        affine: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        options: NormOptions,
    ) -> FloatTensor<Self> {
        let [gamma, beta] = fallback::modulated::<Self>(affine, change);
        Self::normalize_with(x, gamma, beta, moments, options)
    }

    /// Maximum of each 2x2 block.
    fn pool2x2_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::pool2x2_max::<Self>(x)
    }

    /// Gradient of [`pool2x2_max`](Self::pool2x2_max).
    fn pool2x2_max_gradient(x: FloatTensor<Self>, out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::pool2x2_max_gradient::<Self>(x, out_gradient)
    }

    /// Maximum of the 3x3 pixels around every second one.
    fn pool3x3_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::pool3x3_max::<Self>(x)
    }

    /// Gradient of [`pool3x3_max`](Self::pool3x3_max).
    fn pool3x3_max_gradient(x: FloatTensor<Self>, out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::pool3x3_max_gradient::<Self>(x, out_gradient)
    }

    /// Repeats each value in a 2x2 block.
    fn upsample2x_nearest(x: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::upsample2x_nearest::<Self>(x)
    }

    /// Gradient of [`upsample2x_nearest`](Self::upsample2x_nearest).
    fn upsample2x_nearest_gradient(out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::upsample2x_nearest_gradient::<Self>(out_gradient)
    }

    /// Concatenates `a` and `b` along the channels.
    fn join_channels(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::join_channels::<Self>(a, b)
    }

    /// max(x, 0) of any shape.
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::relu(x)
    }

    /// Gradient of [`rectify`](Self::rectify), given its output.
    fn rectify_gradient(out: FloatTensor<Self>, out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::relu_backward(out, out_gradient)
    }

    /// x / (1 + exp(-x)) of any shape.
    fn silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::silu::<Self>(x)
    }

    /// Gradient of [`silu`](Self::silu).
    fn silu_gradient(x: FloatTensor<Self>, out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::silu_gradient::<Self>(x, out_gradient)
    }

    /// The state s `[b, c, h, w]` becomes s + σ(g) (tanh n - s); `change` `[b, 2c, h, w]` holds the gates g, then the new
    /// states n.
    fn gated_change(state: FloatTensor<Self>, change: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::gated_change::<Self>(state, change)
    }

    /// Gradients of [`gated_change`](Self::gated_change) with respect to `state` and `change`.
    fn gated_change_gradients(
        state: FloatTensor<Self>,
        change: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        fallback::gated_change_gradients::<Self>(state, change, out_gradient)
    }

    /// Sums of the images `x` `[b, f, h, w]`, weighted by coefficients `[b k, o f, h', w']` of a coarser grid, which are
    /// interpolated bilinearly: `[b k, o, h, w]`.
    fn combine(coefficients: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::combine::<Self>(coefficients, x)
    }

    /// Gradients of [`combine`](Self::combine) with respect to `coefficients` and `x`.
    fn combine_gradients(
        coefficients: FloatTensor<Self>,
        x: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        fallback::combine_gradients::<Self>(coefficients, x, out_gradient)
    }

    /// Log-softmax over the channels.
    fn log_softmax_channels(x: FloatTensor<Self>) -> FloatTensor<Self> {
        fallback::log_softmax_channels::<Self>(x)
    }

    /// Gradient of [`log_softmax_channels`](Self::log_softmax_channels), given its output.
    fn log_softmax_channels_gradient(
        out: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        fallback::log_softmax_channels_gradient::<Self>(out, out_gradient)
    }

    /// Cross-entropy -Σ w ln p / Σ w over the pixels: p is the probability of the class of a pixel and w the weight of that
    /// class. `logits` are `[b, c, h, w]`, `classes` `[b, 1, h, w]`, `weights` `[c]`. Also returns Σ w, or 1 if it is zero; both
    /// are `[1]`.
    fn cross_entropy(
        logits: FloatTensor<Self>,
        classes: FloatTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        fallback::cross_entropy::<Self>(logits, classes, weights)
    }

    /// Gradient of [`cross_entropy`](Self::cross_entropy) with respect to the logits, given the total that it returned.
    fn cross_entropy_gradient(
        logits: FloatTensor<Self>,
        classes: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        total: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        fallback::cross_entropy_gradient::<Self>(logits, classes, weights, total, out_gradient)
    }

    /// One step of Adam: returns the new parameter and both new moments.
    fn adam(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        step: adam::Step,
    ) -> [FloatTensor<Self>; 3] {
        fallback::adam::<Self>(parameter, gradient, moments, step)
    }

    /// [`adam`](Self::adam) for each parameter, gradient and both moments.
    fn adam_of_many(tensors: Vec<[FloatTensor<Self>; 4]>, step: adam::Step) -> Vec<[FloatTensor<Self>; 3]> {
        let one = |[parameter, gradient, first, second]: [FloatTensor<Self>; 4]| {
            Self::adam(parameter, gradient, [first, second], step)
        };
        tensors.into_iter().map(one).collect()
    }

    /// Each tensor times `factor`, without gradient.
    fn scale_many(tensors: Vec<FloatTensor<Self>>, factor: f64) -> Vec<FloatTensor<Self>> {
        let scaled = |of| Self::float_mul_scalar(of, Scalar::Float(factor));
        tensors.into_iter().map(scaled).collect()
    }

    /// a · `factors[0]` + b · `factors[1]` for each pair, without gradient.
    fn mix(pairs: Vec<[FloatTensor<Self>; 2]>, factors: [f64; 2]) -> Vec<FloatTensor<Self>> {
        fallback::mix::<Self>(pairs, factors)
    }

    /// Sums of squares, one or more for each tensor, that add up to that of all values.
    fn sums_of_squares(tensors: Vec<FloatTensor<Self>>) -> FloatTensor<Self> {
        fallback::sums_of_squares::<Self>(tensors)
    }

    /// Splits into the first `channels` channels and the rest.
    fn split_channels(joined: FloatTensor<Self>, channels: usize) -> [FloatTensor<Self>; 2] {
        fallback::split_channels::<Self>(joined, channels)
    }
}

/// A Burn autodiff backend with these operations on itself and on its inner backend; the trait bound for
/// training code.
pub trait AutodiffBackend: Backend + backend::AutodiffBackend<InnerBackend: Backend> {}

impl<B> AutodiffBackend for B where B: Backend + backend::AutodiffBackend<InnerBackend: Backend> {}

/// Result of a norm: its output, and the mean and variance `[sets]` that it used.
#[derive(Clone, Debug)]
pub struct Normalized<T> {
    /// Normalised, scaled and shifted values after the activation.
    pub output: T,
    /// Mean of each channel (batch norm), or of each image and group, with groups varying fastest.
    pub mean: T,
    /// Variance in the same order, divided by the number of values.
    pub variance: T,
}
