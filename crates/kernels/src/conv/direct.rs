//! Convolution by direct summation over the taps.

use std::ops::Range;

use rayon::prelude::*;

use super::finish::{Finish, ImageFinish};
use super::images::{Image, ImageMut, Images, ImagesMut};
use super::matrix;
use super::panel::{Panel, Vector};
use super::shape::ConvShape;
use super::tile::{BLOCK, InTiles, Terms};
use super::winograd::{self, Direction};
use crate::memory::{Buffer, with_scratch};
use crate::simd::{Kernel, Level, Simd};

/// Bytes of a panel: part of the second-level cache, with room left for weights and output.
const PANEL_BYTES: usize = 384 * 1024;
/// Approximate number of tasks, enough for any usual number of threads. It is constant so that the result is
/// deterministic: the split of the work must not depend on the number of threads.
const TASKS: usize = 16;

/// Weights as `[out / 8][in][tap][8]`, the order in which the register tile reads them.
pub(super) struct PackedWeights {
    values: Buffer,
    bias: Vec<f32>,
}

impl PackedWeights {
    /// Packs `weight(out, in, tap)` and the bias, if any; the last block is padded with zeros.
    pub fn new(
        [out_channels, in_channels, taps]: [usize; 3],
        weight: impl Fn(usize, usize, usize) -> f32 + Sync,
        bias: Option<&[f32]>,
    ) -> Self {
        let blocks = out_channels.div_ceil(BLOCK);
        let mut values = Buffer::uninitialised(blocks * in_channels * taps * BLOCK);
        if !values.is_empty() {
            values.par_chunks_mut(in_channels * taps * BLOCK).enumerate().for_each(|(block, values)| {
                let (rows, _) = values.as_chunks_mut::<BLOCK>();
                for lane in 0..BLOCK {
                    let out = block * BLOCK + lane;
                    for (input, rows) in rows.chunks_exact_mut(taps).enumerate() {
                        for (tap, values) in rows.iter_mut().enumerate() {
                            values[lane] = if out < out_channels { weight(out, input, tap) } else { 0.0 };
                        }
                    }
                }
            });
        }
        let mut padded_bias = vec![0.0; blocks * BLOCK];
        if let Some(bias) = bias {
            padded_bias[..out_channels].copy_from_slice(bias);
        }
        Self { values, bias: padded_bias }
    }
}

/// Convolves `x` `[batch, in, h, w]` with `weight` `[out, in, kh, kw]` into `out` `[batch, out, oh, ow]`.
pub(crate) fn convolve(
    level: Level,
    shape: &ConvShape,
    x: Images,
    weight: &[f32],
    bias: Option<&[f32]>,
    finish: Finish,
    out: ImagesMut,
) {
    if !in_tiles(level, shape) && winograd::is_suitable(shape) {
        return winograd::convolve(level, shape, Direction::Forward, x, weight, bias, finish, out);
    }
    assert_eq!(weight.len(), shape.weight_len());
    let (channels, taps) = (shape.in_channels, shape.taps());
    let weight = |out, input, tap| weight[(out * channels + input) * taps + tap];
    convolve_with(level, shape, x, weight, bias, finish, out);
}

/// Whether a convolution uses the matrix registers.
pub(super) fn in_tiles(level: Level, shape: &ConvShape) -> bool {
    level == Level::Amx && matrix::is_suitable(shape)
}

/// Convolves `x` with `weight(out, in, tap)` into `out`.
pub(crate) fn convolve_with(
    level: Level,
    shape: &ConvShape,
    x: Images,
    weight: impl Fn(usize, usize, usize) -> f32 + Sync,
    bias: Option<&[f32]>,
    finish: Finish,
    out: ImagesMut,
) {
    if in_tiles(level, shape) {
        return matrix::convolve(shape, x, weight, bias, finish, out);
    }
    let sizes = [shape.out_channels, shape.in_channels, shape.taps()];
    convolve_packed(level, shape, x, &PackedWeights::new(sizes, weight, bias), finish, out);
}

