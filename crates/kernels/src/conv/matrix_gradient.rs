//! Weight gradient by tile products (AMX): input channels times output channels, summed over pixels.
//!
//! A unit is a few rows of an image. Its input is stored in rows with room for the kernel's reach, with the
//! halves of each channel in pixel order. Each tap is an offset; sixteen channels by 32 pixels form the first
//! factor. The output gradient is stored in rows of the same length, zero at the edge columns of the input,
//! as pairs of pixels `[pair][out]`: the second factor. Each task sums its units into its own weights, which
//! are added in the order of the tasks.

use rayon::prelude::*;

use super::halves::split;
use super::images::{Image, Images};
use super::panel::{copy_row, odd_lines};
use super::shape::ConvShape;
use crate::memory::{Buffer, with_scratch};
use crate::share::Shared;
use crate::simd::{Kernel, Simd};
use crate::tiles::{self, Factor, SIDE, Sums, TILE, TILE_BYTES, Tiles};

/// Pixels of a unit. With fewer, more rows are packed twice; with more, a unit does not fit into the
/// second-level cache.
const PIXELS: usize = 1024;
/// Approximate number of tasks, constant so that the result is deterministic.
const TASKS: usize = 16;
/// Pixels of a step.
const STEP: usize = 2 * SIDE;
/// Number of steps processed for all taps before the next steps, so that their input stays in the first-level
/// cache.
const STEPS: usize = 8;

/// Split of the work, and memory layout of a unit.
struct Plan {
    shape: ConvShape,
    /// Output rows per unit, and units per image.
    rows: usize,
    units: usize,
    chunks: usize,
    /// Parts of the input channels, and blocks of sixteen channels per part.
    parts: usize,
    part_blocks: usize,
    out_blocks: usize,
    /// Pixels from one row to the next.
    line: usize,
    /// Steps of a unit.
    steps: usize,
    /// Pixels per channel of the input, per copy of it, and per channel of the gradient.
    channel: usize,
    copy: usize,
    gradient: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let [height, width] = shape.out_size;
        let [kernel_height, kernel_width] = shape.kernel;
        let [down, across] = shape.dilation;
        let is_dense = shape.stride == [1, 1];
        let line = if is_dense { width + across * (kernel_width - 1) } else { width };
        let rows = (PIXELS / line).clamp(1, height);
        let units = height.div_ceil(rows);
        let rows = height.div_ceil(units);
        let units = height.div_ceil(rows);
        let steps = (rows * line).div_ceil(STEP);
        let reach =
            if is_dense { down * (kernel_height - 1) * line + across * (kernel_width - 1) } else { 0 };
        // Each float holds two halves.
        let copy = 2 * odd_lines((steps * STEP + reach).div_ceil(2));
        let copies = if is_dense { 1 } else { shape.taps() };
        let in_blocks = shape.in_channels.div_ceil(SIDE);
        let all_units = shape.batch * units;
        let parts = (TASKS / all_units).clamp(1, in_blocks.div_ceil(2));
        let part_blocks = in_blocks.div_ceil(parts);
        let parts = in_blocks.div_ceil(part_blocks);
        Self {
            shape: *shape,
            rows,
            units,
            chunks: all_units.min(TASKS),
            parts,
            part_blocks,
            out_blocks: shape.out_channels.div_ceil(SIDE),
            line,
            steps,
            channel: copies * copy,
            copy,
            gradient: 2 * odd_lines(steps * SIDE),
        }
    }

    /// Floats of the weights of one task, `[out / 16][in / 16][tap][in of 16][out of 16]`.
    fn partial(&self) -> usize {
        self.out_blocks * self.part_blocks * self.shape.taps() * TILE
    }

    /// Pixels from an output pixel to a tap.
    fn offset(&self, tap: usize) -> usize {
        let [row, column] = [tap / self.shape.kernel[1], tap % self.shape.kernel[1]];
        match self.shape.stride {
            [1, 1] => row * self.shape.dilation[0] * self.line + column * self.shape.dilation[1],
            _ => tap * self.copy,
        }
    }

    /// Floats of the input halves, of the gradient pairs, and of the scratch from which they are packed.
    fn scratch(&self) -> [usize; 3] {
        [
            self.part_blocks * SIDE * self.channel,
            self.out_blocks * self.steps * 2 * TILE,
            self.copy.max(self.gradient) + SIDE * self.gradient,
        ]
    }
}

/// Whether this method is worthwhile: at least half of the computed pixels are needed.
pub(crate) fn is_suitable(shape: &ConvShape) -> bool {
    let plan = Plan::new(shape);
    2 * plan.rows * shape.out_size[1] >= plan.steps * STEP
}

