//! Transposed convolution with a kernel size equal to its stride.
//!
//! The output blocks do not overlap: each input pixel becomes a block of `stride` pixels. The operation is
//! therefore a 1x1 convolution with one output channel per channel and position in the block, followed by a
//! rearrangement.

use rayon::prelude::*;

use super::direct::{convolve, convolve_with};
use super::finish::Finish;
use super::shape::ConvShape;
use super::weight_gradient::weight_gradient;
use crate::memory::Buffer;
use crate::simd::Level;

/// The sizes of a transposed convolution with `kernel == stride`, no padding, no dilation, no groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransposedShape {
    pub batch: usize,
    pub in_channels: usize,
    pub in_size: [usize; 2],
    pub out_channels: usize,
    pub stride: [usize; 2],
}

impl TransposedShape {
    /// Number of positions in a block.
    fn places(&self) -> usize {
        self.stride[0] * self.stride[1]
    }

    pub fn out_size(&self) -> [usize; 2] {
        [self.in_size[0] * self.stride[0], self.in_size[1] * self.stride[1]]
    }

    pub fn in_len(&self) -> usize {
        self.batch * self.in_channels * self.in_size[0] * self.in_size[1]
    }

    pub fn out_len(&self) -> usize {
        self.batch * self.out_channels * self.places() * self.in_size[0] * self.in_size[1]
    }

    pub fn weight_len(&self) -> usize {
        self.in_channels * self.out_channels * self.places()
    }

    fn pointwise(&self, in_channels: usize, out_channels: usize) -> ConvShape {
        ConvShape {
            batch: self.batch,
            in_channels,
            in_size: self.in_size,
            out_channels,
            out_size: self.in_size,
            kernel: [1, 1],
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
        }
    }

    /// The convolution from `(out, place)` channels back to the input channels.
    fn backward(&self) -> ConvShape {
        self.pointwise(self.out_channels * self.places(), self.in_channels)
    }
}

/// Convolves `x` `[batch, in, h, w]` with `weight` `[in, out, kh, kw]` into `out` `[batch, out, h kh, w kw]`.
pub(crate) fn convolve_transposed(
    level: Level,
    shape: &TransposedShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    assert_eq!(weight.len(), shape.weight_len());
    let places = shape.places();
    let channels = shape.out_channels * places;
    let pointwise = shape.pointwise(shape.in_channels, channels);
    let bias: Option<Vec<f32>> =
        bias.map(|bias| bias.iter().flat_map(|&b| std::iter::repeat_n(b, places)).collect());
    let weight = |out, input, _| weight[input * channels + out];
    let mut apart = Buffer::uninitialised(shape.out_len());
    convolve_with(level, &pointwise, x, weight, bias.as_deref(), Finish::default(), &mut apart);
    join_places(shape, &apart, out);
}

/// Gradients with respect to the input and (second slice) the weight; each is computed only if requested.
pub(crate) fn convolve_transposed_gradients(
    level: Level,
    shape: &TransposedShape,
    x: &[f32],
    weight: &[f32],
    out_gradient: &[f32],
    x_gradient: Option<&mut [f32]>,
    gradient: Option<&mut [f32]>,
) {
    let mut apart = Buffer::uninitialised(shape.out_len());
    separate_places(shape, out_gradient, &mut apart);
    let backward = shape.backward();
    if let Some(x_gradient) = x_gradient {
        convolve(level, &backward, &apart, weight, None, Finish::default(), x_gradient);
    }
    if let Some(gradient) = gradient {
        weight_gradient(level, &backward, &apart, x, gradient);
    }
}

/// `[batch, out, place, h, w]` to `[batch, out, h kh, w kw]`.
fn join_places(shape: &TransposedShape, apart: &[f32], out: &mut [f32]) {
    let [height, width] = shape.in_size;
    let [down, across] = shape.stride;
    let plane = height * width * shape.places();
    if plane == 0 {
        return;
    }
    out.par_chunks_mut(plane).zip(apart.par_chunks(plane)).for_each(|(out, apart)| {
        for (index, row) in out.chunks_exact_mut(width * across).enumerate() {
            let (y, place) = (index / down, index % down * across);
            let from = |x: usize| &apart[((place + x) * height + y) * width..][..width];
            if across == 2 {
                for ((pair, &left), &right) in row.as_chunks_mut::<2>().0.iter_mut().zip(from(0)).zip(from(1))
                {
                    *pair = [left, right];
                }
            } else {
                for x in 0..across {
                    for (to, &value) in row[x..].iter_mut().step_by(across).zip(from(x)) {
                        *to = value;
                    }
                }
            }
        }
    });
}

