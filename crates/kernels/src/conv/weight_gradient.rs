//! The gradient for the weights: products of the output gradient with the panel, summed over pixels.
//!
//! The output gradient of a tile is transposed to `[pixel][out]`, so that a vector holds output channels, and the
//! input is broadcast from the same panels as in the forward pass: its rows, or for 3x3 kernels the components of
//! [`winograd`](super::winograd). Each task sums its tiles into weights of its own; these are added in the order of
//! the tasks, and Winograd's components become kernel rows at the very end.

use rayon::prelude::*;

use super::matrix_gradient;
use super::panel::{Panel, odd_lines};
use super::shape::ConvShape;
use super::winograd::{self, COMPONENTS, GROUP, KERNEL_TO_COMPONENTS};
use crate::memory::{Buffer, with_scratch};
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Pixels that are summed in registers before the sums in memory are touched; more than this make a tile too large
/// for the cache.
const PIXELS: usize = 512;
/// Tasks to aim for, a constant for the sake of determinism.
const TASKS: usize = 16;
/// Input channels that are worth a task of their own, which transposes the output gradient once more.
const PART: usize = 32;
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
    if level == Level::Amx && matrix_gradient::is_suitable(shape) {
        return matrix_gradient::weight_gradient(shape, x, out_gradient, gradient);
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
    let part = shape.in_channels * shape.taps();
    gradient.par_chunks_mut(LINE * part).enumerate().for_each(|(index, gradient)| {
        level.run(Collect { shape, plan: &plan, partials: &partials, first_out: index * LINE, gradient });
    });
}

