//! Log-softmax over the channels and its gradient, a kernel each.

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{channels_last, empty_images, one_unit_each};

/// A unit for each pixel.
#[cube(launch)]
fn forward(x: &Array<f32>, out: &mut Array<f32>, channels: usize) {
    let first = ABSOLUTE_POS * channels;
    if first >= out.len() {
        terminate!();
    }
    let mut largest = x[first];
    for channel in 1..channels {
        largest = max(largest, x[first + channel]);
    }
    let mut sum = 0.0f32;
    for channel in 0..channels {
        sum += (x[first + channel] - largest).exp();
    }
    let normaliser = largest + sum.ln();
    for channel in 0..channels {
        out[first + channel] = x[first + channel] - normaliser;
    }
}

#[cube(launch)]
fn backward(y: &Array<f32>, gradient: &Array<f32>, out: &mut Array<f32>, channels: usize) {
    let first = ABSOLUTE_POS * channels;
    if first >= out.len() {
        terminate!();
    }
    let mut sum = 0.0f32;
    for channel in 0..channels {
        sum += gradient[first + channel];
    }
    for channel in 0..channels {
        out[first + channel] = gradient[first + channel] - y[first + channel].exp() * sum;
    }
}

/// Log-softmax over the channels of `[b, c, h, w]`.
pub(super) fn log_softmax<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let x = channels_last(x);
    let shape: [usize; 4] = x.meta.shape().dims();
    let out = empty_images(&x, shape);
    let (cubes, size) = one_unit_each(&x, shape[0] * shape[2] * shape[3]);
    let client = x.client.clone();
    forward::launch::<R>(&client, cubes, size, x.into_array_arg(), out.clone().into_array_arg(), shape[1]);
    out
}

/// Gradient of [`log_softmax`], given its output.
pub(super) fn gradient<R: CubeRuntime>(y: CubeTensor<R>, out_gradient: CubeTensor<R>) -> CubeTensor<R> {
    let [y, gradient] = [y, out_gradient].map(channels_last);
    let shape: [usize; 4] = y.meta.shape().dims();
    let out = empty_images(&y, shape);
    let (cubes, size) = one_unit_each(&y, shape[0] * shape[2] * shape[3]);
    let client = y.client.clone();
    let (gradient, out_arg) = (gradient.into_array_arg(), out.clone().into_array_arg());
    backward::launch::<R>(&client, cubes, size, y.into_array_arg(), gradient, out_arg, shape[1]);
    out
}
