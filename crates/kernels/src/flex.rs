//! The operations on Burn's CPU backend, implemented by the kernels of this crate.
//!
//! Single-precision tensors use the kernels, after a contiguous copy if needed; all other cases use Burn's
//! own operations.

use std::ops::Deref;

use burn::backend::Flex;
use burn::tensor::ops::{ActivationOps, ConvOptions, ConvTransposeOptions, ModuleOps};
use burn::tensor::{DType, Shape, TensorMetadata};
use burn_flex::FlexTensor;

use crate::activation::{self, Activation};
use crate::adam;
use crate::backend::{Backend, Normalized};
use crate::concat;
use crate::conv::bias_gradient::channel_sums;
use crate::conv::direct::{convolve, convolve_input_gradient};
use crate::conv::finish::Finish;
use crate::conv::images::{Images, ImagesMut};
use crate::conv::shape::ConvShape;
use crate::conv::transposed::{TransposedShape, convolve_transposed, convolve_transposed_gradients};
use crate::conv::weight_gradient::weight_gradient;
use crate::fallback;
use crate::memory::Buffer;
use crate::norm::{self, Affine, Moments, NormOptions, NormShape};
use crate::pool;
use crate::recurrent::{self, CombineShape};
use crate::simd::Level;
use crate::softmax;

/// Whether all tensors are single precision.
macro_rules! is_single {
    ($($tensor:expr),+) => { $($tensor.dtype() == DType::F32)&&+ };
}

