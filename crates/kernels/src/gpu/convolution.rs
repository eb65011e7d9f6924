//! The gradients of convolutions, and transposed convolutions, as matrix products.
//!
//! A weight gradient is a small matrix of long sums. As a single product it would leave most of a GPU idle. The pixels are
//! therefore cut into parts, each part is a product of its own, and the products are summed.
#![allow(clippy::too_many_arguments, reason = "a kernel takes every buffer and size by itself")]

use std::ops::Range;

use burn::tensor::Shape;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::kernel::{into_contiguous, slice};
use burn_cubecl::ops::{permute, reshape};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::launch::{
    LANES, ROWS, channels_last, empty, empty_images, images, one_cube_each, one_unit_each, rows, sum_of_lane,
};
use super::many::mix;

/// Smallest number of pixels per part; with fewer, writing the products costs more than computing them.
const PIXELS: usize = 512;
/// Largest total number of values in the products: 64 MiB.
const VALUES: usize = 1 << 24;
/// Largest size of the inputs that each weight meets: larger batches are halved.
const BYTES: usize = 1 << 30;
/// Parts of a sum over all pixels.
const PARTS: usize = 128;

/// Product of two matrices, or of as many as there are parts.
fn product<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    let dtype = a.dtype;
    matmul(a, b, None, MatmulStrategy::Cube, dtype).expect("matrices that fit")
}

/// Sizes of a convolution of images with channels last.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    channels: usize,
    in_height: usize,
    in_width: usize,
    height: usize,
    width: usize,
    kernel_width: usize,
    stride_y: usize,
    stride_x: usize,
    padding_y: usize,
    padding_x: usize,
    dilation_y: usize,
    dilation_x: usize,
}

/// The inputs that each weight meets: row for each output pixel, column for each kernel value and channel.
#[cube(launch)]
fn columns_kernel(x: &Array<f32>, out: &mut Array<f32>, sizes: Sizes, taps: usize) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % sizes.channels;
    let tap = ABSOLUTE_POS / sizes.channels % taps;
    let pixel = ABSOLUTE_POS / sizes.channels / taps;
    let (line, column) = (pixel / sizes.width, pixel % sizes.width);
    // Counted from the edge of the padding.
    let y = line % sizes.height * sizes.stride_y + tap / sizes.kernel_width * sizes.dilation_y;
    let x_position = column * sizes.stride_x + tap % sizes.kernel_width * sizes.dilation_x;
    let image = line / sizes.height;
    let mut value = 0.0f32;
    if y >= sizes.padding_y
        && x_position >= sizes.padding_x
        && y < sizes.in_height + sizes.padding_y
        && x_position < sizes.in_width + sizes.padding_x
    {
        let line = image * sizes.in_height + y - sizes.padding_y;
        value = x[(line * sizes.in_width + x_position - sizes.padding_x) * sizes.channels + channel];
    }
    out[ABSOLUTE_POS] = value;
}

fn columns<R: CubeRuntime>(
    x: CubeTensor<R>,
    [kernel_height, kernel_width]: [usize; 2],
    [height, width]: [usize; 2],
    options: &ConvOptions<2>,
) -> CubeTensor<R> {
    let [count, channels, in_height, in_width]: [usize; 4] = x.meta.shape().dims();
    let x = rows(x);
    let is_same =
        [kernel_height, kernel_width] == [1, 1] && options.stride == [1, 1] && options.padding == [0, 0];
    if is_same {
        return x;
    }
    let taps = kernel_height * kernel_width;
    let out = empty(&x, [count * height * width, taps * channels]);
    let ConvOptions { stride, padding, dilation, .. } = options;
    let sizes = SizesLaunch::new(
        channels,
        in_height,
        in_width,
        height,
        width,
        kernel_width,
        stride[0],
        stride[1],
        padding[0],
        padding[1],
        dilation[0],
        dilation[1],
    );
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    let client = x.client.clone();
    columns_kernel::launch::<R>(
        &client,
        cubes,
        size,
        x.into_array_arg(),
        out.clone().into_array_arg(),
        sizes,
        taps,
    );
    out
}

/// Sums of each column over parts of the rows of a matrix: cube for each part and [`LANES`] columns.
#[cube(launch)]
fn column_sums_kernel(x: &Array<f32>, out: &mut Array<f32>, columns: usize, of_part: usize) {
    let tiles = columns.div_ceil(LANES);
    let part = CUBE_POS / tiles;
    if part * columns >= out.len() {
        terminate!();
    }
    let column = CUBE_POS % tiles * LANES + UNIT_POS as usize % LANES;
    let row = UNIT_POS as usize / LANES;
    let mut sum = 0.0f32;
    if column < columns {
        let mut at = part * of_part + row;
        let mut end = (part + 1) * of_part;
        if end > x.len() / columns {
            end = x.len() / columns;
        }
        while at < end {
            sum += x[at * columns + column];
            at += ROWS;
        }
    }
    let sum = sum_of_lane(sum);
    if column < columns && row == 0 {
        out[part * columns + column] = sum;
    }
}