/// Gradient with respect to the input of the convolution `shape`. `backward` is the
/// [`input_gradient`](ConvShape::input_gradient) of its [dense](ConvShape::dense) form.
pub(crate) fn convolve_input_gradient(
    level: Level,
    shape: &ConvShape,
    backward: &ConvShape,
    out_gradient: &[f32],
    weight: &[f32],
    x_gradient: ImagesMut,
) {
    assert_eq!(weight.len(), backward.weight_len());
    if let Some(parts) = StridedPart::all(shape) {
        return strided_input_gradient(level, shape, &parts, out_gradient, weight, x_gradient);
    }
    let spread = (shape.stride != [1, 1]).then(|| spread(shape, out_gradient));
    let out_gradient = Images::whole(spread.as_deref().unwrap_or(out_gradient));
    let finish = Finish::default();
    if !in_tiles(level, backward) && winograd::is_suitable(backward) {
        let direction = Direction::Backward;
        return winograd::convolve(
            level,
            backward,
            direction,
            out_gradient,
            weight,
            None,
            finish,
            x_gradient,
        );
    }
    let (channels, taps) = (backward.out_channels, backward.taps());
    let weight = |input, out, tap| weight[(out * channels + input) * taps + taps - 1 - tap];
    convolve_with(level, backward, out_gradient, weight, None, finish, x_gradient);
}

/// Input pixels with the same remainder by the stride: their gradient is a dense convolution with every stride-th tap.
struct StridedPart {
    /// First tap and first pixel.
    tap: [usize; 2],
    pixel: [usize; 2],
    /// The convolution of the output gradient, with the kernel flipped; `None` where no tap reaches the pixels.
    shape: Option<ConvShape>,
}

impl StridedPart {
    /// The parts of a strided convolution, or `None` for others: without a stride, dilated, or padded beyond the kernel.
    fn all(shape: &ConvShape) -> Option<Vec<Self>> {
        if shape.stride == [1, 1] || shape.dilation != [1, 1] {
            return None;
        }
        let [down, across] = shape.stride;
        let taps = (0..down).flat_map(|y| (0..across).map(move |x| [y, x]));
        taps.map(|tap| Self::new(shape, tap)).collect()
    }

    fn new(shape: &ConvShape, tap: [usize; 2]) -> Option<Self> {
        let (mut kernel, mut padding, mut pixel, mut size) = ([0; 2], [0; 2], [0; 2], [0; 2]);
        for axis in 0..2 {
            let stride = shape.stride[axis];
            kernel[axis] = shape.kernel[axis].saturating_sub(tap[axis]).div_ceil(stride);
            // Pixel stride q + tap - padding is reached from outputs q and before.
            let first = shape.padding[axis].saturating_sub(tap[axis]).div_ceil(stride);
            pixel[axis] = stride * first + tap[axis] - shape.padding[axis];
            size[axis] = shape.in_size[axis].saturating_sub(pixel[axis]).div_ceil(stride);
            padding[axis] = match kernel[axis] {
                0 => 0,
                taps => (taps - 1).checked_sub(first)?,
            };
        }
        let part = ConvShape {
            in_channels: shape.out_channels,
            in_size: shape.out_size,
            out_channels: shape.in_channels,
            out_size: size,
            kernel,
            stride: [1, 1],
            padding,
            ..*shape
        };
        Some(Self { tap, pixel, shape: (!kernel.contains(&0) && !size.contains(&0)).then_some(part) })
    }
}

