//! Convolution by tile products (AMX): output channels times pixels, summed over pairs of input channels.
//!
//! The input of a row tile is packed as pairs of channels, with the halves of both channels side by side, so
//! that a tile of pixels is sixteen pairs of sixteen pixels; each tap is an offset. Wide rows are stored row
//! by row, with all pairs of a row before the next row. A step of sixteen pairs can then continue into the
//! next kernel row, so that few channels also fill it. Narrow rows are stored end to end for each pair, and a
//! tile of pixels spans several rows.

use std::ops::Range;

use rayon::prelude::*;

use super::direct::{task_split, tile_rows_within};
use super::finish::{Finish, ImageFinish};
use super::halves::{split, split_pairs};
use super::images::{Image, ImageMut, Images, ImagesMut};
use super::panel::{copy_row, odd_lines};
use super::shape::ConvShape;
use crate::memory::{Buffer, with_scratch};
use crate::simd::{Kernel, Simd};
use crate::tiles::{self, Factor, SIDE, Sums, TILE, TILE_BYTES, Tiles};

/// Bytes of a panel: most of a second-level cache.
const PANEL_BYTES: usize = 800 * 1024;
/// Floats that hold the weights of a step for sixteen output channels, both halves.
const STEP: usize = 2 * TILE;

/// Memory layout of the input of a row tile, in pairs of halves (one float each).
#[derive(Clone, Debug)]
struct Layout {
    shape: ConvShape,
    /// Output rows of a tile.
    rows: usize,
    is_wide: bool,
    pairs: usize,
    /// Distances between pixel rows, between pairs, and between the copies for horizontal taps.
    row: usize,
    pair: usize,
    copy: usize,
    /// Length of all high halves; the low halves follow.
    len: usize,
}

impl Layout {
    fn new(shape: &ConvShape, rows: usize) -> Self {
        let [_, width] = shape.out_size;
        let reach = shape.dilation[1] * (shape.kernel[1] - 1);
        let rows = rows.min(shape.out_size[0]).max(1);
        let is_wide = is_wide(shape);
        let in_rows = in_rows(shape, rows);
        let pairs = shape.in_channels.div_ceil(2);
        if is_wide {
            let copies = if shape.stride[1] == 1 { 1 } else { shape.kernel[1] };
            let pair = odd_lines(width.next_multiple_of(SIDE) + if copies == 1 { reach } else { 0 });
            let row = pairs * pair;
            let copy = in_rows * row;
            let layout = Self { shape: *shape, rows, is_wide, pairs, row, pair, copy, len: 0 };
            return Self { len: copies * copy + layout.tail(), ..layout };
        }
        let pairs = pairs.next_multiple_of(SIDE);
        let row = width + reach;
        let pair = odd_lines(in_rows * row + reach + SIDE);
        Self { shape: *shape, rows, is_wide, pairs, row, pair, copy: 0, len: pairs * pair }
    }

    /// Number of kernel rows whose pairs are consecutive.
    fn joined(&self) -> usize {
        if self.is_wide && self.shape.dilation[0] == 1 { self.shape.kernel[0] } else { 1 }
    }

    /// Number of steps of the joined kernel rows.
    fn steps_of_joined(&self) -> usize {
        (self.joined() * self.pairs).div_ceil(SIDE)
    }

    /// Number of steps of all taps.
    fn steps(&self) -> usize {
        self.shape.taps() / self.joined() * self.steps_of_joined()
    }

    /// Floats after the last row into which the last step of its pairs continues.
    fn tail(&self) -> usize {
        (self.steps_of_joined() * SIDE - self.joined() * self.pairs) * self.pair
    }

    /// First kernel row, kernel column and first pair of a step. Columns vary fastest, because they read the
    /// same cache lines.
    fn step(&self, step: usize) -> [usize; 3] {
        let columns = self.shape.kernel[1];
        let (place, column) = (step / columns, step % columns);
        [place / self.steps_of_joined() * self.joined(), column, place % self.steps_of_joined() * SIDE]
    }

    /// Bytes from an output pixel to the first pair of a step.
    fn offset(&self, step: usize) -> usize {
        let [row, column, pair] = self.step(step);
        let column = match self.shape.stride[1] > 1 {
            true => column * self.copy,
            false => column * self.shape.dilation[1],
        };
        (row * self.shape.dilation[0] * self.row + column + pair * self.pair) * size_of::<f32>()
    }

    /// Floats of a panel: both halves, and two lines of scratch for packing.
    fn floats(&self) -> usize {
        2 * self.len + 2 * self.shape.in_size[1].max(self.pair)
    }