/// Sums of the columns of `[rows, columns]` over parts of `of_part` rows: `[parts, columns]`.
fn column_sums<R: CubeRuntime>(x: CubeTensor<R>, of_part: usize) -> CubeTensor<R> {
    let [count, columns]: [usize; 2] = x.meta.shape().dims();
    let parts = count.div_ceil(of_part);
    let out = empty(&x, [parts, columns]);
    let (cubes, size) = one_cube_each(&x, parts * columns.div_ceil(LANES));
    let client = x.client.clone();
    let out_arg = out.clone().into_array_arg();
    let x = into_contiguous(x).into_array_arg();
    column_sums_kernel::launch::<R>(&client, cubes, size, x, out_arg, columns, of_part);
    out
}

/// Gradient of a convolution with respect to its bias: the sum over all axes except the channels.
pub(super) fn bias_gradient<R: CubeRuntime>(out_gradient: CubeTensor<R>) -> CubeTensor<R> {
    let gradient = rows(out_gradient);
    let [count, channels]: [usize; 2] = gradient.meta.shape().dims();
    let of_part = count.div_ceil(PARTS).max(ROWS);
    let sums = column_sums(gradient, of_part);
    let parts = sums.meta.shape()[0];
    reshape(column_sums(sums, parts), Shape::new([channels]))
}

/// aᵀ b of matrices with the same large number of rows.
fn long_product<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    let [count, m]: [usize; 2] = a.meta.shape().dims();
    let [_, n]: [usize; 2] = b.meta.shape().dims();
    let most = (count / PIXELS).min(VALUES / (m * n)).max(1);
    let parts = (1..=most).rev().find(|&parts| count.is_multiple_of(parts)).unwrap_or(1);
    let cut = |of: CubeTensor<R>, columns| reshape(of, Shape::new([parts, count / parts, columns]));
    let products = product(permute(cut(a, m), &[0, 2, 1]), cut(b, n));
    let sums =
        if parts == 1 { products } else { column_sums(reshape(products, Shape::new([parts, m * n])), parts) };
    reshape(sums, Shape::new([m, n]))
}

/// Consecutive images.
fn some_images<R: CubeRuntime>(x: CubeTensor<R>, images: Range<usize>) -> CubeTensor<R> {
    let x = channels_last(x);
    let [_, channels, height, width]: [usize; 4] = x.meta.shape().dims();
    slice(x, &[images, 0..channels, 0..height, 0..width])
}

/// Gradient of the convolution of `x` without groups with respect to its weight; `weight` is the shape of the weight. The
/// channels are last in memory.
pub(super) fn weight_gradient<R: CubeRuntime>(
    x: CubeTensor<R>,
    weight: [usize; 4],
    out_gradient: CubeTensor<R>,
    options: &ConvOptions<2>,
) -> CubeTensor<R> {
    let [count, _, height, width]: [usize; 4] = out_gradient.meta.shape().dims();
    let of_image = weight[1..].iter().product::<usize>() * height * width * x.dtype.size();
    let most = BYTES.min(x.client.properties().memory.max_page_size as usize) / of_image;
    if count > most && count > 1 {
        let halves = [0..count / 2, count / 2..count].map(|images| {
            let [x, gradient] = [&x, &out_gradient].map(|of| some_images(of.clone(), images.clone()));
            weight_gradient(x, weight, gradient, options)
        });
        return mix(vec![halves], [1.0, 1.0]).remove(0);
    }
    let columns = columns(x, [weight[2], weight[3]], [height, width], options);
    // Row for each output channel, column for each kernel value and input channel.
    images(long_product(rows(out_gradient), columns), weight)
}

#[cube(launch)]
fn turn_kernel(
    weight: &Tensor<f32>,
    out: &mut Array<f32>,
    out_channels: usize,
    kernel_height: usize,
    kernel_width: usize,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % out_channels;
    let tap = ABSOLUTE_POS / out_channels;
    let (column, line) = (tap % kernel_width, tap / kernel_width);
    let (row, in_channel) = (line % kernel_height, line / kernel_height);
    let at = channel * weight.stride(0)
        + in_channel * weight.stride(1)
        + (kernel_height - 1 - row) * weight.stride(2)
        + (kernel_width - 1 - column) * weight.stride(3);
    out[ABSOLUTE_POS] = weight[at];
}

/// The convolution of the output's gradient that is the input gradient of a convolution with `weight`: its weight, turned by
/// 180° with the channels swapped, and its options. `None` for strides other than one, for groups, or if the padding extends
/// beyond the kernel.
pub(super) fn input_gradient<R: CubeRuntime>(
    weight: &CubeTensor<R>,
    options: &ConvOptions<2>,
) -> Option<(CubeTensor<R>, ConvOptions<2>)> {
    let [out_channels, in_channels, height, width]: [usize; 4] = weight.meta.shape().dims();
    let own = crate::gradients::input_gradient_options([height, width], options)?;
    let turned = empty_images(weight, [in_channels, out_channels, height, width]);
    let (cubes, size) = one_unit_each(weight, turned.meta.num_elements());
    turn_kernel::launch::<R>(
        &weight.client,
        cubes,
        size,
        weight.clone().into_tensor_arg(),
        turned.clone().into_array_arg(),
        out_channels,
        height,
        width,
    );
    Some((turned, own))
}

