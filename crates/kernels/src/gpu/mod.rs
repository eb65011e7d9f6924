//! The operations on a GPU: Burn's own, except for convolutions that are slow there and for sequences of small
//! operations, which are kernels here. A launch takes as long as a pass over megabytes, so fewer are faster.

mod activation;
mod channels;
mod convolution;
mod cross_entropy;
mod launch;
mod many;
mod norm;
mod pool;
mod recurrent;
mod softmax;

use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor, ModuleOps};
use burn::tensor::{Shape, TensorMetadata};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::cubecl::tf32;
use burn_cubecl::kernel::conv::{ConvStrategy, conv_forward};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};

use crate::activation::Activation;
use crate::adam::Step;
use crate::backend::{Backend, Normalized};
use crate::fallback::{self, primitive, tensor};
use crate::gradients;
use crate::norm::NormOptions;
use crate::precision::{self, Precision};

/// Smallest number of input and output channels for which a convolution is computed as a matrix product, in
/// TF32 like all matrix products.
const PRODUCT: usize = 8;

impl<R: CubeRuntime, BT: BoolElement> Backend for CubeBackend<R, f32, i32, BT> {
    const PREFERS_FEW_OPERATIONS: bool = true;

    fn round_factor(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let tf32 = tf32::as_type_native_unchecked().storage_type();
        if precision::current() == Precision::Tf32 && x.client.properties().supports_type(tf32) {
            // The device rounds what it multiplies.
            return x;
        }
        primitive(precision::rounded::<Self>(tensor(x)))
    }

    fn largest_buffer(device: &Self::Device) -> Option<u64> {
        Some(R::client(device).properties().memory.max_page_size)
    }

    fn reserved_memory(device: &Self::Device) -> Option<u64> {
        R::client(device).memory_usage().ok().map(|usage| usage.bytes_reserved)
    }