/// How the work is split: chunks of units (some rows of an image) by parts of the input channels.
struct Plan {
    /// Winograd's components, or none: then a unit's rows are output rows and not groups of them.
    is_winograd: bool,
    panel: Panel,
    /// Rows (or groups) of an image.
    rows: usize,
    /// Units of an image.
    units: usize,
    /// Units that are packed and multiplied together.
    together: usize,
    chunks: usize,
    parts: usize,
    /// Input channels of a part.
    part_channels: usize,
    padded_out: usize,
    /// Floats of a task's own weights, `[component][in][tap][padded out]`.
    partial: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let is_winograd = winograd::is_suitable(shape);
        let panel_shape = if is_winograd { winograd::component_rows(shape) } else { *shape };
        let [rows, width] = panel_shape.out_size;
        // Overlapping rows of neighbouring units are packed twice, so that a few rows are the least.
        let least = if is_winograd { 1 } else { 8 };
        let panel = Panel::new(&panel_shape, (PIXELS / width).max(least).min(rows));
        let units = rows.div_ceil(panel.rows);
        let parts = shape.in_channels.div_ceil(PART).min(TASKS / 2);
        let part_channels = shape.in_channels.div_ceil(parts);
        let parts = shape.in_channels.div_ceil(part_channels);
        let all_units = shape.batch * units;
        let full = (shape.batch * rows * width).div_ceil(PIXELS);
        let chunks = full.clamp((TASKS / 2).div_ceil(parts), TASKS.div_ceil(parts)).min(all_units);
        let together = (PIXELS / (panel.rows * width)).clamp(1, all_units.div_ceil(chunks));
        let padded_out = shape.out_channels.next_multiple_of(OUT_BLOCK);
        let components = if is_winograd { COMPONENTS } else { 1 };
        let partial = odd_lines(components * part_channels * panel.taps.len() * padded_out);
        Self { is_winograd, panel, rows, units, together, chunks, parts, part_channels, padded_out, partial }
    }

    fn tasks(&self) -> usize {
        self.chunks * self.parts
    }

    fn components(&self) -> usize {
        if self.is_winograd { COMPONENTS } else { 1 }
    }

    /// Most pixels that are multiplied together.
    fn pixels(&self) -> usize {
        self.together * self.panel.rows * self.panel.width()
    }

    /// Floats of the panels of a unit.
    fn unit_panel(&self) -> usize {
        self.panel.len(self.components() * self.part_channels).next_multiple_of(16)
    }

    /// Floats for the components of one channel, or of the output gradient of one group.
    fn components_len(&self) -> usize {
        match self.is_winograd {
            true => COMPONENTS * self.panel.width() * self.panel.rows.max(LINE),
            false => 0,
        }
    }

    /// Floats for the panels, the transposed gradient and the components.
    fn scratch(&self) -> usize {
        self.together * self.unit_panel()
            + self.components() * self.pixels() * self.padded_out
            + self.components_len()
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
        let panel = &plan.panel;
        let width = panel.width();
        let (in_image, out_image) =
            (shape.in_channels * shape.in_plane(), shape.out_channels * shape.out_plane());
        let (packed, rest) = scratch.split_at_mut(plan.together * plan.unit_panel());
        let (transposed, components) = rest.split_at_mut(plan.components() * plan.pixels() * plan.padded_out);
        let sum_rows = channels * panel.taps.len();
        sums.fill(0.0);
        let all_units = shape.batch * plan.units;
        let (mut unit, end) = (chunk * all_units / plan.chunks, (chunk + 1) * all_units / plan.chunks);
        let mut runs = Vec::new();
        while unit < end {
            // Pack a few units, whose pixels follow each other in the transposed gradient.
            let last = (unit + plan.together).min(end);
            let mut pixels = 0;
            for other in unit..last {
                let first_row = other % plan.units * panel.rows;
                pixels += panel.rows.min(plan.rows - first_row) * width;
            }
            let (mut first_pixel, mut base) = (0, 0);
            runs.clear();
            for other in unit..last {
                let (image, first_row) = (other / plan.units, other % plan.units * panel.rows);
                let rows = panel.rows.min(plan.rows - first_row);
                let image_x = &x[image * in_image..][..in_image];
                let image_gradient = &out_gradient[image * out_image..][..out_image];
                let packed = &mut packed[base..][..plan.unit_panel()];
                let to = Transposed { all: &mut *transposed, pixels, first_pixel };
                // SAFETY: the instructions are the caller's promise.
                unsafe {
                    if plan.is_winograd {
                        let wanted = first_channel..first_channel + channels;
                        winograd::pack_components(
                            shape, panel, image_x, wanted, first_row, rows, components, packed,
                        );
                        to.take_components::<S>(shape, image_gradient, first_row, rows, components);
                    } else {
                        for channel in 0..channels {
                            let plane = &image_x[(first_channel + channel) * shape.in_plane()..];
                            let to = &mut packed[channel * panel.channel..][..panel.channel];
                            panel.pack(&plane[..shape.in_plane()], first_row, rows, to);
                        }
                        to.take::<S>(shape, image_gradient, first_row * width, rows * width);
                    }
                }
                let unit_runs = panel.runs(rows);
                for run in 0..unit_runs.count {
                    runs.push(Run { from: base + run * unit_runs.line, len: unit_runs.len });
                }
                first_pixel += rows * width;
                base += plan.unit_panel();
            }
            for component in 0..plan.components() {
                let product = Product {
                    panel,
                    sum_rows,
                    packed: &packed[component * channels * panel.channel..],
                    transposed: &transposed[component * pixels * padded_block::<S>(shape.out_channels)..],
                    runs: &runs,
                    pixels,
                };
                let sums = &mut sums[component * sum_rows * plan.padded_out..];
                // SAFETY: the instructions are the caller's promise; the panels hold every offset of the runs.
                unsafe {
                    accumulate::<S>(&product, plan.padded_out, shape.out_channels, sums);
                }
            }
            unit = last;
        }
    }
}

/// Consecutive pixels in the panels.
#[derive(Clone, Copy)]
struct Run {
    from: usize,
    len: usize,
}

/// Vectors of output channels in a register tile: two, unless one holds all channels.
#[inline(always)]
fn out_vectors<S: Simd>(out_channels: usize) -> usize {
    if out_channels <= S::LANES { 1 } else { 2 }
}

/// Output channels rounded up to whole register tiles.
#[inline(always)]
fn padded_block<S: Simd>(out_channels: usize) -> usize {
    out_channels.next_multiple_of(out_vectors::<S>(out_channels) * S::LANES)
}

/// Where the output gradient goes: `[component][out block][pixel][out of the block]`, from `first_pixel` of `pixels`.
struct Transposed<'a> {
    all: &'a mut [f32],
    pixels: usize,
    first_pixel: usize,
}

