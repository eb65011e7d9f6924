//! Cross-entropy of classes: two kernels forward, one backward.
#![allow(clippy::too_many_arguments, reason = "a kernel takes every buffer and size by itself")]

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{
    LANES, UNITS, channels_last, empty, empty_images, one_cube_each, one_unit_each, sum_of_lane,
};

/// Cubes that sum over all pixels.
const CUBES: usize = 128;

/// Logarithm of the sum of the exponentials of some logits.
#[cube]
fn log_sum(logits: &Array<f32>, first: usize, channels: usize) -> f32 {
    let mut largest = logits[first];
    for channel in 1..channels {
        largest = max(largest, logits[first + channel]);
    }
    let mut sum = 0.0f32;
    for channel in 0..channels {
        sum += (logits[first + channel] - largest).exp();
    }
    largest + sum.ln()
}

/// Sums of the weighted logarithms and of the weights, [`LANES`] of each for each cube.
#[cube(launch)]
fn parts_kernel(
    logits: &Array<f32>,
    classes: &Array<f32>,
    weights: &Array<f32>,
    losses: &mut Array<f32>,
    totals: &mut Array<f32>,
) {
    let cubes = losses.len() / LANES;
    if CUBE_POS >= cubes {
        terminate!();
    }
    let channels = weights.len();
    let mut loss = 0.0f32;
    let mut total = 0.0f32;
    let mut pixel = CUBE_POS * UNITS + UNIT_POS as usize;
    while pixel < classes.len() {
        let class = usize::cast_from(classes[pixel]);
        let first = pixel * channels;
        let weight = weights[class];
        loss += weight * (log_sum(logits, first, channels) - logits[first + class]);
        total += weight;
        pixel += cubes * UNITS;
    }
    let loss = sum_of_lane(loss);
    let total = sum_of_lane(total);
    if UNIT_POS < comptime!(LANES as u32) {
        losses[CUBE_POS * LANES + UNIT_POS as usize] = loss;
        totals[CUBE_POS * LANES + UNIT_POS as usize] = total;
    }
}

/// The mean from the parts, in one cube.
#[cube(launch)]
fn mean_kernel(losses: &Array<f32>, totals: &Array<f32>, out: &mut Array<f32>, out_total: &mut Array<f32>) {
    if CUBE_POS > 0 {
        terminate!();
    }
    let mut loss = 0.0f32;
    let mut total = 0.0f32;
    let mut at = UNIT_POS as usize / LANES;
    while at < losses.len() {
        loss += losses[at];
        total += totals[at];
        at += comptime!(UNITS / LANES);
    }
    let loss = sum_of_lane(loss);
    let total = sum_of_lane(total);
    if UNIT_POS == 0 {
        // If no pixel counts, this is 0 / 1.
        let total = select(total == 0.0f32, 1.0f32, total);
        out[0] = loss / total;
        out_total[0] = total;
    }
}

#[cube(launch)]
fn gradient_kernel(
    logits: &Array<f32>,
    classes: &Array<f32>,
    weights: &Array<f32>,
    total: &Array<f32>,
    out_gradient: &Array<f32>,
    out: &mut Array<f32>,
) {
    if ABSOLUTE_POS >= classes.len() {
        terminate!();
    }
    let channels = weights.len();
    let class = usize::cast_from(classes[ABSOLUTE_POS]);
    let first = ABSOLUTE_POS * channels;
    let factor = weights[class] * out_gradient[0] / total[0];
    let normaliser = log_sum(logits, first, channels);
    for channel in 0..channels {
        let target = select(channel == class, 1.0f32, 0.0f32);
        out[first + channel] = factor * ((logits[first + channel] - normaliser).exp() - target);
    }
}

/// The cross-entropy and the total weight.
pub(super) fn forward<R: CubeRuntime>(
    logits: CubeTensor<R>,
    classes: CubeTensor<R>,
    weights: CubeTensor<R>,
) -> [CubeTensor<R>; 2] {
    let (logits, classes) = (channels_last(logits), into_contiguous(classes));
    let cubes = classes.meta.num_elements().div_ceil(UNITS).min(CUBES);
    let [losses, totals] = [(); 2].map(|()| empty(&logits, [cubes * LANES]));
    let [out, total] = [(); 2].map(|()| empty(&logits, [1]));
    let client = logits.client.clone();
    let (count, size) = one_cube_each(&logits, cubes);
    parts_kernel::launch::<R>(
        &client,
        count,
        size,
        logits.into_array_arg(),
        classes.into_array_arg(),
        into_contiguous(weights).into_array_arg(),
        losses.clone().into_array_arg(),
        totals.clone().into_array_arg(),
    );
    let (count, size) = one_cube_each(&out, 1);
    let [losses, totals] = [losses, totals].map(CubeTensor::into_array_arg);
    let (out_arg, total_arg) = (out.clone().into_array_arg(), total.clone().into_array_arg());
    mean_kernel::launch::<R>(&client, count, size, losses, totals, out_arg, total_arg);
    [out, total]
}

/// Gradient with respect to the logits.
pub(super) fn gradient<R: CubeRuntime>(
    logits: CubeTensor<R>,
    classes: CubeTensor<R>,
    weights: CubeTensor<R>,
    total: CubeTensor<R>,
    out_gradient: CubeTensor<R>,
) -> CubeTensor<R> {
    let (logits, classes) = (channels_last(logits), into_contiguous(classes));
    let out = empty_images(&logits, logits.meta.shape().dims());
    let (cubes, size) = one_unit_each(&logits, classes.meta.num_elements());
    gradient_kernel::launch::<R>(
        &logits.client.clone(),
        cubes,
        size,
        logits.into_array_arg(),
        classes.into_array_arg(),
        into_contiguous(weights).into_array_arg(),
        total.into_array_arg(),
        into_contiguous(out_gradient).into_array_arg(),
        out.clone().into_array_arg(),
    );
    out
}