    /// Packs the input of `rows` output rows from `first_row` on.
    #[inline(always)]
    fn pack(&self, image: Image, first_row: usize, rows: usize, scratch: &mut [f32]) {
        let shape = &self.shape;
        let (panel, lines) = scratch.split_at_mut(2 * self.len);
        let (high, low) = panel.split_at_mut(self.len);
        let in_rows = in_rows(shape, rows);
        let first = (first_row * shape.stride[0]).wrapping_sub(shape.padding[0]);
        let [height, width] = shape.in_size;
        let source = |channel: usize, row: usize| {
            let row = first.wrapping_add(row);
            let exists = channel < shape.in_channels && row < height;
            exists.then(|| &image.channel(channel)[row * width..][..width])
        };
        let mut line = Line { shape, lines };
        if !self.is_wide {
            for pair in 0..self.pairs {
                let (high, low) =
                    (&mut high[pair * self.pair..][..self.pair], &mut low[pair * self.pair..][..self.pair]);
                for (row, (high, low)) in high.chunks_mut(self.row).zip(low.chunks_mut(self.row)).enumerate()
                {
                    let row = Some(row).filter(|&row| row < in_rows);
                    let from =
                        row.map_or([None; 2], |row| [source(2 * pair, row), source(2 * pair + 1, row)]);
                    line.pack(from, 0, high, low);
                }
            }
            return;
        }
        let copies = if shape.stride[1] == 1 { 1 } else { shape.kernel[1] };
        for copy in 0..copies {
            for row in 0..in_rows {
                for pair in 0..self.pairs {
                    let place = copy * self.copy + row * self.row + pair * self.pair;
                    let (high, low) = (&mut high[place..][..self.pair], &mut low[place..][..self.pair]);
                    line.pack([source(2 * pair, row), source(2 * pair + 1, row)], copy, high, low);
                }
            }
            // End of the region that a step may continue into; the next copy starts there.
            let end = copy * self.copy + in_rows * self.row;
            high[end..][..self.tail()].fill(0.0);
            low[end..][..self.tail()].fill(0.0);
        }
    }

    /// The tiles of pixels of `rows` output rows.
    #[inline(always)]
    fn columns(&self, rows: usize) -> Vec<Column> {
        let width = self.shape.out_size[1];
        let mut columns = Vec::new();
        if self.is_wide {
            for row in 0..rows {
                for first in (0..width).step_by(SIDE) {
                    let from = row * self.shape.stride[0] * self.row + first;
                    let live = SIDE.min(width - first);
                    columns.push(Column { from, run: Some((row * width + first, live)) });
                }
            }
        } else {
            for from in (0..rows * self.row).step_by(SIDE) {
                columns.push(Column { from, run: None });
            }
        }
        columns
    }
}

/// Converts two rows of the input to pairs.
struct Line<'a> {
    shape: &'a ConvShape,
    /// Scratch for two rows.
    lines: &'a mut [f32],
}

impl Line<'_> {
    /// Packs the rows of two channels with the padding of the convolution; for strides other than one,
    /// separately for each horizontal tap. A missing row is all zeros.
    #[inline(always)]
    fn pack(&mut self, from: [Option<&[f32]>; 2], tap: usize, high: &mut [f32], low: &mut [f32]) {
        let (pad, stride) = (self.shape.padding[1], self.shape.stride[1]);
        let (one, other) = self.lines.split_at_mut(self.lines.len() / 2);
        if stride == 1 && high.len() > pad {
            let [a, b] = match from {
                [None, None] => {
                    high.fill(0.0);
                    return low.fill(0.0);
                }
                [Some(a), Some(b)] => [a, b],
                [Some(a), None] => {
                    one[..a.len()].fill(0.0);
                    [a, &one[..a.len()]]
                }
                [None, Some(b)] => {
                    one[..b.len()].fill(0.0);
                    [&one[..b.len()], b]
                }
            };
            let live = a.len().min(high.len() - pad);
            for index in 0..pad {
                (high[index], low[index]) = (0.0, 0.0);
            }
            return split_pairs(&a[..live], &b[..live], &mut high[pad..], &mut low[pad..]);
        }
        let (one, other) = (&mut one[..high.len()], &mut other[..high.len()]);
        copy_row(from[0], pad, tap * self.shape.dilation[1], stride, one);
        copy_row(from[1], pad, tap * self.shape.dilation[1], stride, other);
        split_pairs(one, other, high, low);
    }
}

/// A tile of pixels: its offset in the panel, and its output pixels in the row tile, if they are consecutive.
#[derive(Clone, Copy, Debug)]
struct Column {
    from: usize,
    run: Option<(usize, usize)>,
}

/// Number of input rows for `rows` output rows.
fn in_rows(shape: &ConvShape, rows: usize) -> usize {
    (rows - 1) * shape.stride[0] + shape.dilation[0] * (shape.kernel[0] - 1) + 1
}