/// Input gradient of a strided convolution: a dense convolution for each remainder of a pixel by the stride.
fn strided_input_gradient(
    level: Level,
    shape: &ConvShape,
    parts: &[StridedPart],
    out_gradient: &[f32],
    weight: &[f32],
    x_gradient: ImagesMut,
) {
    let ([down, across], width) = (shape.stride, shape.in_size[1]);
    let planes = || {
        (0..shape.batch * shape.in_channels).into_par_iter().map(|index| {
            let image = x_gradient.image(index / shape.in_channels, [shape.in_channels, shape.in_plane()]);
            // SAFETY: each plane is visited once.
            unsafe { image.channel(index % shape.in_channels).slice(0, shape.in_plane()) }
        })
    };
    if parts.iter().any(|part| part.shape.is_none()) {
        planes().for_each(|plane| plane.fill(0.0));
    }
    for StridedPart { tap, pixel, shape: part } in parts {
        let Some(part) = part else { continue };
        let rows = (0..part.kernel[0]).rev().map(|index| tap[0] + down * index);
        let columns = (0..part.kernel[1]).rev().map(|index| tap[1] + across * index);
        let taps: Vec<usize> =
            rows.flat_map(|y| columns.clone().map(move |x| y * shape.kernel[1] + x)).collect();
        let value =
            |input, out, tap: usize| weight[(out * shape.in_channels + input) * shape.taps() + taps[tap]];
        let mut gradient = Buffer::uninitialised(part.out_len());
        let (from, to) = (Images::whole(out_gradient), ImagesMut::whole(&mut gradient));
        convolve_with(level, part, from, value, None, Finish::default(), to);
        planes().zip(gradient.par_chunks_exact(part.out_plane())).for_each(|(to, from)| {
            let rows = to.chunks_exact_mut(width).skip(pixel[0]).step_by(down);
            for (to, from) in rows.zip(from.chunks_exact(part.out_size[1])) {
                for (to, from) in to.iter_mut().skip(pixel[1]).step_by(across).zip(from) {
                    *to = *from;
                }
            }
        });
    }
}

/// The output gradient of the dense form: zero at the pixels skipped by the strides.
fn spread(shape: &ConvShape, out_gradient: &[f32]) -> Buffer {
    let dense = shape.dense();
    let mut spread = Buffer::uninitialised(dense.out_len());
    let planes = out_gradient.par_chunks_exact(shape.out_plane());
    planes.zip(spread.par_chunks_exact_mut(dense.out_plane())).for_each(|(from, to)| {
        to.fill(0.0);
        let rows = to.chunks_exact_mut(dense.out_size[1]).step_by(shape.stride[0]);
        for (from, to) in from.chunks_exact(shape.out_size[1]).zip(rows) {
            for (from, to) in from.iter().zip(to.iter_mut().step_by(shape.stride[1])) {
                *to = *from;
            }
        }
    });
    spread
}

/// Convolves with packed weights.
fn convolve_packed(
    level: Level,
    shape: &ConvShape,
    x: Images,
    weights: &PackedWeights,
    finish: Finish,
    out: ImagesMut,
) {
    assert_eq!(x.len(), shape.in_len());
    assert_eq!(out.len(), shape.out_len());
    let blocks = shape.out_channels.div_ceil(BLOCK);
    assert_eq!(weights.values.len(), blocks * shape.in_channels * shape.taps() * BLOCK);
    if out.len() == 0 {
        return;
    }
    let height = shape.out_size[0];
    let bytes = |rows| Panel::new(shape, rows).len(shape.in_channels) * size_of::<f32>();
    let panel = Panel::new(shape, tile_rows_within(shape, 8, bytes, PANEL_BYTES));
    let tiles = height.div_ceil(panel.rows);
    let (parts, part) = task_split(shape.batch * tiles, blocks, 4);
    (0..shape.batch * tiles).into_par_iter().for_each(|tile| {
        let (image, first_row) = (tile / tiles, tile % tiles * panel.rows);
        let rows = panel.rows.min(height - first_row);
        let from = x.image(image, [shape.in_channels, shape.in_plane()]);
        with_packed(level, &panel, from, shape.in_channels, first_row..first_row + rows, |packed| {
            (0..parts).into_par_iter().for_each(|index| {
                level.run(Tile {
                    shape,
                    panel: &panel,
                    packed,
                    weights,
                    finish: finish.of_image(image, shape.batch, [shape.out_channels, shape.out_plane()]),
                    out: out.image(image, [shape.out_channels, shape.out_plane()]),
                    first_pixel: first_row * shape.out_size[1],
                    rows,
                    blocks: (index * part).min(blocks)..((index + 1) * part).min(blocks),
                });
            });
        });
    });
}

