//! Convolution by direct summation over the taps.

use rayon::prelude::*;

use super::panel::{Panel, Runs};
use super::shape::ConvShape;
use crate::memory::with_scratch;
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Output channels that are computed together and whose weights lie together.
pub(crate) const BLOCK: usize = 8;
/// Bytes of a panel: a share of the second-level cache that leaves room for weights and output.
const PANEL_BYTES: usize = 384 * 1024;
/// Tasks to aim for, so that any usual number of threads finds enough. A constant, for the sake of determinism: the
/// thread count must not decide how the work is split.
const TASKS: usize = 16;

/// Weights as `[out / 8][in][tap][8]`, the order in which the register tile reads them.
pub(crate) struct PackedWeights {
    values: Vec<f32>,
    bias: Vec<f32>,
}

impl PackedWeights {
    /// Packs `weight(out, in, tap)` and the bias, if any, filling the last block up with zeros.
    pub fn new(
        [out_channels, in_channels, taps]: [usize; 3],
        weight: impl Fn(usize, usize, usize) -> f32,
        bias: Option<&[f32]>,
    ) -> Self {
        let blocks = out_channels.div_ceil(BLOCK);
        let mut values = Vec::with_capacity(blocks * in_channels * taps * BLOCK);
        for block in 0..blocks {
            for input in 0..in_channels {
                for tap in 0..taps {
                    for out in block * BLOCK..(block + 1) * BLOCK {
                        values.push(if out < out_channels { weight(out, input, tap) } else { 0.0 });
                    }
                }
            }
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
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    assert_eq!(weight.len(), shape.weight_len());
    let (channels, taps) = (shape.in_channels, shape.taps());
    let weights = PackedWeights::new(
        [shape.out_channels, channels, taps],
        |out, input, tap| weight[(out * channels + input) * taps + tap],
        bias,
    );
    convolve_packed(level, shape, x, &weights, out);
}

/// The gradient for the input of the convolution `shape`, whose
/// [`input_gradient`](ConvShape::input_gradient) is `backward`.
pub(crate) fn convolve_input_gradient(
    level: Level,
    backward: &ConvShape,
    out_gradient: &[f32],
    weight: &[f32],
    x_gradient: &mut [f32],
) {
    assert_eq!(weight.len(), backward.weight_len());
    let (channels, taps) = (backward.out_channels, backward.taps());
    let weights = PackedWeights::new(
        [channels, backward.in_channels, taps],
        |input, out, tap| weight[(out * channels + input) * taps + taps - 1 - tap],
        None,
    );
    convolve_packed(level, backward, out_gradient, &weights, x_gradient);
}

/// Convolves with weights packed before.
pub(crate) fn convolve_packed(
    level: Level,
    shape: &ConvShape,
    x: &[f32],
    weights: &PackedWeights,
    out: &mut [f32],
) {
    assert_eq!(x.len(), shape.in_len());
    assert_eq!(out.len(), shape.out_len());
    let blocks = shape.out_channels.div_ceil(BLOCK);
    assert_eq!(weights.values.len(), blocks * shape.in_channels * shape.taps() * BLOCK);
    if out.is_empty() {
        return;
    }
    let height = shape.out_size[0];
    let panel = Panel::new(shape, tile_rows(shape));
    let tiles = height.div_ceil(panel.rows);
    // Small images are also split by output channels, each part with a panel of its own.
    let parts = (TASKS / (shape.batch * tiles)).clamp(1, blocks.div_ceil(4));
    let part = blocks.div_ceil(parts);
    let out = Shared::new(out);
    (0..shape.batch * tiles * parts).into_par_iter().for_each(|task| {
        let (task, first_block) = (task / parts, task % parts * part);
        let (image, first_row) = (task / tiles, task % tiles * panel.rows);
        level.run(Tile {
            shape,
            panel: &panel,
            image: &x[image * shape.in_channels * shape.in_plane()..],
            weights,
            out: out
                .part(image * shape.out_channels * shape.out_plane(), shape.out_channels * shape.out_plane()),
            first_row,
            rows: panel.rows.min(height - first_row),
            blocks: first_block.min(blocks)..(first_block + part).min(blocks),
        });
    });
}

/// Output rows of a tile: as many as the panel has room for, fewer where there would be too few tasks.
fn tile_rows(shape: &ConvShape) -> usize {
    let height = shape.out_size[0];
    let mut rows = height.div_ceil(TASKS.div_ceil(shape.batch)).max(8).min(height);
    while rows > 1 && Panel::new(shape, rows).len(shape.in_channels) * size_of::<f32>() > PANEL_BYTES {
        rows = rows * 3 / 4;
    }
    height.div_ceil(height.div_ceil(rows))
}

/// One tile: packs its panel, then multiplies.
struct Tile<'a> {
    shape: &'a ConvShape,
    panel: &'a Panel,
    image: &'a [f32],
    weights: &'a PackedWeights,
    /// The output channels of the image.
    out: Shared<'a, f32>,
    first_row: usize,
    rows: usize,
    blocks: std::ops::Range<usize>,
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, panel, image, weights, out, first_row, rows, blocks } = self;
        with_scratch(panel.len(shape.in_channels), |packed| {
            for channel in 0..shape.in_channels {
                let plane = &image[channel * shape.in_plane()..][..shape.in_plane()];
                panel.pack(plane, first_row, rows, &mut packed[channel * panel.channel..][..panel.channel]);
            }
            let product = Product {
                channels: shape.in_channels,
                channel: panel.channel,
                taps: &panel.taps,
                weights,
                out_channels: shape.out_channels,
            };
            let first_pixel = first_row * shape.out_size[1];
            // SAFETY: the instructions are the caller's promise. The panel holds every tap of the tile's pixels and
            // an overhang of a vector; the tile's pixels of the blocks' channels are inside `out`, and no other task
            // has the same rows and blocks.
            unsafe {
                multiply::<S>(
                    &product,
                    packed,
                    panel.runs(rows),
                    blocks,
                    &out,
                    first_pixel,
                    shape.out_plane(),
                );
            }
        });
    }
}