/// Whether the blocks that a transposed convolution writes tile the image.
pub(super) fn is_tiling(weight: [usize; 4], options: &ConvTransposeOptions<2>) -> bool {
    let [_, _, height, width] = weight;
    options.groups == 1
        && options.stride == [height, width]
        && options.padding == [0, 0]
        && options.padding_out == [0, 0]
        && options.dilation == [1, 1]
}

/// Sizes of a transposed convolution whose blocks tile the image, with `in_width` input pixels in a line.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Blocks {
    channels: usize,
    in_width: usize,
    kernel_height: usize,
    kernel_width: usize,
}

/// Index in the matrix of the products, row for each input pixel, of the value `at` of the image.
#[cube]
fn product_of(at: usize, sizes: &Blocks) -> usize {
    let channel = at % sizes.channels;
    let pixel = at / sizes.channels;
    let width = sizes.in_width * sizes.kernel_width;
    let (line, column) = (pixel / width, pixel % width);
    let in_pixel = line / sizes.kernel_height * sizes.in_width + column / sizes.kernel_width;
    let tap = line % sizes.kernel_height * sizes.kernel_width + column % sizes.kernel_width;
    (in_pixel * sizes.channels + channel) * sizes.kernel_height * sizes.kernel_width + tap
}

/// Image from the products.
#[cube(launch)]
fn spread_kernel(
    products: &Array<f32>,
    bias: &Array<f32>,
    out: &mut Array<f32>,
    sizes: Blocks,
    #[comptime] has_bias: bool,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let mut value = products[product_of(ABSOLUTE_POS, &sizes)];
    if comptime!(has_bias) {
        value += bias[ABSOLUTE_POS % sizes.channels];
    }
    out[ABSOLUTE_POS] = value;
}

/// Products from the image.
#[cube(launch)]
fn collect_kernel(image: &Array<f32>, out: &mut Array<f32>, sizes: Blocks) {
    if ABSOLUTE_POS >= image.len() {
        terminate!();
    }
    out[product_of(ABSOLUTE_POS, &sizes)] = image[ABSOLUTE_POS];
}

fn blocks<R: CubeRuntime>([_, channels, height, width]: [usize; 4], in_width: usize) -> BlocksLaunch<R> {
    BlocksLaunch::new(channels, in_width, height, width)
}

/// A weight `[in, out, kh, kw]` as a matrix `[in, out · kh · kw]`.
fn flat<R: CubeRuntime>(weight: CubeTensor<R>) -> CubeTensor<R> {
    let [in_channels, channels, height, width]: [usize; 4] = weight.meta.shape().dims();
    reshape(into_contiguous(weight), Shape::new([in_channels, channels * height * width]))
}

/// Transposed convolution whose blocks tile the image.
pub(super) fn transposed<R: CubeRuntime>(
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    bias: Option<CubeTensor<R>>,
) -> CubeTensor<R> {
    let [count, _, in_height, in_width]: [usize; 4] = x.meta.shape().dims();
    let of_weight: [usize; 4] = weight.meta.shape().dims();
    let [_, channels, height, width] = of_weight;
    let products = product(rows(x), flat(weight));
    let out = empty_images(&products, [count, channels, in_height * height, in_width * width]);
    let (cubes, size) = one_unit_each(&out, out.meta.num_elements());
    let has_bias = bias.is_some();
    spread_kernel::launch::<R>(
        &out.client,
        cubes,
        size,
        into_contiguous(products.clone()).into_array_arg(),
        bias.map_or(products, into_contiguous).into_array_arg(),
        out.clone().into_array_arg(),
        blocks(of_weight, in_width),
        has_bias,
    );
    out
}

/// Gradients of [`transposed`] with respect to `x` and the weight, each only if wanted.
pub(super) fn transposed_gradients<R: CubeRuntime>(
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    out_gradient: CubeTensor<R>,
    wanted: [bool; 2],
) -> [Option<CubeTensor<R>>; 2] {
    let of_x: [usize; 4] = x.meta.shape().dims();
    let of_weight: [usize; 4] = weight.meta.shape().dims();
    let [_, channels, height, width] = of_weight;
    let gradient = rows(out_gradient);
    let collected = empty(&gradient, [of_x[0] * of_x[2] * of_x[3], channels * height * width]);
    let (cubes, size) = one_unit_each(&gradient, gradient.meta.num_elements());
    collect_kernel::launch::<R>(
        &gradient.client.clone(),
        cubes,
        size,
        gradient.into_array_arg(),
        collected.clone().into_array_arg(),
        blocks(of_weight, of_x[3]),
    );
    let for_x = wanted[0].then(|| images(product(collected.clone(), permute(flat(weight), &[1, 0])), of_x));
    let for_weight = wanted[1].then(|| reshape(long_product(rows(x), collected), Shape::new(of_weight)));
    [for_x, for_weight]
}
