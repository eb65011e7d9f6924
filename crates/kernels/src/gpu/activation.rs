//! Activations, together with a norm or alone.

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{dense, empty_like, in_order_of, one_unit_each};
use crate::activation::Activation;

/// The activation of a value.
#[cube]
pub(super) fn activate(z: f32, #[comptime] activation: Activation) -> f32 {
    if comptime!(activation == Activation::Identity) {
        z
    } else if comptime!(activation == Activation::Relu) {
        // NaN stays NaN.
        select(z < 0.0f32, 0.0f32, z)
    } else {
        z / (1.0f32 + (-z).exp())
    }
}

/// Derivative of the activation.
#[cube]
pub(super) fn slope(z: f32, #[comptime] activation: Activation) -> f32 {
    if comptime!(activation == Activation::Identity) {
        1.0f32.runtime()
    } else if comptime!(activation == Activation::Relu) {
        select(z > 0.0f32, 1.0f32, 0.0f32)
    } else {
        let sigmoid = 1.0f32 / (1.0f32 + (-z).exp());
        sigmoid * (z * (1.0f32 - sigmoid) + 1.0f32)
    }
}

#[cube(launch)]
fn values_kernel(x: &Array<f32>, out: &mut Array<f32>, #[comptime] activation: Activation) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    out[ABSOLUTE_POS] = activate(x[ABSOLUTE_POS], activation);
}

#[cube(launch)]
fn gradients_kernel(
    x: &Array<f32>,
    gradient: &Array<f32>,
    out: &mut Array<f32>,
    #[comptime] activation: Activation,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    out[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] * slope(x[ABSOLUTE_POS], activation);
}

/// The activation of each value.
pub(super) fn values<R: CubeRuntime>(x: CubeTensor<R>, activation: Activation) -> CubeTensor<R> {
    let x = dense(x);
    let out = empty_like(&x);
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    let (client, out_arg) = (x.client.clone(), out.clone().into_array_arg());
    values_kernel::launch::<R>(&client, cubes, size, x.into_array_arg(), out_arg, activation);
    out
}

/// Gradients of [`values`]. The output of a rectifier has the slopes of its input, so `x` can be either.
pub(super) fn gradients<R: CubeRuntime>(
    x: CubeTensor<R>,
    out_gradient: CubeTensor<R>,
    activation: Activation,
) -> CubeTensor<R> {
    let x = dense(x);
    let gradient = in_order_of(out_gradient, &x).into_array_arg();
    let out = empty_like(&x);
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    let (client, out_arg) = (x.client.clone(), out.clone().into_array_arg());
    gradients_kernel::launch::<R>(&client, cubes, size, x.into_array_arg(), gradient, out_arg, activation);
    out
}