/// The matrix product of a panel with packed weights.
pub(crate) struct Product<'a> {
    pub channels: usize,
    pub channel: usize,
    pub taps: &'a [usize],
    pub weights: &'a PackedWeights,
    pub out_channels: usize,
}

/// Multiplies all runs of a panel for some blocks of output channels.
///
/// # Safety
/// The processor has the instructions of `S`; the panel is valid for every tap of the runs and [`Simd::LANES`] - 1
/// floats beyond; `out` is valid from `first_pixel` for the pixels of the runs in each channel, and not accessed from
/// elsewhere.
#[inline(always)]
unsafe fn multiply<S: Simd>(
    product: &Product,
    panel: &[f32],
    runs: Runs,
    blocks: std::ops::Range<usize>,
    out: &Shared<f32>,
    first_pixel: usize,
    plane: usize,
) {
    let vectors = runs.len.div_ceil(S::LANES);
    let steps = vectors.div_ceil(S::COLUMNS);
    let block_len = product.channels * product.taps.len() * BLOCK;
    for run in 0..runs.count {
        for step in 0..steps {
            // Steps of nearly equal width: 4 vectors are 2 + 2, not 3 + 1.
            let (first, end) = (step * vectors / steps, (step + 1) * vectors / steps);
            let columns = end - first;
            let last = (runs.len - (end - 1) * S::LANES).min(S::LANES);
            let from = run * runs.line + first * S::LANES;
            let to = first_pixel + run * runs.len + first * S::LANES;
            let pixels = (columns - 1) * S::LANES + last;
            for block in blocks.clone() {
                let live = BLOCK.min(product.out_channels - block * BLOCK);
                for row in (0..live).step_by(S::ROWS) {
                    let channel = block * BLOCK + row;
                    let live = (live - row).min(S::ROWS);
                    debug_assert!(
                        (product.channels.max(1) - 1) * product.channel
                            + product.taps.iter().max().unwrap_or(&0)
                            + from
                            + columns * S::LANES
                            <= panel.len()
                    );
                    debug_assert!((block + 1) * block_len <= product.weights.values.len());
                    // SAFETY: by the caller's promise and the two assertions; the pointer covers `live` channels of
                    // `pixels` pixels, `plane` apart.
                    unsafe {
                        let strip = Strip {
                            panel: panel.as_ptr().add(from),
                            weights: product.weights.values.as_ptr().add(block * block_len + row),
                            bias: product.weights.bias.as_ptr().add(channel),
                            out: out.pointer(channel * plane + to, (live - 1) * plane + pixels),
                            out_line: plane,
                            live,
                            last,
                        };
                        match (S::ROWS, columns) {
                            (8, 1) => strip.multiply::<S, 8, 1>(product),
                            (8, 2) => strip.multiply::<S, 8, 2>(product),
                            (8, _) => strip.multiply::<S, 8, 3>(product),
                            (_, 1) => strip.multiply::<S, 4, 1>(product),
                            (_, 2) => strip.multiply::<S, 4, 2>(product),
                            (_, _) => strip.multiply::<S, 4, 3>(product),
                        }
                    }
                }
            }
        }
    }
}