/// Whether each row has its own tiles.
fn is_wide(shape: &ConvShape) -> bool {
    let width = shape.out_size[1];
    let reach = shape.dilation[1] * (shape.kernel[1] - 1);
    let rows_end_to_end = shape.stride == [1, 1] && shape.in_channels > SIDE;
    !rows_end_to_end || width + reach >= width.next_multiple_of(SIDE)
}

/// Whether this method is worthwhile: at least half of the computed pixels are needed.
pub(crate) fn is_suitable(shape: &ConvShape) -> bool {
    let width = shape.out_size[1];
    let computed = match is_wide(shape) {
        true => width.next_multiple_of(SIDE),
        false => width + shape.dilation[1] * (shape.kernel[1] - 1),
    };
    2 * width >= computed
}

/// Convolves `x` with weights given by `weight(out, in, tap)` into `out`.
pub(crate) fn convolve(
    shape: &ConvShape,
    x: Images,
    weight: impl Fn(usize, usize, usize) -> f32 + Sync,
    bias: Option<&[f32]>,
    finish: Finish,
    out: ImagesMut,
) {
    assert_eq!(x.len(), shape.in_len());
    assert_eq!(out.len(), shape.out_len());
    if out.len() == 0 {
        return;
    }
    let height = shape.out_size[0];
    let bytes = |rows| Layout::new(shape, rows).floats() * size_of::<f32>();
    let layout = Layout::new(shape, tile_rows_within(shape, 8, bytes, PANEL_BYTES));
    let weights = pack_weights(&layout, weight);
    let blocks = shape.out_channels.div_ceil(SIDE);
    let mut starts = vec![0.0; blocks * SIDE];
    if let Some(bias) = bias {
        starts[..shape.out_channels].copy_from_slice(bias);
    }
    let offsets: Vec<usize> = (0..layout.steps()).map(|step| layout.offset(step)).collect();
    let tiles = height.div_ceil(layout.rows);
    // Blocks are multiplied in pairs.
    let (parts, pairs) = task_split(shape.batch * tiles, blocks.div_ceil(2), 1);
    let part = 2 * pairs;
    (0..shape.batch * tiles * parts).into_par_iter().for_each(|task| {
        let (task, first_block) = (task / parts, task % parts * part);
        let (image, first_row) = (task / tiles, task % tiles * layout.rows);
        with_scratch(layout.floats(), |scratch| {
            tiles::run(Tile {
                layout: &layout,
                offsets: &offsets,
                image: x.image(image, [shape.in_channels, shape.in_plane()]),
                weights: &weights,
                starts: &starts,
                scratch,
                finish: finish.of_image(image, shape.batch, [shape.out_channels, shape.out_plane()]),
                out: out.image(image, [shape.out_channels, shape.out_plane()]),
                first_row,
                rows: layout.rows.min(height - first_row),
                blocks: first_block.min(blocks)..(first_block + part).min(blocks),
            });
        });
    });
}

/// Weights as `[out / 16][step][half][out of 16][pair]`. The pairs of a step are consecutive input channels;
/// if rows are joined, they continue with those of the next kernel row.
fn pack_weights(layout: &Layout, weight: impl Fn(usize, usize, usize) -> f32 + Sync) -> Buffer {
    let shape = &layout.shape;
    let columns = shape.kernel[1];
    // [joined kernel rows][kernel column][row of them][in]
    let row = layout.steps_of_joined() * 2 * SIDE;
    let start = |tap: usize| {
        let (place, joined) = (tap / columns / layout.joined(), tap / columns % layout.joined());
        (place * columns + tap % columns) * row + joined * 2 * layout.pairs
    };
    let starts: Vec<usize> = (0..shape.taps()).map(start).collect();
    let mut packed = Buffer::uninitialised(shape.out_channels.div_ceil(SIDE) * layout.steps() * STEP);
    packed.par_chunks_mut(layout.steps() * STEP).enumerate().for_each(|(block, packed)| {
        with_scratch(layout.steps() * 2 * SIDE, |sorted| {
            for index in 0..SIDE {
                let out = block * SIDE + index;
                sorted.fill(0.0);
                for input in 0..if out < shape.out_channels { shape.in_channels } else { 0 } {
                    for (tap, start) in starts.iter().enumerate() {
                        sorted[start + input] = weight(out, input, tap);
                    }
                }
                for (step, packed) in packed.chunks_exact_mut(STEP).enumerate() {
                    let [row, column, pair] = layout.step(step);
                    let from = &sorted[starts[row * columns + column] + 2 * pair..][..2 * SIDE];
                    let (high, low) = packed.split_at_mut(TILE);
                    let to = index * SIDE..(index + 1) * SIDE;
                    split(from, &mut high[to.clone()], &mut low[to]);
                }
            }
        });
    });
    packed
}