/// Input channels packed by one task.
const PACKED: usize = 32;

/// Packs the input of the output rows `rows` of an image into a panel and passes it on.
pub(super) fn with_packed(
    level: Level,
    panel: &Panel,
    image: Image,
    channels: usize,
    rows: Range<usize>,
    work: impl FnOnce(&[f32]),
) {
    with_scratch(panel.len(channels), |packed| {
        packed[..channels * panel.channel].par_chunks_mut(PACKED * panel.channel).enumerate().for_each(
            |(task, packed)| {
                let first = task * PACKED;
                level.run(Pack { panel, image, first, rows: rows.clone(), packed });
            },
        );
        work(packed);
    });
}

/// Packs some channels.
struct Pack<'a> {
    panel: &'a Panel,
    image: Image<'a>,
    /// First channel.
    first: usize,
    rows: Range<usize>,
    packed: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { panel, image, first, rows, packed } = self;
        for (index, packed) in packed.chunks_exact_mut(panel.channel).enumerate() {
            panel.pack(image.channel(first + index), rows.start, rows.len(), packed);
        }
    }
}

/// Output rows of a tile: as many as fit into `budget`, fewer if there would be too few tasks, but at least
/// `least`.
pub(crate) fn tile_rows_within(
    shape: &ConvShape,
    least: usize,
    bytes: impl Fn(usize) -> usize,
    budget: usize,
) -> usize {
    let height = shape.out_size[0];
    let mut rows = height.div_ceil(TASKS.div_ceil(shape.batch)).max(least).min(height);
    while rows > 1 && bytes(rows) > budget {
        rows = (rows * 3 / 4).max(1);
    }
    height.div_ceil(height.div_ceil(rows))
}

/// Number of parts into which the blocks of output channels are split, and blocks per part (at least `least`,
/// or all). If there are few tiles, each part packs its own panel.
pub(crate) fn task_split(tiles: usize, blocks: usize, least: usize) -> (usize, usize) {
    let parts = (TASKS / tiles).clamp(1, blocks.div_ceil(least));
    let part = blocks.div_ceil(parts);
    (blocks.div_ceil(part), part)
}

/// Some output channels of a tile.
pub(super) struct Tile<'a> {
    pub shape: &'a ConvShape,
    pub panel: &'a Panel,
    pub packed: &'a [f32],
    pub weights: &'a PackedWeights,
    pub finish: ImageFinish<'a>,
    pub out: ImageMut<'a>,
    /// Where the tile starts in each plane.
    pub first_pixel: usize,
    pub rows: usize,
    pub blocks: Range<usize>,
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, panel, packed, weights, finish, out, first_pixel, rows, blocks } = self;
        let mut vectors = Vec::new();
        panel.vectors(rows, S::LANES, &mut vectors);
        let product = Product {
            terms: Terms { channels: shape.in_channels, channel: panel.channel, taps: &panel.taps },
            packed,
            weights,
            out_channels: shape.out_channels,
            finish,
            out,
            first_pixel,
            blocks,
        };
        // SAFETY: the caller ensures the instructions. The panel holds every tap of its vectors plus an overhang of one
        // vector; no other task has the same rows and blocks.
        unsafe { product.compute::<S>(&vectors) };
    }
}

/// Matrix product of a panel and packed weights.
struct Product<'a> {
    terms: Terms<'a>,
    packed: &'a [f32],
    weights: &'a PackedWeights,
    out_channels: usize,
    finish: ImageFinish<'a>,
    out: ImageMut<'a>,
    /// Where the tile starts in each plane.
    first_pixel: usize,
    blocks: Range<usize>,
}