impl Backend for Flex {
    fn convolve2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let Some(shape) = conv_shape(&x, &weight, &options) else {
            return Self::conv2d(x, weight, bias, options);
        };
        let (x, weight, bias) = (Floats::of(&x), Floats::of(&weight), bias.as_ref().map(Floats::of));
        convolved(&shape, Images::whole(&x), &weight, bias.as_deref(), Finish::default())
    }

    fn convolve2d_pair(
        [first, rest]: [FlexTensor; 2],
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let Some(shape) = pair_shape([&first, &rest], &weight, &options) else {
            return Self::convolve2d(Self::join_channels(first, rest), weight, bias, options);
        };
        let (a, b) = (Floats::of(&first), Floats::of(&rest));
        let (weight, bias) = (Floats::of(&weight), bias.as_ref().map(Floats::of));
        let x = Images::joined(&a, &b, first.shape()[1]);
        convolved(&shape, x, &weight, bias.as_deref(), Finish::default())
    }

    fn convolve2d_pair_gradients(
        [first, rest]: [FlexTensor; 2],
        weight: FlexTensor,
        out_gradient: FlexTensor,
        options: ConvOptions<2>,
    ) -> [FlexTensor; 3] {
        let shapes = pair_shape([&first, &rest], &weight, &options)
            .filter(|_| is_single!(out_gradient))
            .and_then(|shape| Some((shape, shape.dense().input_gradient()?)));
        let Some((shape, backward)) = shapes else {
            return fallback::convolve2d_pair_gradients::<Self>([first, rest], weight, out_gradient, options);
        };
        let channels = first.shape()[1];
        let (a, b, gradient) = (Floats::of(&first), Floats::of(&rest), Floats::of(&out_gradient));
        let level = Level::current();
        let mut for_weight = Buffer::uninitialised(shape.weight_len());
        weight_gradient(level, &shape, Images::joined(&a, &b, channels), &gradient, &mut for_weight);
        let (mut for_a, mut for_b) = (Buffer::uninitialised(a.len()), Buffer::uninitialised(b.len()));
        let to = ImagesMut::joined(&mut for_a, &mut for_b, channels);
        convolve_input_gradient(level, &shape, &backward, &gradient, &Floats::of(&weight), to);
        [
            for_a.into_tensor(first.shape()),
            for_b.into_tensor(rest.shape()),
            for_weight.into_tensor(weight.shape()),
        ]
    }

    fn convolve2d_onto(
        x: FlexTensor,
        weight: FlexTensor,
        onto: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let Some(shape) = conv_shape(&x, &weight, &options).filter(|_| is_single!(onto)) else {
            return fallback::convolve2d_onto::<Self>(x, weight, onto, options);
        };
        let (x, weight, onto) = (Floats::of(&x), Floats::of(&weight), Floats::of(&onto));
        let finish = Finish { onto: Some(&onto), ..Finish::default() };
        convolved(&shape, Images::whole(&x), &weight, None, finish)
    }

    fn sum_images(x: FlexTensor, images: usize) -> FlexTensor {
        let [batch, channels, height, width] = x.shape().dims();
        if batch == images || !is_single!(x) {
            return if batch == images { x } else { fallback::sum_images::<Self>(x, images) };
        }
        let mut sums = Buffer::uninitialised(images * channels * height * width);
        concat::sum_images(&Floats::of(&x), [images, channels, height * width], &mut sums);
        sums.into_tensor([images, channels, height, width])
    }

    fn convolve2d_finished(
        x: FlexTensor,
        weight: FlexTensor,
        onto: Option<FlexTensor>,
        affine: [FlexTensor; 2],
        activation: Activation,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let [scale, shift] = &affine;
        let is_single = is_single!(scale, shift) && onto.as_ref().is_none_or(|onto| is_single!(onto));
        let shape = conv_shape(&x, &weight, &options).filter(|_| is_single && activation != Activation::Silu);
        let Some(shape) = shape else {
            return fallback::convolve2d_finished::<Self>(x, weight, onto, affine, activation, options);
        };
        let (x, weight, onto) = (Floats::of(&x), Floats::of(&weight), onto.as_ref().map(Floats::of));
        let (scale, shift) = (Floats::of(scale), Floats::of(shift));
        let finish = Finish {
            onto: onto.as_deref(),
            affine: Some([&scale, &shift]),
            rectifies: activation == Activation::Relu,
        };
        convolved(&shape, Images::whole(&x), &weight, None, finish)
    }

    fn convolve2d_pair_finished(
        [first, rest]: [FlexTensor; 2],
        weight: FlexTensor,
        affine: [FlexTensor; 2],
        activation: Activation,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let [scale, shift] = &affine;
        let shape = pair_shape([&first, &rest], &weight, &options)
            .filter(|_| is_single!(scale, shift) && activation != Activation::Silu);
        let Some(shape) = shape else {
            let x = Self::join_channels(first, rest);
            return Self::convolve2d_finished(x, weight, None, affine, activation, options);
        };
        let (a, b, weight) = (Floats::of(&first), Floats::of(&rest), Floats::of(&weight));
        let (scale, shift) = (Floats::of(scale), Floats::of(shift));
        let rectifies = activation == Activation::Relu;
        let finish = Finish { onto: None, affine: Some([&scale, &shift]), rectifies };
        convolved(&shape, Images::joined(&a, &b, first.shape()[1]), &weight, None, finish)
    }

    fn convolve2d_input_gradient(
        input: Shape,
        weight: FlexTensor,
        out_gradient: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let shapes = shape_of_size(input.dims(), &weight, &options)
            .filter(|_| is_single!(out_gradient))
            .and_then(|shape| Some((shape, shape.dense().input_gradient()?)));
        let Some((shape, backward)) = shapes else {
            return fallback::convolve2d_input_gradient::<Self>(input, weight, out_gradient, options);
        };
        let mut gradient = Buffer::uninitialised(backward.out_len());
        let (out_gradient, weight) = (Floats::of(&out_gradient), Floats::of(&weight));
        let to = ImagesMut::whole(&mut gradient);
        convolve_input_gradient(Level::current(), &shape, &backward, &out_gradient, &weight, to);
        gradient.into_tensor(input)
    }

    fn convolve2d_weight_gradient(
        x: FlexTensor,
        weight: FlexTensor,
        out_gradient: FlexTensor,
        options: ConvOptions<2>,
    ) -> FlexTensor {
        let shape = conv_shape(&x, &weight, &options).filter(|_| is_single!(out_gradient));
        let Some(shape) = shape else {
            return Self::conv2d_weight_backward(x, weight, out_gradient, options);
        };
        let mut gradient = Buffer::uninitialised(shape.weight_len());
        let (x, out_gradient) = (Floats::of(&x), Floats::of(&out_gradient));
        weight_gradient(Level::current(), &shape, Images::whole(&x), &out_gradient, &mut gradient);
        gradient.into_tensor(weight.shape())
    }

    fn convolve_transposed2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
        options: ConvTransposeOptions<2>,
    ) -> FlexTensor {
        let Some(shape) = transposed_shape(&x, &weight, &options) else {
            return Self::conv_transpose2d(x, weight, bias, options);
        };
        let (x, weight, bias) = (Floats::of(&x), Floats::of(&weight), bias.as_ref().map(Floats::of));
        let mut out = Buffer::uninitialised(shape.out_len());
        convolve_transposed(Level::current(), &shape, &x, &weight, bias.as_deref(), &mut out);
        let [height, width] = shape.out_size();
        out.into_tensor([shape.batch, shape.out_channels, height, width])
    }

    fn convolve_transposed2d_gradients(
        x: FlexTensor,
        weight: FlexTensor,
        out_gradient: FlexTensor,
        options: ConvTransposeOptions<2>,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let shape = transposed_shape(&x, &weight, &options).filter(|_| is_single!(out_gradient));
        let Some(shape) = shape else {
            return fallback::convolve_transposed2d_gradients::<Self>(
                x,
                weight,
                out_gradient,
                options,
                wanted,
            );
        };
        let mut for_x = wanted[0].then(|| Buffer::uninitialised(shape.in_len()));
        let mut for_weight = wanted[1].then(|| Buffer::uninitialised(shape.weight_len()));
        convolve_transposed_gradients(
            Level::current(),
            &shape,
            &Floats::of(&x),
            &Floats::of(&weight),
            &Floats::of(&out_gradient),
            for_x.as_deref_mut(),
            for_weight.as_deref_mut(),
        );
        [
            for_x.map(|gradient| gradient.into_tensor(x.shape())),
            for_weight.map(|gradient| gradient.into_tensor(weight.shape())),
        ]
    }

    fn bias_gradient(out_gradient: FlexTensor) -> FlexTensor {
        if !is_single!(out_gradient) {
            return fallback::bias_gradient::<Self>(out_gradient);
        }
        let [_, channels, height, width] = out_gradient.shape().dims();
        let mut sums = Buffer::uninitialised(channels);
        channel_sums(Level::current(), channels, height * width, &Floats::of(&out_gradient), &mut sums);
        sums.into_tensor([channels])
    }

    fn normalize(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        options: NormOptions,
    ) -> Normalized<FlexTensor> {
        let shape = norm_shape(&x, &options);
        let Some(shape) = shape.filter(|_| is_single!(gamma, beta)) else {
            return fallback::normalize::<Self>(x, gamma, beta, options);
        };
        let mut out = Buffer::uninitialised(shape.len());
        let mut mean = Buffer::uninitialised(shape.sets());
        let mut variance = Buffer::uninitialised(shape.sets());
        let (gamma, beta) = (Floats::of(&gamma), Floats::of(&beta));
        let affine = Affine { gamma: &gamma, beta: &beta };
        let values = Floats::of(&x);
        let level = Level::current();
        norm::normalize(level, &shape, &options, &values, affine, &mut out, &mut mean, &mut variance);
        Normalized {
            output: out.into_tensor(x.shape()),
            mean: mean.into_tensor([shape.sets()]),
            variance: variance.into_tensor([shape.sets()]),
        }
    }

    fn normalize_gradients(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        moments: [FlexTensor; 2],
        out_gradient: FlexTensor,
        options: NormOptions,
    ) -> [FlexTensor; 3] {
        let shape = norm_shape(&x, &options);
        let [mean, variance] = &moments;
        let Some(shape) = shape.filter(|_| is_single!(gamma, beta, mean, variance, out_gradient)) else {
            return fallback::normalize_gradients::<Self>(x, gamma, beta, moments, out_gradient, options);
        };
        let mut for_x = owned(out_gradient);
        let affine_shape = gamma.shape();
        let mut for_gamma = Buffer::uninitialised(affine_shape.num_elements());
        let mut for_beta = Buffer::uninitialised(affine_shape.num_elements());
        let (gamma, beta) = (Floats::of(&gamma), Floats::of(&beta));
        let (mean, variance) = (Floats::of(mean), Floats::of(variance));
        norm::normalize_gradient(
            Level::current(),
            &shape,
            &options,
            &Floats::of(&x),
            Affine { gamma: &gamma, beta: &beta },
            Moments { mean: &mean, variance: &variance },
            for_x.storage_mut(),
            &mut for_gamma,
            &mut for_beta,
        );
        [for_x, for_gamma.into_tensor(affine_shape.clone()), for_beta.into_tensor(affine_shape)]
    }

    fn normalize_with(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        moments: [FlexTensor; 2],
        options: NormOptions,
    ) -> FlexTensor {
        let [mean, variance] = &moments;
        let shape = norm_shape(&x, &options).filter(|_| is_single!(gamma, beta, mean, variance));
        let Some(shape) = shape else {
            return fallback::normalize_with::<Self>(x, gamma, beta, moments, options);
        };
        let mut out = Buffer::uninitialised(shape.len());
        let (gamma, beta) = (Floats::of(&gamma), Floats::of(&beta));
        let (mean, variance) = (Floats::of(mean), Floats::of(variance));
        norm::normalize_with(
            Level::current(),
            &shape,
            &options,
            &Floats::of(&x),
            Affine { gamma: &gamma, beta: &beta },
            Moments { mean: &mean, variance: &variance },
            &mut out,
        );
        out.into_tensor(x.shape())
    }

    fn pool2x2_max(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = x.shape().dims();
        if !is_single!(x) || height < 2 || width < 2 {
            return fallback::pool2x2_max::<Self>(x);
        }
        let mut out = Buffer::uninitialised(batch * channels * (height / 2) * (width / 2));
        pool::max_pool2x2(Level::current(), [height, width], &Floats::of(&x), &mut out);
        out.into_tensor([batch, channels, height / 2, width / 2])
    }

    fn pool2x2_max_gradient(x: FlexTensor, out_gradient: FlexTensor) -> FlexTensor {
        if !is_single!(x, out_gradient) {
            return fallback::pool2x2_max_gradient::<Self>(x, out_gradient);
        }
        let [_, _, height, width] = x.shape().dims();
        let mut gradient = Buffer::uninitialised(x.shape().num_elements());
        let (values, out_gradient) = (Floats::of(&x), Floats::of(&out_gradient));
        pool::max_pool2x2_gradient(Level::current(), [height, width], &values, &out_gradient, &mut gradient);
        gradient.into_tensor(x.shape())
    }

    fn pool3x3_max(x: FlexTensor) -> FlexTensor {
        if !is_single!(x) {
            return fallback::pool3x3_max::<Self>(x);
        }
        let [batch, channels, height, width] = x.shape().dims();
        let [out_height, out_width] = [height.div_ceil(2), width.div_ceil(2)];
        let mut out = Buffer::uninitialised(batch * channels * out_height * out_width);
        pool::max_pool3x3(Level::current(), [height, width], &Floats::of(&x), &mut out);
        out.into_tensor([batch, channels, out_height, out_width])
    }

    fn pool3x3_max_gradient(x: FlexTensor, out_gradient: FlexTensor) -> FlexTensor {
        if !is_single!(x, out_gradient) {
            return fallback::pool3x3_max_gradient::<Self>(x, out_gradient);
        }
        let [_, _, height, width] = x.shape().dims();
        let mut gradient = Buffer::uninitialised(x.shape().num_elements());
        let (values, out_gradient) = (Floats::of(&x), Floats::of(&out_gradient));
        pool::max_pool3x3_gradient(Level::current(), [height, width], &values, &out_gradient, &mut gradient);
        gradient.into_tensor(x.shape())
    }

    fn upsample2x_nearest(x: FlexTensor) -> FlexTensor {
        if !is_single!(x) {
            return fallback::upsample2x_nearest::<Self>(x);
        }
        let [batch, channels, height, width] = x.shape().dims();
        let mut out = Buffer::uninitialised(4 * x.shape().num_elements());
        pool::upsample2x(Level::current(), [height, width], &Floats::of(&x), &mut out);
        out.into_tensor([batch, channels, 2 * height, 2 * width])
    }

    fn upsample2x_nearest_gradient(out_gradient: FlexTensor) -> FlexTensor {
        if !is_single!(out_gradient) {
            return fallback::upsample2x_nearest_gradient::<Self>(out_gradient);
        }
        let [batch, channels, height, width] = out_gradient.shape().dims();
        let [height, width] = [height / 2, width / 2];
        let mut gradient = Buffer::uninitialised(batch * channels * height * width);
        pool::upsample2x_gradient(
            Level::current(),
            [height, width],
            &Floats::of(&out_gradient),
            &mut gradient,
        );
        gradient.into_tensor([batch, channels, height, width])
    }

    fn join_channels(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        if !is_single!(a, b) {
            return fallback::join_channels::<Self>(a, b);
        }
        let [batch, a_channels, height, width] = a.shape().dims();
        let [_, b_channels, _, _] = b.shape().dims::<4>();
        let images = [a_channels * height * width, b_channels * height * width];
        let mut out = Buffer::uninitialised(batch * (images[0] + images[1]));
        concat::join(&Floats::of(&a), &Floats::of(&b), images, &mut out);
        out.into_tensor([batch, a_channels + b_channels, height, width])
    }

    fn rectify(x: FlexTensor) -> FlexTensor {
        if !is_single!(x) {
            return Self::relu(x);
        }
        let mut out = owned(x);
        activation::rectify(Level::current(), out.storage_mut());
        out
    }

    fn rectify_gradient(out: FlexTensor, out_gradient: FlexTensor) -> FlexTensor {
        if !is_single!(out, out_gradient) {
            return Self::relu_backward(out, out_gradient);
        }
        let mut gradient = owned(out_gradient);
        activation::rectify_gradient(Level::current(), &Floats::of(&out), gradient.storage_mut());
        gradient
    }

    fn gated_change(state: FlexTensor, change: FlexTensor) -> FlexTensor {
        if !is_single!(state, change) {
            return fallback::gated_change::<Self>(state, change);
        }
        let [_, channels, height, width] = state.shape().dims();
        let image = channels * height * width;
        let mut out = Buffer::uninitialised(state.shape().num_elements());
        recurrent::gated_change(Level::current(), image, &Floats::of(&state), &Floats::of(&change), &mut out);
        out.into_tensor(state.shape())
    }

    fn gated_change_gradients(
        state: FlexTensor,
        change: FlexTensor,
        out_gradient: FlexTensor,
    ) -> [FlexTensor; 2] {
        if !is_single!(state, change, out_gradient) {
            return fallback::gated_change_gradients::<Self>(state, change, out_gradient);
        }
        let [_, channels, height, width] = state.shape().dims();
        let image = channels * height * width;
        let mut for_state = Buffer::uninitialised(state.shape().num_elements());
        let mut for_change = Buffer::uninitialised(change.shape().num_elements());
        let values = [&state, &change, &out_gradient].map(Floats::of);
        let values = values.each_ref().map(|values| &**values);
        recurrent::gated_change_gradients(Level::current(), image, values, &mut for_state, &mut for_change);
        [for_state.into_tensor(state.shape()), for_change.into_tensor(change.shape())]
    }

    fn combine(coefficients: FlexTensor, x: FlexTensor) -> FlexTensor {
        if !is_single!(coefficients, x) {
            return fallback::combine::<Self>(coefficients, x);
        }
        let shape = combine_shape(&coefficients, &x);
        let mut out = Buffer::uninitialised(shape.out_len());
        recurrent::combine(Level::current(), &shape, &Floats::of(&coefficients), &Floats::of(&x), &mut out);
        let [height, width] = shape.fine;
        out.into_tensor([shape.domains * shape.frames, shape.outputs, height, width])
    }

    fn combine_gradients(
        coefficients: FlexTensor,
        x: FlexTensor,
        out_gradient: FlexTensor,
    ) -> [FlexTensor; 2] {
        if !is_single!(coefficients, x, out_gradient) {
            return fallback::combine_gradients::<Self>(coefficients, x, out_gradient);
        }
        let shape = combine_shape(&coefficients, &x);
        let mut for_coefficients = Buffer::uninitialised(coefficients.shape().num_elements());
        let mut for_x = Buffer::uninitialised(x.shape().num_elements());
        let values = [&coefficients, &x, &out_gradient].map(Floats::of);
        let values = values.each_ref().map(|values| &**values);
        recurrent::combine_gradients(Level::current(), &shape, values, &mut for_coefficients, &mut for_x);
        [for_coefficients.into_tensor(coefficients.shape()), for_x.into_tensor(x.shape())]
    }

    fn log_softmax_channels(x: FlexTensor) -> FlexTensor {
        if !is_single!(x) {
            return fallback::log_softmax_channels::<Self>(x);
        }
        let [_, channels, height, width] = x.shape().dims();
        let mut out = Buffer::uninitialised(x.shape().num_elements());
        softmax::log_softmax(Level::current(), [channels, height * width], &Floats::of(&x), &mut out);
        out.into_tensor(x.shape())
    }

    fn log_softmax_channels_gradient(out: FlexTensor, out_gradient: FlexTensor) -> FlexTensor {
        if !is_single!(out, out_gradient) {
            return fallback::log_softmax_channels_gradient::<Self>(out, out_gradient);
        }
        let [_, channels, height, width] = out.shape().dims();
        let sizes = [channels, height * width];
        let mut gradient = Buffer::uninitialised(out.shape().num_elements());
        let (values, out_gradient) = (Floats::of(&out), Floats::of(&out_gradient));
        softmax::log_softmax_gradient(Level::current(), sizes, &values, &out_gradient, &mut gradient);
        gradient.into_tensor(out.shape())
    }

    fn adam(
        parameter: FlexTensor,
        gradient: FlexTensor,
        moments: [FlexTensor; 2],
        step: adam::Step,
    ) -> [FlexTensor; 3] {
        let [first, second] = &moments;
        if !is_single!(parameter, gradient, first, second) {
            return fallback::adam::<Self>(parameter, gradient, moments, step);
        }
        let shape = parameter.shape();
        let mut out = [(); 3].map(|()| Buffer::uninitialised(shape.num_elements()));
        let values = [&parameter, &gradient, first, second].map(Floats::of);
        adam::update(Level::current(), &step, values.each_ref().map(|values| &**values), &mut out);
        out.map(|out| out.into_tensor(shape.clone()))
    }

    fn split_channels(joined: FlexTensor, channels: usize) -> [FlexTensor; 2] {
        if !is_single!(joined) {
            return fallback::split_channels::<Self>(joined, channels);
        }
        let [batch, all, height, width] = joined.shape().dims();
        let rest = all - channels;
        let images = [channels * height * width, rest * height * width];
        let mut a = Buffer::uninitialised(batch * images[0]);
        let mut b = Buffer::uninitialised(batch * images[1]);
        concat::split(&Floats::of(&joined), images, &mut a, &mut b);
        [a.into_tensor([batch, channels, height, width]), b.into_tensor([batch, rest, height, width])]
    }
}

