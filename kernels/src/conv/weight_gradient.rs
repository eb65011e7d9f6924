//! The gradient for the weights: products of the output gradient with the panel, summed over pixels.
//!
//! The output gradient of a row tile is transposed to `[pixel][out]`, so that a vector holds output channels, and the
//! input is broadcast from the same panels as in the forward pass. Each task sums its tiles into weights of its own;
//! these are added in the order of the tasks.

use rayon::prelude::*;

use super::panel::{Panel, Runs, odd_lines};
use super::shape::ConvShape;
use crate::memory::{Buffer, with_scratch};
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Bytes of a tile, panel and transposed gradient together.
const TILE_BYTES: usize = 512 * 1024;
/// Most tasks, a constant for the sake of determinism.
const TASKS: usize = 16;
/// Bytes of all tasks' own weights together above which there are fewer of them.
const PARTIAL_BYTES: usize = 16 << 20;
/// Output channels are padded to whole pairs of the widest vector.
const OUT_BLOCK: usize = 32;

/// Writes the gradient of the weights `[out, in, kh, kw]` for the input `x` and the output gradient.
pub(crate) fn weight_gradient(
    level: Level,
    shape: &ConvShape,
    x: &[f32],
    out_gradient: &[f32],
    gradient: &mut [f32],
) {
    assert_eq!(x.len(), shape.in_len());
    assert_eq!(out_gradient.len(), shape.out_len());
    assert_eq!(gradient.len(), shape.weight_len());
    if gradient.is_empty() || out_gradient.is_empty() {
        return gradient.fill(0.0);
    }
    let plan = Plan::new(shape);
    let mut partials = Buffer::uninitialised(plan.tasks() * plan.partial);
    let shared = Shared::new(&mut partials);
    (0..plan.tasks()).into_par_iter().for_each(|task| {
        // SAFETY: each task has its own part.
        let sums = unsafe { shared.slice(task * plan.partial, plan.partial) };
        with_scratch(plan.scratch(), |scratch| {
            level.run(Task { shape, plan: &plan, x, out_gradient, task, sums, scratch });
        });
    });
    let taps = shape.taps();
    let padded = plan.padded_out;
    gradient.par_chunks_mut(shape.in_channels * taps).enumerate().for_each(|(out, gradient)| {
        for (index, gradient) in gradient.iter_mut().enumerate() {
            let part = index / taps / plan.part_channels;
            let row = index - part * plan.part_channels * taps;
            *gradient = (0..plan.chunks)
                .map(|chunk| partials[(chunk * plan.parts + part) * plan.partial + row * padded + out])
                .sum();
        }
    });
}

/// How the work is split: chunks of tiles by parts of the input channels.
struct Plan {
    panel: Panel,
    /// Row tiles of an image.
    tiles: usize,
    chunks: usize,
    parts: usize,
    /// Input channels of a part.
    part_channels: usize,
    padded_out: usize,
    /// Most pixels in a tile.
    tile_pixels: usize,
    /// Floats of a task's own weights, `[in][tap][padded out]`.
    partial: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let height = shape.out_size[0];
        let padded_out = shape.out_channels.next_multiple_of(OUT_BLOCK);
        let whole = shape.in_channels * shape.taps() * padded_out * size_of::<f32>();
        let most_chunks = (PARTIAL_BYTES / whole).clamp(2, TASKS);
        let mut rows = height.div_ceil(TASKS.div_ceil(shape.batch)).max(8).min(height);
        let bytes = |rows| {
            let panel = Panel::new(shape, rows).len(shape.in_channels);
            (panel + rows * shape.out_size[1] * padded_out) * size_of::<f32>()
        };
        while rows > 1 && bytes(rows) > TILE_BYTES {
            rows = rows * 3 / 4;
        }
        let rows = height.div_ceil(height.div_ceil(rows));
        let tiles = height.div_ceil(rows);
        let chunks = most_chunks.min(shape.batch * tiles);
        // Where there are few tiles, split the input channels as well.
        let parts = (TASKS / chunks).clamp(1, shape.in_channels.div_ceil(32));
        let part_channels = shape.in_channels.div_ceil(parts);
        let parts = shape.in_channels.div_ceil(part_channels);
        Self {
            panel: Panel::new(shape, rows),
            tiles,
            chunks,
            parts,
            part_channels,
            padded_out,
            tile_pixels: rows * shape.out_size[1],
            partial: odd_lines(part_channels * shape.taps() * padded_out),
        }
    }

    fn tasks(&self) -> usize {
        self.chunks * self.parts
    }

    fn panel_len(&self) -> usize {
        self.panel.len(self.part_channels).next_multiple_of(16)
    }

    /// Floats for the panel and the transposed gradient of a tile.
    fn scratch(&self) -> usize {
        self.panel_len() + self.tile_pixels * self.padded_out
    }
}

