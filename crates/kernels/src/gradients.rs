//! Gradients of convolutions with Burn's operations, for a GPU.
//!
//! An input gradient is a convolution with the kernel rotated by 180°. A weight gradient is a small matrix of
//! long sums. As a single product it would leave most of a GPU idle. The image is therefore cut into parts,
//! each part is a separate product, and the products are summed. Convolutions without groups have kernels of their own
//! (`gpu/convolution.rs`).

use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Slice, Tensor};

/// Smallest number of pixels per part; with fewer, writing the products costs more than computing them.
const PIXELS: usize = 512;
/// Largest total number of values in the products: 64 MiB.
const VALUES: usize = 1 << 24;

/// Gradient of the convolution of `x` `[b, in, h, w]` with respect to its weight; `weight` is the shape of
/// the weight.
pub fn weight_gradient<B: Backend>(
    x: Tensor<B, 4>,
    weight: [usize; 4],
    out_gradient: Tensor<B, 4>,
    options: &ConvOptions<2>,
) -> Tensor<B, 4> {
    let [images, _, _, _] = x.dims();
    let [_, _, height, width] = out_gradient.dims();
    let [out_channels, in_of_group, kernel_height, kernel_width] = weight;
    let groups = options.groups;
    let (out_of_group, of_kernel) = (out_channels / groups, kernel_height * kernel_width);
    let sets = images * groups;
    let rows = rows_of_part(height, width, sets * out_of_group * in_of_group * of_kernel);
    let (parts, pixels) = (height / rows, rows * width);

    let [top, left] = options.padding;
    let x = match [top, left] {
        [0, 0] => x,
        _ => x.pad((left, left, top, top), PadMode::Constant(0.0)),
    };
    // Input pixels that are multiplied with one kernel value.
    let met = |axis: usize, at: usize, count: usize| {
        let (first, step) = (at * options.dilation[axis], options.stride[axis]);
        Slice::new(first as isize, Some((first + (count - 1) * step + 1) as isize), step as isize)
    };
    let mut columns = Vec::with_capacity(of_kernel);
    for at in 0..of_kernel {
        let values = x
            .clone()
            .slice_dim(2, met(0, at / kernel_width, height))
            .slice_dim(3, met(1, at % kernel_width, width))
            .reshape([sets, in_of_group, parts, pixels])
            .swap_dims(1, 2);
        columns.push(values.unsqueeze_dim::<5>(3));
    }
    let columns = Tensor::cat(columns, 3).reshape([sets, parts, in_of_group * of_kernel, pixels]);
    let gradients = out_gradient.reshape([sets, out_of_group, parts, pixels]).swap_dims(1, 2);
    let columns = columns.transpose();
    // CubeCL's matrix product refuses the strides of a single pixel.
    let products = if pixels == 1 { gradients * columns } else { gradients.matmul(columns) };
    let values = groups * out_of_group * in_of_group * of_kernel;
    products.sum_dim(1).reshape([images, values]).sum_dim(0).reshape(weight)
}

/// Options of the convolution of `out_gradient` with the turned kernel that is the input gradient of a convolution
/// with a kernel of this height and width. `None` for strides other than one, for groups, or if the padding extends
/// beyond the kernel.
pub fn input_gradient_options(
    [height, width]: [usize; 2],
    options: &ConvOptions<2>,
) -> Option<ConvOptions<2>> {
    if options.stride != [1, 1] || options.groups != 1 {
        return None;
    }
    let left =
        |axis: usize, size: usize| (options.dilation[axis] * (size - 1)).checked_sub(options.padding[axis]);
    let padding = [left(0, height)?, left(1, width)?];
    Some(ConvOptions::new([1, 1], padding, options.dilation, 1))
}

/// Number of rows per part of an image. `values` is the number of values in the products of all images for
/// one part.
fn rows_of_part(height: usize, width: usize, values: usize) -> usize {
    let fits = |rows: usize| {
        height.is_multiple_of(rows) && rows * width >= PIXELS && values * (height / rows) <= VALUES
    };
    (1..height).find(|&rows| fits(rows)).unwrap_or(height)
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use burn::tensor::ops::ModuleOps;
    use burn::tensor::{TensorData, module};

    use super::*;
    use crate::fallback::{primitive, tensor};
    use crate::reference::{assert_close, noise};

    fn same(found: Tensor<Flex, 4>, expected: Tensor<Flex, 4>) {
        assert_eq!(found.dims(), expected.dims());
        let expected: Vec<f64> = expected.into_data().iter::<f64>().collect();
        assert_close(&found.into_data().to_vec().unwrap(), &expected, 3e-5);
    }

    #[test]
    fn convolutions_and_products_are_the_gradients() {
        for (input, out, kernel, stride, padding, dilation, groups) in [
            ([2, 3, 9, 7], [5, 9, 7], [3, 3], [1, 1], [1, 1], [1, 1], 1),
            ([1, 1, 5, 1], [1, 5, 1], [3, 3], [1, 1], [1, 1], [1, 1], 1),
            ([2, 4, 24, 70], [8, 24, 70], [3, 3], [1, 1], [1, 1], [1, 1], 1), // three parts
            ([1, 8, 6, 10], [12, 6, 10], [1, 1], [1, 1], [0, 0], [1, 1], 1),
            ([2, 4, 11, 13], [6, 6, 7], [3, 3], [2, 2], [1, 1], [1, 1], 1),
            ([1, 3, 20, 22], [4, 10, 11], [7, 7], [2, 2], [3, 3], [1, 1], 1),
            ([2, 3, 8, 12], [4, 4, 6], [2, 2], [2, 2], [0, 0], [1, 1], 1),
            ([1, 3, 12, 12], [4, 12, 12], [3, 3], [1, 1], [2, 2], [2, 2], 1),
            ([2, 4, 24, 70], [6, 24, 70], [3, 3], [1, 1], [1, 1], [1, 1], 2),
            ([2, 4, 9, 8], [4, 5, 4], [5, 5], [2, 2], [2, 2], [1, 1], 4),
        ] {
            let options = ConvOptions::new(stride, padding, dilation, groups);
            let random = |shape: [usize; 4]| {
                let values = noise(shape[2] as u64, shape.iter().product());
                Tensor::<Flex, 4>::from_data(TensorData::new(values, shape), &Default::default())
            };
            let weight = [out[0], input[1] / groups, kernel[0], kernel[1]];
            let (x, gradient) = (random(input), random([input[0], out[0], out[1], out[2]]));
            let found = weight_gradient(x.clone(), weight, gradient.clone(), &options);
            let weight = random(weight);
            if let Some(own) = input_gradient_options(kernel, &options) {
                let turned = weight.clone().flip([2, 3]).swap_dims(0, 1);
                let found = module::conv2d(gradient.clone(), turned, None, own);
                let [x, weight, gradient] = [&x, &weight, &gradient].map(|of| primitive(of.clone()));
                let expected = Flex::conv2d_x_backward(x, weight, gradient, options.clone());
                same(found, tensor(expected));
            }
            let [x, weight, gradient] = [x, weight, gradient].map(primitive);
            same(found, tensor(Flex::conv2d_weight_backward(x, weight, gradient, options)));
        }
    }
}