/// The values of a single-precision tensor in contiguous order, copied only if necessary.
enum Floats<'a> {
    There(&'a [f32]),
    Copied(FlexTensor),
}

impl<'a> Floats<'a> {
    fn of(tensor: &'a FlexTensor) -> Self {
        match tensor.as_slice::<f32>() {
            Some(values) => Self::There(values),
            None => Self::Copied(tensor.to_contiguous()),
        }
    }
}

impl Deref for Floats<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::There(values) => values,
            Self::Copied(tensor) => {
                tensor.as_slice().expect("a contiguous single-precision tensor is a slice")
            }
        }
    }
}

/// The tensor with values that no other tensor shares, copied only if necessary.
fn owned(tensor: FlexTensor) -> FlexTensor {
    let len = tensor.shape().num_elements();
    let is_whole = tensor.layout().contiguous_offsets() == Some((0, len))
        && tensor.bytes().len() == len * size_of::<f32>();
    if tensor.is_unique() && is_whole {
        return tensor;
    }
    let mut copy = Buffer::uninitialised(len);
    copy.copy_from_slice(&Floats::of(&tensor));
    copy.into_tensor(tensor.shape())
}

/// The output of a convolution.
fn convolved(
    shape: &ConvShape,
    x: Images,
    weight: &[f32],
    bias: Option<&[f32]>,
    finish: Finish,
) -> FlexTensor {
    let mut out = Buffer::uninitialised(shape.out_len());
    convolve(Level::current(), shape, x, weight, bias, finish, ImagesMut::whole(&mut out));
    out.into_tensor(shape.out_dims())
}

