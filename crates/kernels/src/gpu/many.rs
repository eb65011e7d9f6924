//! Operations on many tensors at once, for optimisers: a launch costs more than the work on a small tensor.
#![allow(clippy::too_many_arguments, reason = "a kernel takes every buffer and size by itself")]

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{
    LANES, UNITS, dense, empty, empty_like, in_order_of, one_cube_each, one_unit_each, sum_of_lane,
};
use crate::adam::Step;

/// Tensors of a launch at most.
const TENSORS: usize = 32;
/// Values that a cube squares and sums.
const PART: usize = 64 * UNITS;

/// Tensors of a launch that takes `buffers` of each, and one more.
fn at_once<R: CubeRuntime>(like: &CubeTensor<R>, buffers: usize) -> usize {
    // Sizes and scalars take two bindings at most.
    let bindings = like.client.properties().hardware.max_bindings as usize;
    (bindings.saturating_sub(3) / buffers).clamp(1, TENSORS)
}

fn arrays<R: CubeRuntime>(tensors: impl IntoIterator<Item = CubeTensor<R>>) -> SequenceArg<R, Array<f32>> {
    tensors.into_iter().map(CubeTensor::into_array_arg).collect()
}

#[cube(launch)]
fn mix_kernel(
    a: &Sequence<Array<f32>>,
    b: &Sequence<Array<f32>>,
    out: &mut Sequence<Array<f32>>,
    factor_a: f32,
    factor_b: f32,
) {
    let mut first = 0usize.runtime();
    #[unroll]
    for index in 0..comptime!(a.len()) {
        let end = first + a.index(index).len();
        if ABSOLUTE_POS >= first && ABSOLUTE_POS < end {
            let at = ABSOLUTE_POS - first;
            let mixed = a.index(index)[at] * factor_a + b.index(index)[at] * factor_b;
            out.index_mut(index)[at] = mixed;
        }
        first = end;
    }
}

/// a · `factors[0]` + b · `factors[1]` for each pair.
pub(super) fn mix<R: CubeRuntime>(pairs: Vec<[CubeTensor<R>; 2]>, factors: [f64; 2]) -> Vec<CubeTensor<R>> {
    let mut mixed = Vec::with_capacity(pairs.len());
    let Some([like, _]) = pairs.first().cloned() else { return mixed };
    for pairs in pairs.chunks(at_once(&like, 3)) {
        let ordered = |[a, b]: &[CubeTensor<R>; 2]| {
            let b = dense(b.clone());
            (in_order_of(a.clone(), &b), b)
        };
        let (a, b): (Vec<_>, Vec<_>) = pairs.iter().map(ordered).unzip();
        let out: Vec<_> = b.iter().map(empty_like).collect();
        let (cubes, size) = one_unit_each(&like, total(&b));
        let client = like.client.clone();
        let (out_arg, [factor_a, factor_b]) = (arrays(out.clone()), factors.map(|factor| factor as f32));
        mix_kernel::launch::<R>(&client, cubes, size, arrays(a), arrays(b), out_arg, factor_a, factor_b);
        mixed.extend(out);
    }
    mixed
}

/// Number of values of all tensors.
fn total<R: CubeRuntime>(tensors: &[CubeTensor<R>]) -> usize {
    tensors.iter().map(|tensor| tensor.meta.num_elements()).sum()
}

#[cube(launch)]
fn adam_kernel(
    parameters: &Sequence<Array<f32>>,
    gradients: &Sequence<Array<f32>>,
    firsts: &Sequence<Array<f32>>,
    seconds: &Sequence<Array<f32>>,
    new_parameters: &mut Sequence<Array<f32>>,
    new_firsts: &mut Sequence<Array<f32>>,
    new_seconds: &mut Sequence<Array<f32>>,
    keep_first: f32,
    keep_second: f32,
    first_correction: f32,
    second_correction: f32,
    epsilon: f32,
    penalty: f32,
    keep: f32,
    rate: f32,
) {
    let mut start = 0usize.runtime();
    #[unroll]
    for index in 0..comptime!(parameters.len()) {
        let end = start + parameters.index(index).len();
        if ABSOLUTE_POS >= start && ABSOLUTE_POS < end {
            let at = ABSOLUTE_POS - start;
            let parameter = parameters.index(index)[at];
            let slope = gradients.index(index)[at] + penalty * parameter;
            let m = keep_first * firsts.index(index)[at] + (1.0f32 - keep_first) * slope;
            let v = keep_second * seconds.index(index)[at] + (1.0f32 - keep_second) * (slope * slope);
            let change = m / first_correction / ((v / second_correction).sqrt() + epsilon);
            new_firsts.index_mut(index)[at] = m;
            new_seconds.index_mut(index)[at] = v;
            new_parameters.index_mut(index)[at] = parameter * keep - rate * change;
        }
        start = end;
    }
}