/// A register tile: R output channels by C vectors of pixels.
struct Strip {
    panel: *const f32,
    weights: *const f32,
    bias: *const f32,
    out: *mut f32,
    out_line: usize,
    /// Channels to store, at most R.
    live: usize,
    /// Pixels to store from the last vector.
    last: usize,
}

impl Strip {
    /// # Safety
    /// As for [`multiply`]; the weights are valid for R floats every [`BLOCK`] floats, and the bias for R floats.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const R: usize, const C: usize>(&self, product: &Product) {
        // SAFETY: every address is inside the ranges that the caller promises.
        unsafe {
            let mut sums = [[S::splat(0.0); C]; R];
            for (row, sums) in sums.iter_mut().enumerate() {
                *sums = [S::splat(*self.bias.add(row)); C];
            }
            let mut weights = self.weights;
            let mut channel = self.panel;
            for _ in 0..product.channels {
                for &tap in product.taps {
                    let from = channel.add(tap);
                    let mut pixels = [S::splat(0.0); C];
                    for (column, pixels) in pixels.iter_mut().enumerate() {
                        *pixels = S::load(from.add(column * S::LANES));
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let weight = S::splat(*weights.add(row));
                        for (sum, &pixels) in sums.iter_mut().zip(&pixels) {
                            *sum = S::fma(pixels, weight, *sum);
                        }
                    }
                    weights = weights.add(BLOCK);
                }
                channel = channel.wrapping_add(product.channel);
            }
            for (row, sums) in sums.iter().enumerate().take(self.live) {
                let to = self.out.add(row * self.out_line);
                for (column, &sum) in sums.iter().enumerate() {
                    if column + 1 < C || self.last == S::LANES {
                        S::store(to.add(column * S::LANES), sum);
                    } else {
                        S::store_first(to.add(column * S::LANES), self.last, sum);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::weight_gradient::weight_gradient;
    use crate::reference::{self, assert_close, noise};
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
            for level in Level::available() {
                let mut out = vec![f32::NAN; shape.out_len()];
                convolve(level, &shape, &x, &weight, Some(&bias), &mut out);
                assert_close(&out, &expected, 2e-6);
                let mut gradient = vec![f32::NAN; shape.weight_len()];
                weight_gradient(level, &shape, &x, &out_gradient, &mut gradient);
                assert_close(&gradient, &expected_weight, 2e-6);
                if let Some(backward) = shape.input_gradient() {
                    let mut gradient = vec![f32::NAN; shape.in_len()];
                    convolve_input_gradient(level, &backward, &out_gradient, &weight, &mut gradient);
                    assert_close(&gradient, &reference::input_gradient(&shape, &weight, &out_gradient), 2e-6);
                }
            }
        }
    }
}