/// The shape of a convolution, if the kernels support it.
fn conv_shape(x: &FlexTensor, weight: &FlexTensor, options: &ConvOptions<2>) -> Option<ConvShape> {
    shape_of_size(x.shape().dims(), weight, options).filter(|_| is_single!(x))
}

/// The shape of a convolution of the channels of both inputs, if the kernels support it.
fn pair_shape(
    [first, rest]: [&FlexTensor; 2],
    weight: &FlexTensor,
    options: &ConvOptions<2>,
) -> Option<ConvShape> {
    let [batch, channels, height, width] = first.shape().dims();
    let size = [batch, channels + rest.shape()[1], height, width];
    shape_of_size(size, weight, options).filter(|_| is_single!(first, rest))
}

fn shape_of_size(size: [usize; 4], weight: &FlexTensor, options: &ConvOptions<2>) -> Option<ConvShape> {
    let [_, in_channels, _, _] = size;
    let [out_channels, weight_channels, kernel_height, kernel_width] = weight.shape().dims();
    let covered = is_single!(weight) && options.groups == 1 && in_channels == weight_channels;
    let kernel = [out_channels, kernel_height, kernel_width];
    let shape = ConvShape::new(size, kernel, options.stride, options.padding, options.dilation);
    shape.filter(|_| covered)
}