/// The new parameter and both new moments for each parameter, gradient and both moments.
pub(super) fn adam<R: CubeRuntime>(tensors: Vec<[CubeTensor<R>; 4]>, step: &Step) -> Vec<[CubeTensor<R>; 3]> {
    let mut done = Vec::with_capacity(tensors.len());
    let Some([like, ..]) = tensors.first().cloned() else { return done };
    for tensors in tensors.chunks(at_once(&like, 7)) {
        let mut inputs = [(); 4].map(|()| Vec::with_capacity(tensors.len()));
        for [parameter, gradient, first, second] in tensors {
            // The optimiser keeps the order of the gradient, in which a convolution reads its weights.
            let gradient = dense(gradient.clone());
            let ordered = |tensor: &CubeTensor<R>| in_order_of(tensor.clone(), &gradient);
            let ordered = [ordered(parameter), gradient.clone(), ordered(first), ordered(second)];
            inputs.iter_mut().zip(ordered).for_each(|(inputs, tensor)| inputs.push(tensor));
        }
        let [parameters, gradients, firsts, seconds] = inputs;
        let out: [Vec<_>; 3] = [(); 3].map(|()| gradients.iter().map(empty_like).collect());
        let (cubes, size) = one_unit_each(&like, total(&gradients));
        let [new_parameters, new_firsts, new_seconds] = out.clone().map(arrays);
        adam_kernel::launch::<R>(
            &like.client.clone(),
            cubes,
            size,
            arrays(parameters),
            arrays(gradients),
            arrays(firsts),
            arrays(seconds),
            new_parameters,
            new_firsts,
            new_seconds,
            step.keep_moments[0],
            step.keep_moments[1],
            step.corrections[0],
            step.corrections[1],
            step.epsilon,
            step.penalty,
            step.keep,
            step.rate,
        );
        let [parameters, firsts, seconds] = out;
        let moments = firsts.into_iter().zip(seconds);
        done.extend(
            parameters
                .into_iter()
                .zip(moments)
                .map(|(parameter, (first, second))| [parameter, first, second]),
        );
    }
    done
}

#[cube(launch)]
fn scale_kernel(tensors: &Sequence<Array<f32>>, out: &mut Sequence<Array<f32>>, factor: f32) {
    let mut first = 0usize.runtime();
    #[unroll]
    for index in 0..comptime!(tensors.len()) {
        let end = first + tensors.index(index).len();
        if ABSOLUTE_POS >= first && ABSOLUTE_POS < end {
            let at = ABSOLUTE_POS - first;
            out.index_mut(index)[at] = tensors.index(index)[at] * factor;
        }
        first = end;
    }
}

/// Each tensor times `factor`.
pub(super) fn scale<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>, factor: f64) -> Vec<CubeTensor<R>> {
    let mut scaled = Vec::with_capacity(tensors.len());
    let Some(like) = tensors.first().cloned() else { return scaled };
    for tensors in tensors.chunks(at_once(&like, 2)) {
        let tensors: Vec<_> = tensors.iter().cloned().map(dense).collect();
        let out: Vec<_> = tensors.iter().map(empty_like).collect();
        let (cubes, size) = one_unit_each(&like, total(&tensors));
        let out_arg = arrays(out.clone());
        scale_kernel::launch::<R>(&like.client, cubes, size, arrays(tensors), out_arg, factor as f32);
        scaled.extend(out);
    }
    scaled
}

/// Each cube squares and sums a part of a tensor.
#[cube(launch)]
fn squares_kernel(tensors: &Sequence<Array<f32>>, sums: &mut Array<f32>, first_sum: usize) {
    let mut first = 0usize.runtime();
    let mut sum = 0.0f32;
    #[unroll]
    for index in 0..comptime!(tensors.len()) {
        let x = tensors.index(index);
        let end = first + x.len().div_ceil(PART);
        if CUBE_POS >= first && CUBE_POS < end {
            let mut at = (CUBE_POS - first) * PART + UNIT_POS as usize;
            let mut last = (CUBE_POS - first + 1) * PART;
            if last > x.len() {
                last = x.len();
            }
            while at < last {
                sum += x[at] * x[at];
                at += comptime!(UNITS);
            }
        }
        first = end;
    }
    let of_lane = sum_of_lane(sum);
    // One lane after the other.
    if CUBE_POS < first && UNIT_POS < comptime!(LANES as u32) {
        sums[(first_sum + CUBE_POS) * LANES + UNIT_POS as usize] = of_lane;
    }
}

/// Sums of squares that add up to that of all tensors.
pub(super) fn squares<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>) -> CubeTensor<R> {
    let like = tensors.first().expect("a tensor").clone();
    let tensors: Vec<_> = tensors.into_iter().map(dense).collect();
    let parts = |tensors: &[CubeTensor<R>]| -> usize {
        tensors.iter().map(|tensor| tensor.meta.num_elements().div_ceil(PART)).sum()
    };
    let sums = empty(&like, [parts(&tensors) * LANES]);
    let mut first = 0;
    for tensors in tensors.chunks(at_once(&like, 1)) {
        let count = parts(tensors);
        let (cubes, size) = one_cube_each(&like, count);
        let sums = sums.clone().into_array_arg();
        squares_kernel::launch::<R>(&like.client, cubes, size, arrays(tensors.to_vec()), sums, first);
        first += count;
    }
    sums
}
