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
fn silu_kernel(x: &Array<f32>, out: &mut Array<f32>) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    out[ABSOLUTE_POS] = activate(x[ABSOLUTE_POS], Activation::Silu);
}

#[cube(launch)]
fn silu_gradient_kernel(x: &Array<f32>, gradient: &Array<f32>, out: &mut Array<f32>) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    out[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] * slope(x[ABSOLUTE_POS], Activation::Silu);
}

/// x / (1 + exp(-x)).
pub(super) fn silu<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let x = dense(x);
    let out = empty_like(&x);
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    let client = x.client.clone();
    silu_kernel::launch::<R>(&client, cubes, size, x.into_array_arg(), out.clone().into_array_arg());
    out
}

/// Gradient of [`silu`].
pub(super) fn silu_gradient<R: CubeRuntime>(x: CubeTensor<R>, out_gradient: CubeTensor<R>) -> CubeTensor<R> {
    let x = dense(x);
    let gradient = in_order_of(out_gradient, &x).into_array_arg();
    let out = empty_like(&x);
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    let (client, out_arg) = (x.client.clone(), out.clone().into_array_arg());
    silu_gradient_kernel::launch::<R>(&client, cubes, size, x.into_array_arg(), gradient, out_arg);
    out
}