struct Task<'a> {
    shape: &'a ConvShape,
    plan: &'a Plan,
    x: &'a [f32],
    out_gradient: &'a [f32],
    task: usize,
    sums: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, plan, x, out_gradient, task, sums, scratch } = self;
        let (chunk, part) = (task / plan.parts, task % plan.parts);
        let first_channel = part * plan.part_channels;
        let channels = plan.part_channels.min(shape.in_channels - first_channel);
        let [height, width] = shape.out_size;
        let panel = &plan.panel;
        // One offset for each row of the sums, in the same order, filled up to whole groups.
        let mut offsets = Vec::with_capacity(channels * panel.taps.len() + 24);
        for channel in 0..channels {
            offsets.extend(panel.taps.iter().map(|tap| channel * panel.channel + tap));
        }
        let sum_rows = offsets.len();
        offsets.resize(sum_rows.next_multiple_of(24), 0);
        sums.fill(0.0);
        let work = shape.batch * plan.tiles;
        let (packed, transposed) = scratch.split_at_mut(plan.panel_len());
        for tile in chunk * work / plan.chunks..(chunk + 1) * work / plan.chunks {
            let (image, first_row) = (tile / plan.tiles, tile % plan.tiles * panel.rows);
            let rows = panel.rows.min(height - first_row);
            for channel in 0..channels {
                let plane = &x[(image * shape.in_channels + first_channel + channel) * shape.in_plane()..];
                let packed = &mut packed[channel * panel.channel..][..panel.channel];
                panel.pack(&plane[..shape.in_plane()], first_row, rows, packed);
            }
            let planes = &out_gradient[image * shape.out_channels * shape.out_plane()..];
            let pixels = first_row * width..(first_row + rows) * width;
            // SAFETY: the instructions are the caller's promise; the panel holds every offset of the tile's
            // pixels, the transposed gradient holds the tile's pixels, and the sums hold `sum_rows` rows.
            unsafe {
                transpose_planes::<S>(
                    planes,
                    shape.out_plane(),
                    shape.out_channels,
                    pixels.clone(),
                    transposed,
                );
                let product = Product { packed, transposed, runs: panel.runs(rows), pixels: pixels.len() };
                accumulate::<S>(&product, &offsets, sum_rows, plan.padded_out, shape.out_channels, sums);
            }
        }
    }
}

/// Transposes `pixels` of each channel's plane to blocks `[out / OUT_BLOCK][pixel][OUT_BLOCK]`, channels that do not
/// exist being zero.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn transpose_planes<S: Simd>(
    planes: &[f32],
    plane: usize,
    channels: usize,
    pixels: std::ops::Range<usize>,
    to: &mut [f32],
) {
    let count = pixels.len();
    for (block, to) in to.chunks_exact_mut(count * OUT_BLOCK).enumerate().take(channels.div_ceil(OUT_BLOCK)) {
        for lane in (0..OUT_BLOCK).step_by(S::LANES) {
            let first = block * OUT_BLOCK + lane;
            let mut done = 0;
            if first + S::LANES <= channels {
                let from = &planes[first * plane..(first + S::LANES) * plane];
                while done + S::LANES <= count {
                    debug_assert!(pixels.start + done + S::LANES <= plane);
                    // SAFETY: LANES channels by LANES pixels, inside both slices.
                    unsafe {
                        let from = from.as_ptr().add(pixels.start + done);
                        S::transpose(from, plane, to.as_mut_ptr().add(done * OUT_BLOCK + lane), OUT_BLOCK);
                    }
                    done += S::LANES;
                }
            }
            for pixel in done..count {
                for channel in 0..S::LANES {
                    let value = match first + channel < channels {
                        true => planes[(first + channel) * plane + pixels.start + pixel],
                        false => 0.0,
                    };
                    to[pixel * OUT_BLOCK + lane + channel] = value;
                }
            }
        }
    }
}

/// A packed panel and the transposed gradient of the same pixels.
struct Product<'a> {
    packed: &'a [f32],
    transposed: &'a [f32],
    runs: Runs,
    pixels: usize,
}

