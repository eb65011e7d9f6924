//! The operations on Burn's modules, whose parameters, records and names stay as they are.

use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::nn::{BatchNorm, GroupNorm, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvTransposeOptions, PaddedConvOptions};

use crate::activation::Activation;
use crate::backend::Backend;
use crate::functions::{self, BatchNormOutput};

/// `layer.forward(x)`
pub fn conv2d<B: Backend>(layer: &Conv2d<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [_, _, height, width] = x.dims();
    let (start, end) = padding(&layer.padding, layer.kernel_size, layer.stride, [height, width]);
    let options = PaddedConvOptions::asymmetric(layer.stride, start, end, layer.dilation, layer.groups);
    functions::conv2d(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()), options)
}

/// `layer.forward(x)`
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

/// The activation of `layer.forward(x)`: batch statistics and an update of the running ones on an autodiff backend,
/// the running ones otherwise.
pub fn batch_norm<B: Backend>(layer: &BatchNorm<B>, x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
    let device = x.device();
    let (gamma, beta) = (layer.gamma.val(), layer.beta.val());
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

/// The activation of `layer.forward(x)`.
pub fn group_norm<B: Backend>(layer: &GroupNorm<B>, x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
    let (device, channels) = (x.device(), [layer.num_channels]);
    let gamma = layer.gamma.as_ref().map_or_else(|| Tensor::ones(channels, &device), |gamma| gamma.val());
    let beta = layer.beta.as_ref().map_or_else(|| Tensor::zeros(channels, &device), |beta| beta.val());
    functions::group_norm(x, layer.num_groups, gamma, beta, layer.epsilon, activation)
}

/// Padding before and after, as [`Conv2d`] takes it (there the computation is private).
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