/// The shape of a transposed convolution, if the kernels support it.
fn transposed_shape(
    x: &FlexTensor,
    weight: &FlexTensor,
    options: &ConvTransposeOptions<2>,
) -> Option<TransposedShape> {
    let [batch, in_channels, height, width] = x.shape().dims();
    let [weight_channels, out_channels, kernel_height, kernel_width] = weight.shape().dims();
    let covered = is_single!(x, weight)
        && options.groups == 1
        && in_channels == weight_channels
        && options.stride == [kernel_height, kernel_width]
        && options.padding == [0, 0]
        && options.padding_out == [0, 0]
        && options.dilation == [1, 1];
    let shape = TransposedShape {
        batch,
        in_channels,
        in_size: [height, width],
        out_channels,
        stride: options.stride,
    };
    covered.then_some(shape)
}

/// The sizes of a combination of images.
fn combine_shape(coefficients: &FlexTensor, x: &FlexTensor) -> CombineShape {
    let [samples, channels, h, w] = coefficients.shape().dims();
    let [domains, features, height, width] = x.shape().dims();
    CombineShape {
        domains,
        frames: samples / domains,
        outputs: channels / features,
        features,
        coarse: [h, w],
        fine: [height, width],
    }
}

/// The shape of a norm, if the kernels support it.
fn norm_shape(x: &FlexTensor, options: &NormOptions) -> Option<NormShape> {
    let [batch, channels, height, width] = x.shape().dims();
    let shape = NormShape { batch, channels, plane: height * width, statistics: options.statistics };
    is_single!(x).then_some(shape)
}
