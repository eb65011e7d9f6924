//! Buffers, their layout, and the sizes of launches.
//!
//! Images lie in memory with the channels of a pixel next to each other, as Burn's convolutions read and write them.
//! Every kernel here does the same, so that nothing is copied between them.

use burn::tensor::Shape;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

/// Units of a cube that works together: [`ROWS`] for each of [`LANES`] channels.
pub(super) const UNITS: usize = LANES * ROWS;
/// Neighbouring channels that a cube works on.
pub(super) const LANES: usize = 16;
/// Units that share a channel.
pub(super) const ROWS: usize = 16;

/// A contiguous tensor on the device of `like` with any values.
pub(super) fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: impl Into<Shape>) -> CubeTensor<R> {
    let shape = shape.into();
    let handle = like.client.empty(shape.num_elements() * like.dtype.size());
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape, handle, like.dtype)
}

/// Images `[b, c, h, w]` with any values, channels last in memory.
pub(super) fn empty_images<R: CubeRuntime>(
    like: &CubeTensor<R>,
    [images, channels, height, width]: [usize; 4],
) -> CubeTensor<R> {
    permute_nhwc_to_nchw(empty(like, [images, height, width, channels]))
}

/// `x` `[b, c, h, w]` with the channels last in memory, copied only if necessary.
pub(super) fn channels_last<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    if has_channels_last(&x) {
        return x;
    }
    permute_nhwc_to_nchw(into_contiguous(permute_nchw_to_nhwc(x)))
}

fn has_channels_last<R: CubeRuntime>(x: &CubeTensor<R>) -> bool {
    let (shape, strides) = (x.meta.shape(), x.meta.strides());
    shape.num_dims() == 4 && is_dense([0, 2, 3, 1].map(|axis| (shape[axis], strides[axis])))
}

/// Whether axes of these lengths and strides follow each other without gaps; the stride of a single entry does not matter.
fn is_dense<const D: usize>(axes: [(usize, usize); D]) -> bool {
    let mut expected = 1;
    axes.into_iter().rev().all(|(length, stride)| {
        let fits = length == 1 || stride == expected;
        expected *= length;
        fits
    })
}

/// `tensor` in the order in memory of `like`, which is contiguous or has its channels last.
pub(super) fn in_order_of<R: CubeRuntime>(tensor: CubeTensor<R>, like: &CubeTensor<R>) -> CubeTensor<R> {
    if has_channels_last(like) { channels_last(tensor) } else { into_contiguous(tensor) }
}

/// `tensor` without gaps in memory: contiguous, or with its channels last.
pub(super) fn dense<R: CubeRuntime>(tensor: CubeTensor<R>) -> CubeTensor<R> {
    in_order_of(tensor.clone(), &tensor)
}

/// A tensor of the shape and order of `like` with any values.
pub(super) fn empty_like<R: CubeRuntime>(like: &CubeTensor<R>) -> CubeTensor<R> {
    let shape = like.meta.shape();
    if has_channels_last(like) { empty_images(like, shape.dims()) } else { empty(like, shape.clone()) }
}

/// Images with channels last as a matrix `[pixels, channels]`.
pub(super) fn rows<R: CubeRuntime>(images: CubeTensor<R>) -> CubeTensor<R> {
    let [count, channels, height, width]: [usize; 4] = images.meta.shape().dims();
    let CubeTensor { client, handle, device, dtype, .. } = channels_last(images);
    CubeTensor::new_contiguous(client, device, Shape::new([count * height * width, channels]), handle, dtype)
}

/// A matrix `[pixels, channels]` as images.
pub(super) fn images<R: CubeRuntime>(
    rows: CubeTensor<R>,
    [count, channels, height, width]: [usize; 4],
) -> CubeTensor<R> {
    let CubeTensor { client, handle, device, dtype, .. } = into_contiguous(rows);
    let shape = Shape::new([count, height, width, channels]);
    permute_nhwc_to_nchw(CubeTensor::new_contiguous(client, device, shape, handle, dtype))
}

/// Cubes and their size for one unit per value; there may be more units than values.
pub(super) fn one_unit_each<R: CubeRuntime>(like: &CubeTensor<R>, values: usize) -> (CubeCount, CubeDim) {
    let size = CubeDim::new(&like.client, values);
    (cubecl::calculate_cube_count_elemwise(&like.client, values, size), size)
}

/// Cubes of [`UNITS`] units, one per task; there may be more cubes than tasks.
pub(super) fn one_cube_each<R: CubeRuntime>(like: &CubeTensor<R>, tasks: usize) -> (CubeCount, CubeDim) {
    let size = CubeDim::new_1d(UNITS as u32);
    (cubecl::calculate_cube_count_elemwise(&like.client, tasks * UNITS, size), size)
}

/// Sum over the units of a lane; every unit gets that of its own.
#[cube]
pub(super) fn sum_of_lane(value: f32) -> f32 {
    let mut sums = SharedMemory::<f32>::new(comptime!(UNITS));
    let unit = UNIT_POS as usize;
    sums[unit] = value;
    sync_cube();
    let mut half = comptime!(UNITS / 2).runtime();
    while half >= comptime!(LANES) {
        if unit < half {
            sums[unit] = sums[unit] + sums[unit + half];
        }
        sync_cube();
        half /= 2;
    }
    let sum = sums[unit % LANES];
    sync_cube();
    sum
}