impl Transposed<'_> {
    /// Takes `count` pixels from `first` of each channel.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn take<S: Simd>(self, shape: &ConvShape, planes: &[f32], first: usize, count: usize) {
        for lanes in (0..padded_block::<S>(shape.out_channels)).step_by(S::LANES) {
            let live = S::LANES.min(shape.out_channels.saturating_sub(lanes));
            let planes = &planes[lanes.min(shape.out_channels) * shape.out_plane()..];
            let to = self.place::<S>(shape, 0, lanes) + self.first_pixel * self.line::<S>(shape);
            // SAFETY: the caller's promise.
            unsafe {
                let (line, all) = (self.line::<S>(shape), &mut self.all[to..]);
                transpose_lanes::<S>(planes, shape.out_plane(), first, count, live, all, line);
            }
        }
    }

    /// Takes the components of groups of rows.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn take_components<S: Simd>(
        self,
        shape: &ConvShape,
        planes: &[f32],
        first_group: usize,
        groups: usize,
        components: &mut [f32],
    ) {
        let [height, width] = shape.out_size;
        let zeros = vec![0.0; width];
        for lanes in (0..padded_block::<S>(shape.out_channels)).step_by(S::LANES) {
            let live = S::LANES.min(shape.out_channels.saturating_sub(lanes));
            for group in 0..groups {
                for lane in 0..live {
                    let plane = &planes[(lanes + lane) * shape.out_plane()..][..shape.out_plane()];
                    let mut rows = [zeros.as_slice(); GROUP];
                    for (index, to) in rows.iter_mut().enumerate() {
                        let row = (first_group + group) * GROUP + index;
                        if row < height {
                            *to = &plane[row * width..][..width];
                        }
                    }
                    winograd::output_components(
                        rows,
                        &mut components[lane * COMPONENTS * width..][..COMPONENTS * width],
                    );
                }
                for component in 0..COMPONENTS {
                    let to = self.place::<S>(shape, component, lanes)
                        + (self.first_pixel + group * width) * self.line::<S>(shape);
                    // SAFETY: the caller's promise.
                    unsafe {
                        let (line, all) = (self.line::<S>(shape), &mut self.all[to..]);
                        transpose_lanes::<S>(
                            components,
                            COMPONENTS * width,
                            component * width,
                            width,
                            live,
                            all,
                            line,
                        );
                    }
                }
            }
        }
    }

    /// Floats from pixel to pixel.
    #[inline(always)]
    fn line<S: Simd>(&self, shape: &ConvShape) -> usize {
        out_vectors::<S>(shape.out_channels) * S::LANES
    }

    /// Where a vector of output channels starts.
    #[inline(always)]
    fn place<S: Simd>(&self, shape: &ConvShape, component: usize, lanes: usize) -> usize {
        let line = self.line::<S>(shape);
        let block = lanes / line * self.pixels * line + lanes % line;
        component * self.pixels * padded_block::<S>(shape.out_channels) + block
    }
}

/// Transposes `count` pixels from `first` of `live` channels, at most LANES, `plane` floats apart; channels that do
/// not exist are zero.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn transpose_lanes<S: Simd>(
    planes: &[f32],
    plane: usize,
    first: usize,
    count: usize,
    live: usize,
    to: &mut [f32],
    line: usize,
) {
    let mut done = 0;
    if live == S::LANES {
        assert!(planes.len() >= (S::LANES - 1) * plane + first + count);
        assert!(count == 0 || to.len() >= (count - 1) * line + S::LANES);
        while done + S::LANES <= count {
            // SAFETY: LANES channels by LANES pixels, inside both slices as just asserted.
            unsafe {
                S::transpose(
                    planes.as_ptr().add(first + done),
                    plane,
                    to.as_mut_ptr().add(done * line),
                    line,
                );
            }
            done += S::LANES;
        }
    }
    for pixel in done..count {
        for (channel, to) in to[pixel * line..][..S::LANES].iter_mut().enumerate() {
            *to = if channel < live { planes[channel * plane + first + pixel] } else { 0.0 };
        }
    }
}

/// Packed panels and the transposed gradient of the same pixels.
struct Product<'a> {
    panel: &'a Panel,
    /// Rows of the sums: channels by taps, taps fastest.
    sum_rows: usize,
    packed: &'a [f32],
    transposed: &'a [f32],
    runs: &'a [Run],
    pixels: usize,
}

impl Product<'_> {
    /// What row `row` is multiplied with, for pixel 0; that of row 0 for rows beyond the last.
    fn start(&self, row: usize) -> *const f32 {
        let (channel, tap) = (row / self.panel.taps.len(), row % self.panel.taps.len());
        let offset =
            if row < self.sum_rows { channel * self.panel.channel + self.panel.taps[tap] } else { 0 };
        debug_assert!(self.runs.iter().all(|run| offset + run.from + run.len <= self.packed.len()));
        self.packed[offset..].as_ptr()
    }
}