impl InTiles for Product<'_> {
    fn blocks(&self) -> Range<usize> {
        self.blocks.clone()
    }

    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const C: usize>(
        &self,
        vectors: &[Vector; C],
        block: usize,
        first: usize,
    ) {
        let channel = block * BLOCK + first;
        let live = R.min(self.out_channels.saturating_sub(channel));
        if live == 0 {
            return;
        }
        debug_assert!(vectors.iter().all(|v| v.from + self.terms.reach() + S::LANES <= self.packed.len()));
        debug_assert!((block + 1) * self.terms.weights() <= self.weights.values.len());
        debug_assert!(channel + R <= self.weights.bias.len());
        // SAFETY: by the caller's promise and the assertions; outputs go through checked pointers.
        unsafe {
            let weights = self.weights.values.as_ptr().add(block * self.terms.weights() + first);
            let start = self.weights.bias.as_ptr().add(channel);
            let sums = self.terms.sum::<S, R, C>(self.packed.as_ptr(), vectors, weights, start, &[]);
            for (row, sums) in sums.iter().enumerate() {
                if row >= live {
                    continue;
                }
                let out = self.finish.channel(channel + row, &self.out);
                for (&sum, vector) in sums.iter().zip(vectors) {
                    out.store::<S>(sum, self.first_pixel + vector.to, vector.live);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::weight_gradient::weight_gradient;
    use crate::reference::{self, assert_sums, noise, tolerance};
    use proptest::prelude::*;

    fn shapes() -> impl Strategy<Value = ConvShape> {
        let height = 1usize..20;
        let width = prop_oneof![1usize..20, 60usize..70];
        let channels = || prop_oneof![1usize..4, 7usize..10, 15usize..18, 31usize..34];
        let kernel = prop_oneof![Just([3, 3]), Just([1, 1]), [1usize..5, 1usize..5]];
        let pair = || [1usize..3, 1usize..3];
        (1usize..4, channels(), height, width, channels(), kernel, pair(), [0usize..4, 0usize..4], pair())
            .prop_filter_map(
                "kernel larger than input",
                |(n, c, h, w, o, [kh, kw], stride, padding, dilation)| {
                    ConvShape::new([n, c, h, w], [o, kh, kw], stride, padding, dilation)
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(160))]

        #[test]
        fn convolution_and_gradients_equal_the_definition(shape in shapes(), seed in 1u64..1000) {
            let x = noise(seed, shape.in_len());
            let weight = noise(seed + 1, shape.weight_len());
            let bias = noise(seed + 2, shape.out_channels);
            let out_gradient = noise(seed + 3, shape.out_len());
            let expected = reference::convolve(&shape, &x, &weight, Some(&bias));
            let expected_weight = reference::weight_gradient(&shape, &x, &out_gradient);
            // Winograd's algorithm, which rounds more, computes the suitable shapes.
            let bound = |shape: &ConvShape| if winograd::is_suitable(shape) { 1.5e-6 } else { 5e-7 };
            for level in Level::available() {
                let mut out = vec![f32::NAN; shape.out_len()];
                let to = ImagesMut::whole(&mut out);
                convolve(level, &shape, Images::whole(&x), &weight, Some(&bias), Finish::default(), to);
                assert_sums(&out, &expected, tolerance(level, bound(&shape)));
                let mut gradient = vec![f32::NAN; shape.weight_len()];
                weight_gradient(level, &shape, Images::whole(&x), &out_gradient, &mut gradient);
                assert_sums(&gradient, &expected_weight, tolerance(level, bound(&shape)));
                if let Some(backward) = shape.dense().input_gradient() {
                    let mut gradient = vec![f32::NAN; shape.in_len()];
                    let to = ImagesMut::whole(&mut gradient);
                    convolve_input_gradient(level, &shape, &backward, &out_gradient, &weight, to);
                    let expected = reference::input_gradient(&shape, &weight, &out_gradient);
                    assert_sums(&gradient, &expected, tolerance(level, bound(&backward)));
                }
            }
        }
    }
}
