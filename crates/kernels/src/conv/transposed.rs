//! Transposed convolution with a kernel size equal to its stride.
//!
//! The output blocks do not overlap: each input pixel becomes a block of `stride` pixels. The operation is
//! therefore a 1x1 convolution with one output channel per channel and position in the block, followed by a
//! rearrangement, while the tile is in the cache.

use rayon::prelude::*;

use super::direct::{
    PackedWeights, Tile, convolve, convolve_with, in_tiles, task_split, tile_rows_within, with_packed,
};
use super::finish::Finish;
use super::images::{Images, ImagesMut};
use super::panel::Panel;
use super::shape::ConvShape;
use super::tile::BLOCK;
use super::weight_gradient::weight_gradient;
use crate::memory::{Buffer, with_scratch};
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Bytes of a tile's input and output.
const TILE_BYTES: usize = 640 * 1024;

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
    if !in_tiles(level, &pointwise) && BLOCK.is_multiple_of(places) {
        let weights = PackedWeights::new([channels, shape.in_channels, 1], weight, bias.as_deref());
        return convolve_tiles(level, shape, &pointwise, x, &weights, out);
    }
    let mut apart = Buffer::uninitialised(shape.out_len());
    let to = ImagesMut::whole(&mut apart);
    convolve_with(level, &pointwise, Images::whole(x), weight, bias.as_deref(), Finish::default(), to);
    join_places(level, shape, &apart, out);
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
    separate_places(level, shape, out_gradient, &mut apart);
    let backward = shape.backward();
    if let Some(x_gradient) = x_gradient {
        let (from, to) = (Images::whole(&apart), ImagesMut::whole(x_gradient));
        convolve(level, &backward, from, weight, None, Finish::default(), to);
    }
    if let Some(gradient) = gradient {
        weight_gradient(level, &backward, Images::whole(&apart), x, gradient);
    }
}

/// Convolves row tiles and rearranges each right away.
fn convolve_tiles(
    level: Level,
    shape: &TransposedShape,
    pointwise: &ConvShape,
    x: &[f32],
    weights: &PackedWeights,
    out: &mut [f32],
) {
    if out.is_empty() {
        return;
    }
    let [height, width] = shape.in_size;
    let (channels, places) = (pointwise.out_channels, shape.places());
    let bytes = |rows: usize| {
        (Panel::new(pointwise, rows).len(shape.in_channels) + channels * rows * width) * size_of::<f32>()
    };
    let panel = Panel::new(pointwise, tile_rows_within(pointwise, 8, bytes, TILE_BYTES));
    let tiles = height.div_ceil(panel.rows);
    let blocks = channels.div_ceil(BLOCK);
    let (parts, part) = task_split(shape.batch * tiles, blocks, 4);
    let out = Shared::new(out);
    (0..shape.batch * tiles).into_par_iter().for_each(|tile| {
        let (image, first_row) = (tile / tiles, tile % tiles * panel.rows);
        let rows = panel.rows.min(height - first_row);
        let from = Images::whole(x).image(image, [shape.in_channels, pointwise.in_plane()]);
        with_packed(level, &panel, from, shape.in_channels, first_row..first_row + rows, |packed| {
            (0..parts).into_par_iter().for_each(|index| {
                let blocks = (index * part).min(blocks)..((index + 1) * part).min(blocks);
                with_scratch(channels * rows * width, |apart| {
                    level.run(Tile {
                        shape: pointwise,
                        panel: &panel,
                        packed,
                        weights,
                        finish: Finish::default().of_image(
                            image,
                            shape.batch,
                            [channels, pointwise.out_plane()],
                        ),
                        out: ImagesMut::whole(apart).image(0, [channels, rows * width]),
                        first_pixel: 0,
                        rows,
                        blocks: blocks.clone(),
                    });
                    let tile = places * rows * width;
                    for channel in blocks.start * BLOCK / places..(blocks.end * BLOCK).min(channels) / places
                    {
                        let plane = (image * shape.out_channels + channel) * places * pointwise.out_plane();
                        // SAFETY: each task has its own rows and channels.
                        let out = unsafe { out.slice(plane + first_row * width * places, tile) };
                        let apart = &apart[channel * tile..][..tile];
                        level.run(JoinPlaces { stride: shape.stride, size: [rows, width], apart, out });
                    }
                });
            });
        });
    });
}

/// `[batch, out, place, h, w]` to `[batch, out, h kh, w kw]`.
fn join_places(level: Level, shape: &TransposedShape, apart: &[f32], out: &mut [f32]) {
    let plane = shape.in_size[0] * shape.in_size[1] * shape.places();
    if plane == 0 {
        return;
    }
    out.par_chunks_mut(plane).zip(apart.par_chunks(plane)).for_each(|(out, apart)| {
        level.run(JoinPlaces { stride: shape.stride, size: shape.in_size, apart, out });
    });
}

/// `[place, h, w]` to `[h kh, w kw]`.
struct JoinPlaces<'a> {
    stride: [usize; 2],
    size: [usize; 2],
    apart: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for JoinPlaces<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { stride: [down, across], size: [height, width], apart, out } = self;
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
    }
}

/// `[batch, out, h kh, w kw]` to `[batch, out, place, h, w]`.
fn separate_places(level: Level, shape: &TransposedShape, joined: &[f32], apart: &mut [f32]) {
    let plane = shape.in_size[0] * shape.in_size[1] * shape.places();
    if plane == 0 {
        return;
    }
    apart.par_chunks_mut(plane).zip(joined.par_chunks(plane)).for_each(|(apart, joined)| {
        level.run(SeparatePlaces { stride: shape.stride, size: shape.in_size, joined, apart });
    });
}

/// `[h kh, w kw]` to `[place, h, w]`.
struct SeparatePlaces<'a> {
    stride: [usize; 2],
    size: [usize; 2],
    joined: &'a [f32],
    apart: &'a mut [f32],
}

impl Kernel for SeparatePlaces<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { stride: [down, across], size: [height, width], joined, apart } = self;
        for (index, row) in apart.chunks_exact_mut(width).enumerate() {
            let (place, y) = (index / height, index % height);
            let from = &joined[(y * down + place / across) * width * across..][..width * across];
            if across == 2 {
                let pairs = row.iter_mut().zip(from.as_chunks::<2>().0);
                match place % 2 {
                    0 => pairs.for_each(|(to, pair)| *to = pair[0]),
                    _ => pairs.for_each(|(to, pair)| *to = pair[1]),
                }
            } else {
                for (to, &value) in row.iter_mut().zip(from[place % across..].iter().step_by(across)) {
                    *to = value;
                }
            }
        }
    }
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