/// Adds the tile's products to the sums `[row][padded out]`.
///
/// # Safety
/// The processor has the instructions of `S`; every offset is valid in the panel for all runs.
#[inline(always)]
unsafe fn accumulate<S: Simd>(
    product: &Product,
    offsets: &[usize],
    sum_rows: usize,
    padded_out: usize,
    out_channels: usize,
    sums: &mut [f32],
) {
    // The register tile: vectors of output channels by rows of the sums.
    let one_vector = out_channels <= S::LANES;
    let group = match (S::ROWS * S::COLUMNS, one_vector) {
        (24, true) => 24,
        (24, false) | (12, true) => 12,
        (12, false) => 6,
        (_, true) => 8,
        (_, false) => 4,
    };
    let step = if one_vector { S::LANES } else { 2 * S::LANES };
    for first_out in (0..out_channels).step_by(step) {
        let (block, lane) = (first_out / OUT_BLOCK, first_out % OUT_BLOCK);
        let gradient = &product.transposed[block * product.pixels * OUT_BLOCK + lane..];
        for first in (0..sum_rows).step_by(group) {
            let live = group.min(sum_rows - first);
            let offsets = &offsets[first..first + group];
            let sums = &mut sums[first * padded_out + first_out..];
            // SAFETY: by the caller's promise; a padded row of the sums holds two vectors from `first_out`.
            unsafe {
                match (group, one_vector) {
                    (24, _) => tile::<S, 24, 1>(product, gradient, offsets, live, padded_out, sums),
                    (12, true) => tile::<S, 12, 1>(product, gradient, offsets, live, padded_out, sums),
                    (12, false) => tile::<S, 12, 2>(product, gradient, offsets, live, padded_out, sums),
                    (6, _) => tile::<S, 6, 2>(product, gradient, offsets, live, padded_out, sums),
                    (8, _) => tile::<S, 8, 1>(product, gradient, offsets, live, padded_out, sums),
                    (_, _) => tile::<S, 4, 2>(product, gradient, offsets, live, padded_out, sums),
                }
            }
        }
    }
}

/// A register tile: G rows of the sums by V vectors of output channels.
///
/// # Safety
/// As for [`accumulate`].
#[inline(always)]
unsafe fn tile<S: Simd, const G: usize, const V: usize>(
    product: &Product,
    gradient: &[f32],
    offsets: &[usize],
    live: usize,
    padded_out: usize,
    sums: &mut [f32],
) {
    let runs = product.runs;
    debug_assert_eq!(runs.count * runs.len, product.pixels);
    debug_assert!((product.pixels - 1) * OUT_BLOCK + V * S::LANES <= gradient.len());
    debug_assert!(
        offsets
            .iter()
            .all(|&offset| { offset + (runs.count - 1) * runs.line + runs.len <= product.packed.len() })
    );
    debug_assert!((live - 1) * padded_out + V * S::LANES <= sums.len());
    // SAFETY: every address is inside the ranges just asserted.
    unsafe {
        let mut from = [product.packed.as_ptr(); G];
        for (from, &offset) in from.iter_mut().zip(offsets) {
            *from = from.add(offset);
        }
        let mut acc = [[S::splat(0.0); V]; G];
        let mut gradient = gradient.as_ptr();
        for run in 0..runs.count {
            for pixel in run * runs.line..run * runs.line + runs.len {
                let mut lanes = [S::splat(0.0); V];
                for (vector, lanes) in lanes.iter_mut().enumerate() {
                    *lanes = S::load(gradient.add(vector * S::LANES));
                }
                for row in 0..G {
                    let x = S::splat(*from[row].add(pixel));
                    for vector in 0..V {
                        acc[row][vector] = S::fma(lanes[vector], x, acc[row][vector]);
                    }
                }
                gradient = gradient.wrapping_add(OUT_BLOCK);
            }
        }
        for (row, acc) in acc.iter().enumerate().take(live) {
            for (vector, &acc) in acc.iter().enumerate() {
                let to = sums.as_mut_ptr().add(row * padded_out + vector * S::LANES);
                S::store(to, S::add(S::load(to), acc));
            }
        }
    }
}

/// The gradient of a bias: the sum of each channel's planes, over the batch.
pub(crate) fn channel_sums(level: Level, channels: usize, plane: usize, gradient: &[f32], sums: &mut [f32]) {
    assert_eq!(sums.len(), channels);
    if plane == 0 {
        return sums.fill(0.0);
    }
    sums.par_iter_mut().enumerate().for_each(|(channel, sum)| {
        let planes = gradient.chunks_exact(plane).skip(channel).step_by(channels);
        *sum = planes.map(|plane| level.run(PlaneSum(plane)) as f64).sum::<f64>() as f32;
    });
}

struct PlaneSum<'a>(&'a [f32]);

impl Kernel for PlaneSum<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let mut lanes = [0.0f32; 64];
        let (chunks, rest) = self.0.as_chunks::<64>();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
    }
}