/// One row tile: packs its input, multiplies, and finishes and stores the sums.
struct Tile<'a> {
    layout: &'a Layout,
    offsets: &'a [usize],
    image: Image<'a>,
    weights: &'a [f32],
    starts: &'a [f32],
    scratch: &'a mut [f32],
    finish: ImageFinish<'a>,
    out: ImageMut<'a>,
    first_row: usize,
    rows: usize,
    blocks: Range<usize>,
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let layout = self.layout;
        layout.pack(self.image, self.first_row, self.rows, self.scratch);
        let columns = layout.columns(self.rows);
        let panel = self.scratch.as_ptr().cast::<u8>();
        let input = Factor { row: layout.pair * size_of::<f32>(), low: layout.len * size_of::<f32>() };
        let weight = Factor { row: SIDE * size_of::<f32>(), low: TILE_BYTES };
        let block_floats = layout.steps() * STEP;
        let block_start =
            |block: usize| self.weights[block * block_floats..][..block_floats].as_ptr().cast::<u8>();
        let steps = || self.offsets.iter().copied();
        debug_assert!(columns.iter().all(|column| {
            let reach =
                self.offsets.iter().max().unwrap_or(&0) / size_of::<f32>() + (SIDE - 1) * layout.pair + SIDE;
            column.from + reach <= layout.len
        }));
        let tiles = Tiles::configure();
        let mut sums = Sums([0.0; 4 * TILE]);
        let to = sums.0.as_mut_ptr();
        let mut block = self.blocks.start;
        while block < self.blocks.end {
            let is_pair = block + 1 < self.blocks.end;
            // The last group may have fewer tiles; results that are computed twice are stored once.
            for columns in columns.chunks(if is_pair { 2 } else { 3 }) {
                let at = |index: usize| {
                    panel.wrapping_add(columns[index.min(columns.len() - 1)].from * size_of::<f32>())
                };
                // SAFETY: every step of every column is inside the panel (asserted), and those of a block are
                // inside its weights; no other task has these rows and blocks.
                unsafe {
                    if is_pair {
                        let a = [block_start(block), block_start(block + 1)];
                        tiles.two_by_two(
                            (a, weight, 2 * TILE_BYTES),
                            ([at(0), at(1)], input),
                            steps(),
                            std::array::from_fn(|tile| to.wrapping_add(tile * TILE)),
                            true,
                        );
                        for (index, column) in columns.iter().enumerate() {
                            self.store::<S>(block, column, &sums.0[index * TILE..]);
                            self.store::<S>(block + 1, column, &sums.0[(2 + index) * TILE..]);
                        }
                    } else {
                        tiles.one_by_three(
                            (block_start(block), weight, 2 * TILE_BYTES),
                            ([at(0), at(1), at(2)], input),
                            steps(),
                            std::array::from_fn(|tile| to.wrapping_add(tile * TILE)),
                            true,
                        );
                        for (index, column) in columns.iter().enumerate() {
                            self.store::<S>(block, column, &sums.0[index * TILE..]);
                        }
                    }
                }
            }
            block += if is_pair { 2 } else { 1 };
        }
        // SAFETY: the caller ensures the instructions.
        unsafe { S::fence() };
    }
}

impl Tile<'_> {
    /// Finishes and stores the sums of sixteen output channels for a tile of pixels.
    ///
    /// # Safety
    /// The processor has the instructions of `S`, whose vectors are rows of a tile; no other task writes
    /// these pixels.
    #[inline(always)]
    unsafe fn store<S: Simd>(&self, block: usize, column: &Column, sums: &[f32]) {
        let shape = &self.layout.shape;
        let width = shape.out_size[1];
        let first_pixel = self.first_row * width;
        debug_assert!(S::LANES == SIDE && sums.len() >= TILE);
        for index in 0..SIDE.min(shape.out_channels - block * SIDE) {
            let channel = block * SIDE + index;
            let out = self.finish.channel(channel, &self.out);
            // SAFETY: the caller ensures the instructions; the pointers cover all loads and stores, which the
            // caller ensures are only this task's.
            unsafe {
                let row = S::add(S::load(sums.as_ptr().add(index * SIDE)), S::splat(self.starts[channel]));
                if let Some((pixel, live)) = column.run {
                    out.store::<S>(row, first_pixel + pixel, live);
                    continue;
                }
                // The tile spans pieces of rows, separated by columns that are not part of the output.
                let mut lanes = [0.0f32; SIDE];
                S::store(lanes.as_mut_ptr(), row);
                let mut lane = 0;
                while lane < SIDE {
                    let (row, x) =
                        ((column.from + lane) / self.layout.row, (column.from + lane) % self.layout.row);
                    let here = (SIDE - lane).min(self.layout.row - x);
                    if row < self.rows && x < width {
                        let wanted = here.min(width - x);
                        let pixel = first_pixel + row * width + x;
                        out.store_slice(&mut lanes[lane..][..wanted], pixel);
                    }
                    lane += here;
                }
            }
        }
    }
}
