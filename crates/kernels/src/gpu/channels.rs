//! Channels joined and split.

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{channels_last, empty_images, one_unit_each};

#[cube(launch)]
fn join_kernel(a: &Array<f32>, b: &Array<f32>, out: &mut Array<f32>, of_a: usize, of_b: usize) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % (of_a + of_b);
    let pixel = ABSOLUTE_POS / (of_a + of_b);
    if channel < of_a {
        out[ABSOLUTE_POS] = a[pixel * of_a + channel];
    } else {
        out[ABSOLUTE_POS] = b[pixel * of_b + channel - of_a];
    }
}

#[cube(launch)]
fn split_kernel(joined: &Array<f32>, a: &mut Array<f32>, b: &mut Array<f32>, of_a: usize, of_b: usize) {
    if ABSOLUTE_POS >= joined.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % (of_a + of_b);
    let pixel = ABSOLUTE_POS / (of_a + of_b);
    if channel < of_a {
        a[pixel * of_a + channel] = joined[ABSOLUTE_POS];
    } else {
        b[pixel * of_b + channel - of_a] = joined[ABSOLUTE_POS];
    }
}

/// The channels of `a`, then those of `b`.
pub(super) fn join<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    let [a, b] = [a, b].map(channels_last);
    let [images, of_a, height, width]: [usize; 4] = a.meta.shape().dims();
    let of_b = b.meta.shape()[1];
    let out = empty_images(&a, [images, of_a + of_b, height, width]);
    let (cubes, size) = one_unit_each(&a, out.meta.num_elements());
    let (client, out_arg) = (a.client.clone(), out.clone().into_array_arg());
    join_kernel::launch::<R>(
        &client,
        cubes,
        size,
        a.into_array_arg(),
        b.into_array_arg(),
        out_arg,
        of_a,
        of_b,
    );
    out
}

/// The first `of_a` channels, and the rest.
pub(super) fn split<R: CubeRuntime>(joined: CubeTensor<R>, of_a: usize) -> [CubeTensor<R>; 2] {
    let joined = channels_last(joined);
    let [images, channels, height, width]: [usize; 4] = joined.meta.shape().dims();
    let of_b = channels - of_a;
    let parts = [of_a, of_b].map(|channels| empty_images(&joined, [images, channels, height, width]));
    let (cubes, size) = one_unit_each(&joined, joined.meta.num_elements());
    let [a, b] = parts.clone().map(CubeTensor::into_array_arg);
    let client = joined.client.clone();
    split_kernel::launch::<R>(&client, cubes, size, joined.into_array_arg(), a, b, of_a, of_b);
    parts
}