/// Writes the gradient of the weights `[out, in, kh, kw]` for the input `x` and the output gradient.
pub(crate) fn weight_gradient(shape: &ConvShape, x: Images, out_gradient: &[f32], gradient: &mut [f32]) {
    let plan = Plan::new(shape);
    let mut partials = Buffer::uninitialised(plan.chunks * plan.parts * plan.partial());
    let shared = Shared::new(&mut partials);
    (0..plan.chunks * plan.parts).into_par_iter().for_each(|task| {
        // SAFETY: each task has its own part.
        let sums = unsafe { shared.slice(task * plan.partial(), plan.partial()) };
        with_scratch(plan.scratch().iter().sum(), |scratch| {
            tiles::run(Task { plan: &plan, x, out_gradient, task, sums, scratch });
        });
    });
    let part = shape.in_channels * shape.taps();
    gradient.par_chunks_mut(SIDE * part).enumerate().for_each(|(block, gradient)| {
        collect(&plan, &partials, block, gradient);
    });
}

struct Task<'a> {
    plan: &'a Plan,
    x: Images<'a>,
    out_gradient: &'a [f32],
    task: usize,
    sums: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, x, out_gradient, task, sums, scratch } = self;
        let (chunk, part) = (task / plan.parts, task % plan.parts);
        let shape = &plan.shape;
        let first_channel = part * plan.part_blocks * SIDE;
        let out_image = shape.out_channels * shape.out_plane();
        let [input_len, gradient_len, _] = plan.scratch();
        let (input, rest) = scratch.split_at_mut(input_len);
        let (gradient, lines) = rest.split_at_mut(gradient_len);
        let all_units = shape.batch * plan.units;
        let units = chunk * all_units / plan.chunks..(chunk + 1) * all_units / plan.chunks;
        let tiles = Tiles::configure();
        let sums = Shared::new(sums);
        for unit in units.clone() {
            let (image, first_row) = (unit / plan.units, unit % plan.units * plan.rows);
            let rows = plan.rows.min(shape.out_size[0] - first_row);
            pack_input(
                plan,
                x.image(image, [shape.in_channels, shape.in_plane()]),
                first_channel,
                first_row,
                rows,
                lines,
                input,
            );
            let planes = &out_gradient[image * out_image..][..out_image];
            // SAFETY: the caller ensures the instructions.
            unsafe {
                pack_gradient::<S>(plan, planes, first_row, rows, lines, gradient);
                multiply(plan, &tiles, input, gradient, sums, unit == units.start);
            }
        }
    }
}

/// Halves `[channel][half][copy]` of the input of a unit.
#[inline(always)]
fn pack_input(
    plan: &Plan,
    image: Image,
    first_channel: usize,
    first_row: usize,
    rows: usize,
    lines: &mut [f32],
    input: &mut [f32],
) {
    let shape = &plan.shape;
    let ([height, width], [pad_top, pad_left]) = (shape.in_size, shape.padding);
    let line = &mut lines[..plan.copy];
    let half = plan.channel / 2;
    let kernel_width = shape.kernel[1];
    for (index, to) in input.chunks_exact_mut(plan.channel).enumerate() {
        let channel = first_channel + index;
        if channel >= shape.in_channels {
            to.fill(0.0);
            continue;
        }
        let plane = image.channel(channel);
        let source = |row: usize| {
            let row = row.wrapping_sub(pad_top);
            (row < height).then(|| &plane[row * width..][..width])
        };
        let (high, low) = to.split_at_mut(half);
        if shape.stride == [1, 1] {
            let in_rows = rows + shape.dilation[0] * (shape.kernel[0] - 1);
            for (row, to) in line.chunks_mut(plan.line).enumerate() {
                let from = if row < in_rows { source(first_row + row) } else { None };
                copy_row(from, pad_left, 0, 1, to);
            }
            split(line, high, low);
            continue;
        }
        for tap in 0..shape.taps() {
            let [down, across] =
                [tap / kernel_width * shape.dilation[0], tap % kernel_width * shape.dilation[1]];
            for (row, to) in line.chunks_mut(plan.line).enumerate() {
                let from = if row < rows { source((first_row + row) * shape.stride[0] + down) } else { None };
                copy_row(from, pad_left, across, shape.stride[1], to);
            }
            let place = tap * plan.copy / 2..(tap + 1) * plan.copy / 2;
            split(line, &mut high[place.clone()], &mut low[place]);
        }
    }
}

