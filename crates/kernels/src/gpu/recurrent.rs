//! The gated change of a recurrent state and its gradients, a kernel each.

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{channels_last, empty_images, one_unit_each};

#[cube]
fn sigmoid(x: f32) -> f32 {
    1.0f32 / (1.0f32 + (-x).exp())
}

#[cube]
fn tanh(x: f32) -> f32 {
    2.0f32 * sigmoid(2.0f32 * x) - 1.0f32
}

/// A unit for each value of the state. The channels of a pixel of `change` are its gates, then its new states.
#[cube(launch)]
fn forward(state: &Array<f32>, change: &Array<f32>, out: &mut Array<f32>, channels: usize) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let gate = ABSOLUTE_POS + ABSOLUTE_POS / channels * channels;
    let old = state[ABSOLUTE_POS];
    out[ABSOLUTE_POS] = old + sigmoid(change[gate]) * (tanh(change[gate + channels]) - old);
}

#[cube(launch)]
fn backward(
    state: &Array<f32>,
    change: &Array<f32>,
    gradient: &Array<f32>,
    for_state: &mut Array<f32>,
    for_change: &mut Array<f32>,
    channels: usize,
) {
    if ABSOLUTE_POS >= state.len() {
        terminate!();
    }
    let at = ABSOLUTE_POS + ABSOLUTE_POS / channels * channels;
    let gate = sigmoid(change[at]);
    let new = tanh(change[at + channels]);
    let passed = gradient[ABSOLUTE_POS] * gate;
    for_state[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] - passed;
    for_change[at] = passed * (1.0f32 - gate) * (new - state[ABSOLUTE_POS]);
    for_change[at + channels] = passed * (1.0f32 - new * new);
}

/// The changed state `[b, c, h, w]`; `change` is `[b, 2 c, h, w]`.
pub(super) fn gated_change<R: CubeRuntime>(state: CubeTensor<R>, change: CubeTensor<R>) -> CubeTensor<R> {
    let [state, change] = [state, change].map(channels_last);
    let shape: [usize; 4] = state.meta.shape().dims();
    let out = empty_images(&state, shape);
    let (cubes, size) = one_unit_each(&state, out.meta.num_elements());
    let client = state.client.clone();
    let (change, out_arg) = (change.into_array_arg(), out.clone().into_array_arg());
    forward::launch::<R>(&client, cubes, size, state.into_array_arg(), change, out_arg, shape[1]);
    out
}

/// Gradients of [`gated_change`] for state and change.
pub(super) fn gated_change_gradients<R: CubeRuntime>(
    state: CubeTensor<R>,
    change: CubeTensor<R>,
    out_gradient: CubeTensor<R>,
) -> [CubeTensor<R>; 2] {
    let [state, change, gradient] = [state, change, out_gradient].map(channels_last);
    let [images, channels, height, width]: [usize; 4] = state.meta.shape().dims();
    let found =
        [channels, 2 * channels].map(|channels| empty_images(&state, [images, channels, height, width]));
    let (cubes, size) = one_unit_each(&state, state.meta.num_elements());
    let client = state.client.clone();
    let [state, change, gradient] = [state, change, gradient].map(CubeTensor::into_array_arg);
    let [for_state, for_change] = found.clone().map(CubeTensor::into_array_arg);
    backward::launch::<R>(&client, cubes, size, state, change, gradient, for_state, for_change, channels);
    found
}