    fn convolve2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let [out_channels, in_channels, _, _] = weight.shape().dims();
        if options.groups == 1 && in_channels.min(out_channels) >= PRODUCT {
            let strategy = ConvStrategy::ImplicitGemm;
            let found = conv_forward(x.clone(), weight.clone(), bias.clone(), options.clone(), strategy);
            if let Ok(found) = found {
                return found;
            }
        }
        Self::conv2d(x, weight, bias, options)
    }

    fn convolve2d_input_gradient(
        input: Shape,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        match convolution::input_gradient(&weight, &options) {
            Some((turned, own)) => Self::convolve2d(out_gradient, turned, None, own),
            None => fallback::convolve2d_input_gradient::<Self>(input, weight, out_gradient, options),
        }
    }

    fn convolve2d_weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let shape = weight.shape().dims();
        if options.groups == 1 {
            return convolution::weight_gradient(x, shape, out_gradient, &options);
        }
        primitive(gradients::weight_gradient::<Self>(tensor(x), shape, tensor(out_gradient), &options))
    }

    fn bias_gradient(out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        convolution::bias_gradient(out_gradient)
    }

    fn convolve2d_onto(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        onto: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        pool::add_shared(Self::convolve2d(x, weight, None, options), onto)
    }

    fn sum_images(x: FloatTensor<Self>, images: usize) -> FloatTensor<Self> {
        pool::sum_shared(x, images)
    }

    fn convolve_transposed2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<2>,
    ) -> FloatTensor<Self> {
        if convolution::is_tiling(weight.shape().dims(), &options) {
            return convolution::transposed(x, weight, bias);
        }
        Self::conv_transpose2d(x, weight, bias, options)
    }

    fn convolve_transposed2d_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvTransposeOptions<2>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        if convolution::is_tiling(weight.shape().dims(), &options) {
            return convolution::transposed_gradients(x, weight, out_gradient, wanted);
        }
        fallback::convolve_transposed2d_gradients::<Self>(x, weight, out_gradient, options, wanted)
    }

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        norm::normalize(x, [gamma, beta], None, options)
    }

    fn normalize_gradients(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        out_gradient: FloatTensor<Self>,
        options: NormOptions,
    ) -> [FloatTensor<Self>; 3] {
        norm::gradients(x, [gamma, beta], None, moments, out_gradient, options).0
    }

    fn normalize_with(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        options: NormOptions,
    ) -> FloatTensor<Self> {
        norm::normalize_with(x, [gamma, beta], None, moments, options)
    }

    fn normalize_modulated(
        x: FloatTensor<Self>,
        affine: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        norm::normalize(x, affine, Some(change), options)
    }

    fn normalize_modulated_gradients(
        x: FloatTensor<Self>,
        affine: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        out_gradient: FloatTensor<Self>,
        options: NormOptions,
    ) -> [FloatTensor<Self>; 4] {
        let ([for_x, for_gamma, for_beta], for_change) =
            norm::gradients(x, affine, Some(change), moments, out_gradient, options);
        [for_x, for_gamma, for_beta, for_change]
    }

    fn normalize_modulated_with(
        x: FloatTensor<Self>,
        affine: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        moments: [FloatTensor<Self>; 2],
        options: NormOptions,
    ) -> FloatTensor<Self> {
        norm::normalize_with(x, affine, Some(change), moments, options)
    }

    fn pool2x2_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        pool::max(x)
    }

    fn pool2x2_max_gradient(x: FloatTensor<Self>, out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        match pool::max_gradient(x.clone(), out_gradient.clone()) {
            Some(gradient) => gradient,
            None => fallback::pool2x2_max_gradient::<Self>(x, out_gradient),
        }
    }

    fn join_channels(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        channels::join(a, b)
    }

    fn split_channels(joined: FloatTensor<Self>, channels: usize) -> [FloatTensor<Self>; 2] {
        channels::split(joined, channels)
    }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::values(x, Activation::Relu)
    }

    fn rectify_gradient(out: FloatTensor<Self>, out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::gradients(out, out_gradient, Activation::Relu)
    }

    fn silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::values(x, Activation::Silu)
    }

    fn silu_gradient(x: FloatTensor<Self>, out_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        activation::gradients(x, out_gradient, Activation::Silu)
    }

    fn log_softmax_channels(x: FloatTensor<Self>) -> FloatTensor<Self> {
        softmax::log_softmax(x)
    }

    fn log_softmax_channels_gradient(
        out: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        softmax::gradient(out, out_gradient)
    }

    fn cross_entropy(
        logits: FloatTensor<Self>,
        classes: FloatTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        cross_entropy::forward(logits, classes, weights)
    }

    fn cross_entropy_gradient(
        logits: FloatTensor<Self>,
        classes: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        total: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        cross_entropy::gradient(logits, classes, weights, total, out_gradient)
    }

    fn gated_change(state: FloatTensor<Self>, change: FloatTensor<Self>) -> FloatTensor<Self> {
        recurrent::gated_change(state, change)
    }

    fn gated_change_gradients(
        state: FloatTensor<Self>,
        change: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        recurrent::gated_change_gradients(state, change, out_gradient)
    }

    fn adam_of_many(tensors: Vec<[FloatTensor<Self>; 4]>, step: Step) -> Vec<[FloatTensor<Self>; 3]> {
        many::adam(tensors, &step)
    }

    fn scale_many(tensors: Vec<FloatTensor<Self>>, factor: f64) -> Vec<FloatTensor<Self>> {
        many::scale(tensors, factor)
    }

    fn mix(pairs: Vec<[FloatTensor<Self>; 2]>, factors: [f64; 2]) -> Vec<FloatTensor<Self>> {
        many::mix(pairs, factors)
    }

    fn sums_of_squares(tensors: Vec<FloatTensor<Self>>) -> FloatTensor<Self> {
        many::squares(tensors)
    }
}