/// Where the G rows of a register tile are read.
trait Rows<const G: usize>: Copy {
    /// The place of a row at a pixel.
    fn place(&self, row: usize, pixel: usize) -> *const f32;
}

/// A pointer for each row.
#[derive(Clone, Copy)]
struct Apart<const G: usize>([*const f32; G]);

impl<const G: usize> Rows<G> for Apart<G> {
    #[inline(always)]
    fn place(&self, row: usize, pixel: usize) -> *const f32 {
        self.0[row].wrapping_add(pixel)
    }
}

/// A pointer for every three rows, the taps of a channel: fewer than there are registers.
#[derive(Clone, Copy)]
struct InThrees<const G: usize> {
    /// The first G / 3 are used.
    channels: [*const f32; G],
    taps: [usize; 3],
}

impl<const G: usize> Rows<G> for InThrees<G> {
    #[inline(always)]
    fn place(&self, row: usize, pixel: usize) -> *const f32 {
        self.channels[row / 3].wrapping_add(pixel + self.taps[row % 3])
    }
}

/// Adds the products of a component to its sums `[row][padded out]`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn accumulate<S: Simd>(product: &Product, padded_out: usize, out_channels: usize, sums: &mut [f32]) {
    // As many rows as the accumulators of a forward tile hold in two vectors: of output channels, or else of pixels.
    let group = S::ROWS * S::COLUMNS / 2;
    let line = out_vectors::<S>(out_channels) * S::LANES;
    for first_out in (0..out_channels).step_by(line) {
        let gradient = &product.transposed[first_out * product.pixels..][..product.pixels * line];
        for first in (0..product.sum_rows).step_by(group) {
            let live = group.min(product.sum_rows - first);
            let sums = &mut sums[first * padded_out + first_out..];
            // SAFETY: by the caller's promise.
            unsafe {
                match (group, line == S::LANES) {
                    (12, true) => rows::<S, 12, 1, 2>(product, gradient, first, live, padded_out, sums),
                    (12, false) => rows::<S, 12, 2, 1>(product, gradient, first, live, padded_out, sums),
                    (6, true) => rows::<S, 6, 1, 2>(product, gradient, first, live, padded_out, sums),
                    (6, false) => rows::<S, 6, 2, 1>(product, gradient, first, live, padded_out, sums),
                    (_, true) => rows::<S, 4, 1, 2>(product, gradient, first, live, padded_out, sums),
                    (_, false) => rows::<S, 4, 2, 1>(product, gradient, first, live, padded_out, sums),
                }
            }
        }
    }
}

/// G rows of the sums from `first`, `live` of which exist.
///
/// # Safety
/// As for [`accumulate`].
#[inline(always)]
unsafe fn rows<S: Simd, const G: usize, const V: usize, const P: usize>(
    product: &Product,
    gradient: &[f32],
    first: usize,
    live: usize,
    padded_out: usize,
    sums: &mut [f32],
) {
    let starts = std::array::from_fn::<_, G, _>(|row| product.start(first + row));
    // SAFETY: the starts are valid for all pixels of the runs.
    unsafe {
        match *product.panel.taps {
            [a, b, c] if G.is_multiple_of(3) && live == G => {
                let channels = std::array::from_fn(|i| starts[(3 * i).min(G - 3)].wrapping_sub(a));
                let rows = InThrees { channels, taps: [a, b, c] };
                tile::<S, G, V, P>(product, gradient, rows, live, padded_out, sums);
            }
            _ => tile::<S, G, V, P>(product, gradient, Apart(starts), live, padded_out, sums),
        }
    }
}