/// Pairs of pixels of the output gradient of a unit, `[out / 16][step][half][pair][out of 16]`.
///
/// # Safety
/// The processor has the instructions of `S`, whose vectors are rows of a tile.
#[inline(always)]
unsafe fn pack_gradient<S: Simd>(
    plan: &Plan,
    planes: &[f32],
    first_row: usize,
    rows: usize,
    lines: &mut [f32],
    gradient: &mut [f32],
) {
    let shape = &plan.shape;
    let width = shape.out_size[1];
    let (line, halves) = lines.split_at_mut(plan.copy.max(plan.gradient));
    let line = &mut line[..plan.gradient];
    let half = plan.gradient / 2;
    for (block, gradient) in gradient.chunks_exact_mut(plan.steps * 2 * TILE).enumerate() {
        for (index, halves) in halves.chunks_exact_mut(plan.gradient).enumerate() {
            let channel = block * SIDE + index;
            if channel >= shape.out_channels {
                halves.fill(0.0);
                continue;
            }
            let from = &planes[channel * shape.out_plane() + first_row * width..][..rows * width];
            let (used, rest) = line.split_at_mut(rows * plan.line);
            for (to, from) in used.chunks_exact_mut(plan.line).zip(from.chunks_exact(width)) {
                to[..width].copy_from_slice(from);
                to[width..].fill(0.0);
            }
            rest.fill(0.0);
            let (high, low) = halves.split_at_mut(half);
            split(line, high, low);
        }
        for step in 0..plan.steps {
            for part in 0..2 {
                let from = halves[part * half + step * SIDE..].as_ptr();
                let to = gradient[(2 * step + part) * TILE..][..TILE].as_mut_ptr();
                debug_assert!(part * half + step * SIDE + (SIDE - 1) * plan.gradient + SIDE <= halves.len());
                // SAFETY: sixteen channels by sixteen pairs, inside both as asserted.
                unsafe { S::transpose(from, plan.gradient, to, SIDE) };
            }
        }
    }
}

/// Adds the products of a unit to the sums.
///
/// # Safety
/// The packed input and gradient are those of `plan`.
#[inline(always)]
unsafe fn multiply(
    plan: &Plan,
    tiles: &Tiles,
    input: &[f32],
    gradient: &[f32],
    sums: Shared<f32>,
    is_first: bool,
) {
    let taps = plan.shape.taps();
    let rows = plan.part_blocks * taps;
    let half = size_of::<u16>();
    let a_factor = Factor { row: 2 * plan.channel * half, low: plan.channel * half };
    let b_factor = Factor { row: SIDE * size_of::<f32>(), low: TILE_BYTES };
    let a_step = STEP * half;
    // Rows that are computed twice give the same result.
    let a = |row: usize| {
        let row = row.min(rows - 1);
        let pixel = row / taps * SIDE * 2 * plan.channel + plan.offset(row % taps);
        debug_assert!(
            pixel + plan.steps * STEP + (SIDE - 1) * 2 * plan.channel + plan.channel <= 2 * input.len()
        );
        input.as_ptr().cast::<u8>().wrapping_add(pixel * half)
    };
    let b = |block: usize| gradient[block * plan.steps * 2 * TILE..].as_ptr().cast::<u8>();
    let mut unwanted = Sums([0.0; TILE]);
    let unwanted = unwanted.0.as_mut_ptr();
    for first_step in (0..plan.steps).step_by(STEPS) {
        let steps = first_step..(first_step + STEPS).min(plan.steps);
        let offsets = || steps.clone().map(|step| step * 2 * TILE_BYTES);
        let is_first = is_first && first_step == 0;
        let a = |row: usize| a(row).wrapping_add(first_step * a_step);
        let mut block = 0;
        while block < plan.out_blocks {
            let is_pair = block + 1 < plan.out_blocks;
            let count = if is_pair { 2 } else { 3 };
            for first in (0..rows).step_by(count) {
                let sum = |row: usize, column: usize| match first + row < rows {
                    true => sums.pointer(((block + column) * rows + first + row) * TILE, TILE),
                    false => unwanted,
                };
                // SAFETY: every step of every row of tiles is inside the input (asserted), and every step of
                // the blocks is inside the gradient; the sums belong to this task only.
                unsafe {
                    if is_pair {
                        tiles.two_by_two(
                            ([a(first), a(first + 1)], a_factor, a_step),
                            ([b(block), b(block + 1)], b_factor),
                            offsets(),
                            [sum(0, 0), sum(0, 1), sum(1, 0), sum(1, 1)],
                            is_first,
                        );
                    } else {
                        tiles.three_by_one(
                            ([a(first), a(first + 1), a(first + 2)], a_factor, a_step),
                            (b(block), b_factor),
                            offsets(),
                            [sum(0, 0), sum(1, 0), sum(2, 0)],
                            is_first,
                        );
                    }
                }
            }
            block += if is_pair { 2 } else { 1 };
        }
    }
}

/// Adds the tasks' sums for sixteen output channels.
fn collect(plan: &Plan, partials: &[f32], block: usize, gradient: &mut [f32]) {
    let taps = plan.shape.taps();
    let part_len = plan.shape.in_channels * taps;
    for channel in 0..plan.shape.in_channels {
        let (in_block, lane) = (channel / SIDE, channel % SIDE);
        let (part, in_block) = (in_block / plan.part_blocks, in_block % plan.part_blocks);
        for tap in 0..taps {
            let place = ((block * plan.part_blocks + in_block) * taps + tap) * TILE + lane * SIDE;
            let mut found = [0.0f32; SIDE];
            for chunk in 0..plan.chunks {
                let sums = &partials[(chunk * plan.parts + part) * plan.partial() + place..][..SIDE];
                for (found, sum) in found.iter_mut().zip(sums) {
                    *found += sum;
                }
            }
            for (gradient, found) in gradient.chunks_exact_mut(part_len).zip(found) {
                gradient[channel * taps + tap] = found;
            }
        }
    }
}