/// `[batch, out, h kh, w kw]` to `[batch, out, place, h, w]`.
fn separate_places(shape: &TransposedShape, joined: &[f32], apart: &mut [f32]) {
    let [height, width] = shape.in_size;
    let [down, across] = shape.stride;
    let plane = height * width * shape.places();
    if plane == 0 {
        return;
    }
    apart.par_chunks_mut(plane).zip(joined.par_chunks(plane)).for_each(|(apart, joined)| {
        for (index, row) in apart.chunks_exact_mut(width).enumerate() {
            let (place, y) = (index / height, index % height);
            let from = &joined[(y * down + place / across) * width * across..][..width * across];
            if across == 2 {
                for (to, pair) in row.iter_mut().zip(from.as_chunks::<2>().0) {
                    *to = pair[place % 2];
                }
            } else {
                for (to, &value) in row.iter_mut().zip(from[place % across..].iter().step_by(across)) {
                    *to = value;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Sums, assert_sums, noise, tolerance};
    use proptest::prelude::*;

    /// Calls `visit(input, weight, output)` for every product.
    fn products(shape: &TransposedShape, mut visit: impl FnMut(usize, usize, usize)) {
        let [height, width] = shape.in_size;
        let [down, across] = shape.stride;
        for image in 0..shape.batch {
            for input in 0..shape.in_channels {
                for out in 0..shape.out_channels {
                    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                        for (ky, kx) in (0..down).flat_map(|ky| (0..across).map(move |kx| (ky, kx))) {
                            visit(
                                ((image * shape.in_channels + input) * height + y) * width + x,
                                ((input * shape.out_channels + out) * down + ky) * across + kx,
                                ((image * shape.out_channels + out) * height * down + y * down + ky)
                                    * width
                                    * across
                                    + x * across
                                    + kx,
                            );
                        }
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn transposed_convolution_and_gradients_equal_the_definition(
            batch in 1usize..3, in_channels in 1usize..20, height in 1usize..9, width in 1usize..20,
            out_channels in 1usize..12, stride in prop_oneof![Just([2, 2]), [1usize..4, 1usize..4]], seed in 1u64..99,
        ) {
            let shape = TransposedShape { batch, in_channels, in_size: [height, width], out_channels, stride };
            let x = noise(seed, shape.in_len());
            let weight = noise(seed + 1, shape.weight_len());
            let bias = noise(seed + 2, out_channels);
            let out_gradient = noise(seed + 3, shape.out_len());
            let plane = shape.out_len() / batch / out_channels;
            let bias_of = |i: usize| bias[i / plane % out_channels] as f64;
            let expected = Sums::of((0..shape.out_len()).map(bias_of).collect(), |add| {
                products(&shape, |i, w, o| add(o, x[i] as f64 * weight[w] as f64));
            });
            let expected_x = Sums::of(vec![0.0; shape.in_len()], |add| {
                products(&shape, |i, w, o| add(i, weight[w] as f64 * out_gradient[o] as f64));
            });
            let expected_weight = Sums::of(vec![0.0; shape.weight_len()], |add| {
                products(&shape, |i, w, o| add(w, x[i] as f64 * out_gradient[o] as f64));
            });
            for level in Level::available() {
                let mut out = vec![f32::NAN; shape.out_len()];
                convolve_transposed(level, &shape, &x, &weight, Some(&bias), &mut out);
                assert_sums(&out, &expected, tolerance(level, 5e-7));
                let mut x_gradient = vec![f32::NAN; shape.in_len()];
                let mut gradient = vec![f32::NAN; shape.weight_len()];
                convolve_transposed_gradients(
                    level, &shape, &x, &weight, &out_gradient, Some(&mut x_gradient), Some(&mut gradient),
                );
                assert_sums(&x_gradient, &expected_x, tolerance(level, 5e-7));
                assert_sums(&gradient, &expected_weight, tolerance(level, 5e-7));
            }
        }
    }
}