/// A register tile: G rows of the sums by V vectors of output channels, for P pixels at a time.
///
/// # Safety
/// The processor has the instructions of `S`; every row is valid at all pixels of the runs.
#[inline(always)]
unsafe fn tile<S: Simd, const G: usize, const V: usize, const P: usize>(
    product: &Product,
    gradient: &[f32],
    rows: impl Rows<G>,
    live: usize,
    padded_out: usize,
    sums: &mut [f32],
) {
    debug_assert_eq!(product.runs.iter().map(|run| run.len).sum::<usize>(), product.pixels);
    debug_assert_eq!(product.pixels * V * S::LANES, gradient.len());
    debug_assert!((live - 1) * padded_out + V * S::LANES <= sums.len());
    // SAFETY: every address is inside the ranges promised and just asserted.
    unsafe {
        let mut acc = [[[S::splat(0.0); V]; G]; P];
        let mut gradient = gradient.as_ptr();
        for run in product.runs {
            let (mut pixel, end) = (run.from, run.from + run.len);
            while pixel + P <= end {
                for (ahead, acc) in acc.iter_mut().enumerate() {
                    step::<S, G, V>(gradient.add(ahead * V * S::LANES), rows, pixel + ahead, acc);
                }
                pixel += P;
                gradient = gradient.add(P * V * S::LANES);
            }
            while pixel < end {
                step::<S, G, V>(gradient, rows, pixel, &mut acc[0]);
                pixel += 1;
                gradient = gradient.add(V * S::LANES);
            }
        }
        // Every row by a constant index, or the sums would be kept in memory throughout.
        let [first, others @ ..] = &mut acc[..] else { return };
        for other in others {
            for (first, other) in first.iter_mut().zip(other) {
                for (first, other) in first.iter_mut().zip(other) {
                    *first = S::add(*first, *other);
                }
            }
        }
        for (row, acc) in acc[0].iter().enumerate() {
            if row < live {
                for (vector, &acc) in acc.iter().enumerate() {
                    let to = sums.as_mut_ptr().add(row * padded_out + vector * S::LANES);
                    S::store(to, S::add(S::load(to), acc));
                }
            }
        }
    }
}

/// Adds the products of one pixel.
///
/// # Safety
/// The processor has the instructions of `S`; the gradient is valid for V vectors, and each row at `pixel`.
#[inline(always)]
unsafe fn step<S: Simd, const G: usize, const V: usize>(
    gradient: *const f32,
    rows: impl Rows<G>,
    pixel: usize,
    acc: &mut [[S::Vector; V]; G],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [S::splat(0.0); V];
        for (vector, lanes) in lanes.iter_mut().enumerate() {
            *lanes = S::load(gradient.add(vector * S::LANES));
        }
        for (row, acc) in acc.iter_mut().enumerate() {
            let x = S::splat(*rows.place(row, pixel));
            for (acc, &lanes) in acc.iter_mut().zip(&lanes) {
                *acc = S::fma(lanes, x, *acc);
            }
        }
    }
}

/// Output channels that share a cache line in the sums.
const LINE: usize = 16;

/// Adds the tasks' sums for some output channels and writes their weights.
struct Collect<'a> {
    shape: &'a ConvShape,
    plan: &'a Plan,
    partials: &'a [f32],
    first_out: usize,
    gradient: &'a mut [f32],
}

impl Kernel for Collect<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, plan, partials, first_out, gradient } = self;
        let taps = plan.panel.taps.len();
        let part_len = shape.in_channels * shape.taps();
        for input in 0..shape.in_channels {
            let (part, channel) = (input / plan.part_channels, input % plan.part_channels);
            let channels = plan.part_channels.min(shape.in_channels - part * plan.part_channels);
            for tap in 0..taps {
                let mut found = [[0.0f32; LINE]; COMPONENTS];
                for chunk in 0..plan.chunks {
                    let partial = &partials[(chunk * plan.parts + part) * plan.partial..][..plan.partial];
                    for (component, found) in found.iter_mut().enumerate().take(plan.components()) {
                        let row = (component * channels + channel) * taps + tap;
                        let sums = &partial[row * plan.padded_out + first_out..][..LINE];
                        for (found, sum) in found.iter_mut().zip(sums) {
                            *found += sum;
                        }
                    }
                }
                if !plan.is_winograd {
                    for (gradient, found) in gradient.chunks_exact_mut(part_len).zip(found[0]) {
                        gradient[input * taps + tap] = found;
                    }
                    continue;
                }
                // Here a tap is a kernel column.
                for row in 0..3 {
                    let mut sums = [0.0f32; LINE];
                    for (factors, found) in KERNEL_TO_COMPONENTS.iter().zip(&found) {
                        for (sum, found) in sums.iter_mut().zip(found) {
                            *sum += factors[row] * found;
                        }
                    }
                    for (gradient, sum) in gradient.chunks_exact_mut(part_len).zip(sums) {
                        gradient[(input * 3 + row) * 3 + tap] = sum;
                    }
                }
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
