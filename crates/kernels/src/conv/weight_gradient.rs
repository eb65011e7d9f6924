//! Weight gradient: products of the output gradient and the panel, summed over pixels.
//!
//! The output gradient of a tile is transposed to `[pixel][out]`, so that a vector holds output channels. The
//! input is broadcast from the same panels as in the forward pass: from its rows or, for 3x3 kernels, from
//! the components of [`winograd`](super::winograd). Each task sums its tiles into its own weights. These are
//! added in the order of the tasks, and at the end Winograd's components are converted to kernel rows.

mod collect;
mod product;
mod transposed;

use rayon::prelude::*;

use self::collect::{Collect, LINE};
use self::product::{Product, Run, accumulate};
use self::transposed::{Transposed, padded_block};
use super::images::Images;
use super::matrix_gradient;
use super::panel::{Panel, odd_lines};
use super::shape::ConvShape;
use super::winograd::{self, COMPONENTS};
use crate::memory::{Buffer, with_scratch};
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Pixels summed in registers before the sums in memory are updated. With more pixels a tile does not fit
/// into the cache.
const PIXELS: usize = 512;
/// Approximate number of tasks, constant so that the result is deterministic.
const TASKS: usize = 16;
/// Smallest number of input channels for a separate task, because each task transposes the output gradient
/// again.
const PART: usize = 32;
/// Output channels are padded to a multiple of two of the widest vectors.
const OUT_BLOCK: usize = 32;

/// Writes the gradient of the weights `[out, in, kh, kw]` for the input `x` and the output gradient.
pub(crate) fn weight_gradient(
    level: Level,
    shape: &ConvShape,
    x: Images,
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

/// Split of the work: chunks of units (some rows of an image) times parts of the input channels.
struct Plan {
    /// Whether Winograd components are used. If so, the rows of a unit are groups of output rows.
    is_winograd: bool,
    panel: Panel,
    /// Rows (or groups) per image.
    rows: usize,
    /// Units per image.
    units: usize,
    /// Units packed and multiplied together.
    together: usize,
    chunks: usize,
    parts: usize,
    /// Input channels per part.
    part_channels: usize,
    padded_out: usize,
    /// Floats of the weights of one task, `[component][in][tap][padded out]`.
    partial: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let is_winograd = winograd::is_suitable(shape);
        let panel_shape = if is_winograd { winograd::component_rows(shape) } else { *shape };
        let [rows, width] = panel_shape.out_size;
        // Overlapping rows of neighbouring units are packed twice, so a unit should have several rows.
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

    /// Largest number of pixels multiplied together.
    fn pixels(&self) -> usize {
        self.together * self.panel.rows * self.panel.width()
    }

    /// Floats of the panels of one unit.
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
        let Self { shape, plan, x, out_gradient, task, sums, scratch } = self;
        let (chunk, part) = (task / plan.parts, task % plan.parts);
        let first_channel = part * plan.part_channels;
        let channels = plan.part_channels.min(shape.in_channels - first_channel);
        let panel = &plan.panel;
        let width = panel.width();
        let out_image = shape.out_channels * shape.out_plane();
        let (packed, rest) = scratch.split_at_mut(plan.together * plan.unit_panel());
        let (transposed, components) = rest.split_at_mut(plan.components() * plan.pixels() * plan.padded_out);
        let sum_rows = channels * panel.taps.len();
        sums.fill(0.0);
        let all_units = shape.batch * plan.units;
        let (mut unit, end) = (chunk * all_units / plan.chunks, (chunk + 1) * all_units / plan.chunks);
        let mut runs = Vec::new();
        while unit < end {
            // Pack a few units, whose pixels are contiguous in the transposed gradient.
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
                let image_x = x.image(image, [shape.in_channels, shape.in_plane()]);
                let image_gradient = &out_gradient[image * out_image..][..out_image];
                let packed = &mut packed[base..][..plan.unit_panel()];
                let to = Transposed { all: &mut *transposed, pixels, first_pixel };
                // SAFETY: the caller ensures the instructions.
                unsafe {
                    if plan.is_winograd {
                        let wanted = first_channel..first_channel + channels;
                        winograd::pack_components(
                            shape, panel, image_x, wanted, first_row, rows, components, packed,
                        );
                        to.take_components::<S>(shape, image_gradient, first_row, rows, components);
                    } else {
                        for channel in 0..channels {
                            let plane = image_x.channel(first_channel + channel);
                            let to = &mut packed[channel * panel.channel..][..panel.channel];
                            panel.pack(plane, first_row, rows, to);
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
                // SAFETY: the caller ensures the instructions; the panels hold every offset of the runs.
                unsafe {
                    accumulate::<S>(&product, plan.padded_out, shape.out_channels, sums);
                }
            }
            unit = last;
        }
    }
}
