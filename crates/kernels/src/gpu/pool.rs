//! 2x2 max-pooling, images that several images share, and their backward steps.

use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{channels_last, empty_images, one_unit_each};

/// Sizes of a pooled image and the image before.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    channels: usize,
    in_height: usize,
    in_width: usize,
    height: usize,
    width: usize,
}

/// Index of the first value of the block of pooled value `at`.
#[cube]
fn block_of(at: usize, sizes: &Sizes) -> usize {
    let channel = at % sizes.channels;
    let pixel = at / sizes.channels;
    let (row, column) = (pixel / sizes.width % sizes.height, pixel % sizes.width);
    let image = pixel / sizes.width / sizes.height;
    let line = image * sizes.in_height + 2 * row;
    (line * sizes.in_width + 2 * column) * sizes.channels + channel
}

#[cube(launch)]
fn forward(x: &Array<f32>, out: &mut Array<f32>, sizes: Sizes) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let first = block_of(ABSOLUTE_POS, &sizes);
    let mut largest = x[first];
    #[unroll]
    for index in 1..4usize {
        let value = x[first + (index / 2 * sizes.in_width + index % 2) * sizes.channels];
        if value > largest {
            largest = value;
        }
    }
    out[ABSOLUTE_POS] = largest;
}

#[cube(launch)]
fn backward(x: &Array<f32>, gradient: &Array<f32>, out: &mut Array<f32>, sizes: Sizes) {
    if ABSOLUTE_POS >= gradient.len() {
        terminate!();
    }
    let first = block_of(ABSOLUTE_POS, &sizes);
    let mut largest = x[first];
    let mut at = 0usize.runtime();
    #[unroll]
    for index in 1..4usize {
        let value = x[first + (index / 2 * sizes.in_width + index % 2) * sizes.channels];
        if value > largest {
            largest = value;
            at = index.runtime();
        }
    }
    #[unroll]
    for index in 0..4usize {
        out[first + (index / 2 * sizes.in_width + index % 2) * sizes.channels] =
            select(at == index, gradient[ABSOLUTE_POS], 0.0f32);
    }
}

fn sizes<R: CubeRuntime>([_, channels, height, width]: [usize; 4]) -> SizesLaunch<R> {
    SizesLaunch::new(channels, height, width, height / 2, width / 2)
}

/// Maximum of each 2x2 block.
pub(super) fn max<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let x = channels_last(x);
    let shape: [usize; 4] = x.meta.shape().dims();
    let out = empty_images(&x, [shape[0], shape[1], shape[2] / 2, shape[3] / 2]);
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    let client = x.client.clone();
    forward::launch::<R>(
        &client,
        cubes,
        size,
        x.into_array_arg(),
        out.clone().into_array_arg(),
        sizes(shape),
    );
    out
}

/// Gradient of [`max`]: goes to the first maximum of each block. `None` for images with an odd last row or column.
pub(super) fn max_gradient<R: CubeRuntime>(
    x: CubeTensor<R>,
    gradient: CubeTensor<R>,
) -> Option<CubeTensor<R>> {
    let shape: [usize; 4] = x.meta.shape().dims();
    if !(shape[2].is_multiple_of(2) && shape[3].is_multiple_of(2)) {
        return None;
    }
    let [x, gradient] = [x, gradient].map(channels_last);
    let out = empty_images(&x, shape);
    let (cubes, size) = one_unit_each(&x, gradient.meta.num_elements());
    let client = x.client.clone();
    let out_arg = out.clone().into_array_arg();
    backward::launch::<R>(
        &client,
        cubes,
        size,
        x.into_array_arg(),
        gradient.into_array_arg(),
        out_arg,
        sizes(shape),
    );
    Some(out)
}

#[cube(launch)]
fn add_kernel(x: &Array<f32>, onto: &Array<f32>, out: &mut Array<f32>, of_image: usize, repeats: usize) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let shared = ABSOLUTE_POS / of_image / repeats * of_image + ABSOLUTE_POS % of_image;
    out[ABSOLUTE_POS] = x[ABSOLUTE_POS] + onto[shared];
}

/// `x` plus `onto`, an image of which is for several images of `x`.
pub(super) fn add_shared<R: CubeRuntime>(x: CubeTensor<R>, onto: CubeTensor<R>) -> CubeTensor<R> {
    let [x, onto] = [x, onto].map(channels_last);
    let [images, channels, height, width]: [usize; 4] = x.meta.shape().dims();
    let repeats = images / onto.meta.shape()[0];
    let out = empty_images(&x, [images, channels, height, width]);
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    add_kernel::launch::<R>(
        &x.client.clone(),
        cubes,
        size,
        x.into_array_arg(),
        onto.into_array_arg(),
        out.clone().into_array_arg(),
        channels * height * width,
        repeats,
    );
    out
}

#[cube(launch)]
fn sum_kernel(x: &Array<f32>, out: &mut Array<f32>, of_image: usize, repeats: usize) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let first = ABSOLUTE_POS / of_image * repeats * of_image + ABSOLUTE_POS % of_image;
    let mut sum = 0.0f32;
    for index in 0..repeats {
        sum += x[first + index * of_image];
    }
    out[ABSOLUTE_POS] = sum;
}

/// Sums of consecutive images: `[b, c, h, w]` to `[images, c, h, w]`.
pub(super) fn sum_shared<R: CubeRuntime>(x: CubeTensor<R>, images: usize) -> CubeTensor<R> {
    let x = channels_last(x);
    let [batch, channels, height, width]: [usize; 4] = x.meta.shape().dims();
    let out = empty_images(&x, [images, channels, height, width]);
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    let (client, of_image) = (x.client.clone(), channels * height * width);
    let out_arg = out.clone().into_array_arg();
    sum_kernel::launch::<R>(&client, cubes, size, x.into_array_arg(), out_arg, of_image, batch / images);
    out
}
