//! Weight gradient: products of the output gradient and the input, summed over pixels.
//!
//! The output gradient of some rows is transposed to `[pixel][out]`, so that a vector holds output channels. The input is
//! broadcast: for 3x3 kernels from the components of [`winograd`](super::winograd), for others from the panels of the
//! forward pass. Each task sums its rows into its own weights. These are added in the order of the tasks, and at the end
//! Winograd's components are converted to kernel rows. If there are few pixels, each task sums all of them for its input
//! channels, and its sums are converted while they are in the cache.

mod along_height;
mod collect;
mod product;
mod transposed;

use std::ops::Range;

use rayon::prelude::*;

use self::along_height::Rows;
use self::collect::{Collect, LINE};
use self::product::{Product, Run, accumulate};
use self::transposed::Transposed;
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
const PIXELS: usize = 256;
/// Pixels up to which a task sums all of them: with more, its input does not fit into the second-level cache.
const FEW_PIXELS: usize = 1200;
/// Approximate number of tasks, constant so that the result is deterministic.
const TASKS: usize = 16;
/// Smallest number of input channels for a separate task: without Winograd's components, each task transposes the output
/// gradient again.
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
    let gradients =
        (plan.is_winograd && plan.parts > 1).then(|| components(level, shape, &plan, out_gradient));
    let gradients = gradients.as_deref();
    let plan = &plan;
    if plan.is_whole {
        let (sums, gradient) =
            (plan.components * plan.part_channels * plan.taps * LINE, Shared::new(gradient));
        return (0..plan.parts).into_par_iter().for_each(|task| {
            with_scratch(sums + Collect::scratch(shape) + plan.scratch().iter().sum::<usize>(), |scratch| {
                let (sums, scratch) = scratch.split_at_mut(sums);
                let (collect, scratch) = scratch.split_at_mut(Collect::scratch(shape));
                let task = Task { shape, plan, x, out_gradient, gradients, task, sums, scratch };
                level.run(Whole { task, collect, gradient });
            });
        });
    }
    let mut partials = Buffer::uninitialised(plan.tasks() * plan.partial);
    let shared = Shared::new(&mut partials);
    (0..plan.tasks()).into_par_iter().for_each(|task| {
        // SAFETY: each task has its own part.
        let sums = unsafe { shared.slice(task * plan.partial, plan.partial) };
        with_scratch(plan.scratch().iter().sum(), |scratch| {
            level.run(Task { shape, plan, x, out_gradient, gradients, task, sums, scratch });
        });
    });
    let sums: Vec<&[f32]> = partials.chunks_exact(plan.partial).collect();
    let part = shape.in_channels * shape.taps();
    gradient.par_chunks_mut(LINE * part).enumerate().for_each(|(index, gradient)| {
        with_scratch(Collect::scratch(shape), |scratch| {
            level.run(Collect {
                shape,
                plan,
                inputs: 0..shape.in_channels,
                sums: &sums,
                line: plan.padded_out,
                first_out: index * LINE,
                scratch,
                gradient: Shared::new(gradient),
            });
        });
    });
}

/// The components of the whole output gradient, for parts of the input channels that all need them: for each chunk, a list
/// of each step. Buffers for one chunk find room in idle memory where one for all would not.
fn components(level: Level, shape: &ConvShape, plan: &Plan, out_gradient: &[f32]) -> Vec<Buffer> {
    let [_, len, scratch] = plan.scratch();
    let mut all: Vec<_> = (0..plan.chunks).map(|_| Buffer::uninitialised(plan.steps() * len)).collect();
    all.par_iter_mut().enumerate().for_each(|(chunk, steps)| {
        steps.par_chunks_exact_mut(len).enumerate().for_each(|(step, transposed)| {
            let units = plan.units(chunk, step);
            with_scratch(scratch, |components| {
                level.run(Gradient { shape, plan, out_gradient, units, components, transposed });
            });
        });
    });
    all
}

/// Split of the work: chunks of units (some rows of an image) times parts of the input channels.
struct Plan {
    /// Whether Winograd components are used. If so, the rows are groups of output rows.
    is_winograd: bool,
    /// Whether each task sums all pixels for its input channels.
    is_whole: bool,
    /// Of some rows; used without Winograd components.
    panel: Panel,
    /// Taps whose products are summed.
    taps: usize,
    components: usize,
    /// Rows per image.
    rows: usize,
    /// Units per image, and of all images.
    image_units: usize,
    all_units: usize,
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
        let image_units = rows.div_ceil(panel.rows);
        let is_whole = is_winograd && shape.batch * image_units * panel.rows * width <= FEW_PIXELS;
        let parts = match is_whole {
            true => shape.in_channels.div_ceil((shape.in_channels / (TASKS / 2)).clamp(PART / 2, PART)),
            false => shape.in_channels.div_ceil(PART).min(TASKS / 2),
        };
        let part_channels = shape.in_channels.div_ceil(parts);
        let parts = shape.in_channels.div_ceil(part_channels);
        let all_units = shape.batch * image_units;
        let full = (shape.batch * rows * width).div_ceil(PIXELS);
        let chunks = match is_whole {
            true => 1,
            false => full.clamp((TASKS / 2).div_ceil(parts), TASKS.div_ceil(parts)).min(all_units),
        };
        let together = match is_whole {
            true => all_units,
            false => (PIXELS / (panel.rows * width)).clamp(1, all_units.div_ceil(chunks)),
        };
        let padded_out = shape.out_channels.next_multiple_of(if is_winograd { LINE } else { OUT_BLOCK });
        let (taps, components) = (panel.taps.len(), if is_winograd { COMPONENTS } else { 1 });
        let partial = odd_lines(components * part_channels * taps * padded_out);
        Self {
            is_winograd,
            is_whole,
            panel,
            taps,
            components,
            rows,
            image_units,
            all_units,
            together,
            chunks,
            parts,
            part_channels,
            padded_out,
            partial,
        }
    }

    fn tasks(&self) -> usize {
        self.chunks * self.parts
    }

    /// Steps of a chunk, at most.
    fn steps(&self) -> usize {
        self.all_units.div_ceil(self.chunks).div_ceil(self.together)
    }

    /// The units of a step of a chunk; none after its last step.
    fn units(&self, chunk: usize, step: usize) -> Range<usize> {
        let [start, end] = [chunk, chunk + 1].map(|chunk| chunk * self.all_units / self.chunks);
        let first = start + step * self.together;
        first.min(end)..(first + self.together).min(end)
    }

    /// First row of a unit in its image, and how many rows it has.
    fn unit_rows(&self, unit: usize) -> (usize, usize) {
        let first = unit % self.image_units * self.panel.rows;
        (first, self.panel.rows.min(self.rows - first))
    }

    /// The rows of some units.
    fn rows(&self, units: Range<usize>) -> Rows {
        Rows { count: units.map(|unit| self.unit_rows(unit).1).sum(), width: self.panel.width() }
    }

    /// Rows of all units that are multiplied together, at most.
    fn most_rows(&self) -> Rows {
        Rows { count: self.together * self.panel.rows, width: self.panel.width() }
    }

    /// Floats of the panels of one unit.
    fn unit_panel(&self) -> usize {
        self.panel.len(self.part_channels).next_multiple_of(16)
    }

    /// Floats for the packed input, for the transposed gradient, and for the components of a group of it.
    fn scratch(&self) -> [usize; 3] {
        let rows = self.most_rows();
        if self.is_winograd {
            let input = COMPONENTS * self.part_channels * rows.input_len();
            let gradient = COMPONENTS * self.padded_out * rows.padded_len();
            [input.next_multiple_of(16), gradient, COMPONENTS * rows.width * LINE]
        } else {
            [self.together * self.unit_panel(), rows.input_len() * self.padded_out, 0]
        }
    }
}

/// Writes the components of the output gradient of some units.
struct Gradient<'a> {
    shape: &'a ConvShape,
    plan: &'a Plan,
    out_gradient: &'a [f32],
    units: Range<usize>,
    /// Scratch for a group of rows.
    components: &'a mut [f32],
    transposed: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, plan, out_gradient, units, components, transposed } = self;
        let rows = plan.rows(units.clone());
        let len = shape.out_channels * shape.out_plane();
        let mut row = 0;
        for unit in units {
            let (first, groups) = plan.unit_rows(unit);
            let planes = &out_gradient[unit / plan.image_units * len..][..len];
            // SAFETY: the caller ensures the instructions.
            unsafe {
                along_height::take_gradient::<S>(
                    shape, planes, first, groups, rows, row, components, transposed,
                );
            }
            row += groups;
        }
    }
}

/// Sums a chunk of units for a part of the input channels.
struct Task<'a> {
    shape: &'a ConvShape,
    plan: &'a Plan,
    x: Images<'a>,
    out_gradient: &'a [f32],
    /// Its components, if several tasks need the same.
    gradients: Option<&'a [Buffer]>,
    task: usize,
    sums: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let Self { plan, task, .. } = self;
        let chunk = task / plan.parts;
        let channels = self.channels();
        self.sums.fill(0.0);
        for step in 0..plan.steps() {
            let units = plan.units(chunk, step);
            if units.is_empty() {
                break;
            }
            // SAFETY: the caller ensures the instructions.
            unsafe {
                match plan.is_winograd {
                    true => self.add_components::<S>(chunk, step, units, channels.clone()),
                    false => self.add_rows::<S>(units, channels.clone()),
                }
            }
        }
    }
}

impl Task<'_> {
    /// The input channels of its part.
    fn channels(&self) -> Range<usize> {
        let first = self.task % self.plan.parts * self.plan.part_channels;
        first..(first + self.plan.part_channels).min(self.shape.in_channels)
    }

    /// Adds the products of Winograd's components.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn add_components<S: Simd>(
        &mut self,
        chunk: usize,
        step: usize,
        units: Range<usize>,
        channels: Range<usize>,
    ) {
        let (shape, count, line) = (self.shape, channels.len(), self.plan.padded_out);
        let sums = std::mem::take(&mut self.sums);
        // SAFETY: the caller's promise.
        unsafe {
            let (rows, packed, transposed) = self.components::<S>(chunk, step, units, channels);
            along_height::accumulate::<S>(shape, count, 0..line, rows, packed, transposed, line, sums);
        }
        self.sums = sums;
    }

    /// Winograd's components of some input channels and of the output gradient, in some units.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn components<S: Simd>(
        &mut self,
        chunk: usize,
        step: usize,
        units: Range<usize>,
        channels: Range<usize>,
    ) -> (Rows, &[f32], &[f32]) {
        let (shape, plan) = (self.shape, self.plan);
        let [input, gradient, _] = plan.scratch();
        let (packed, rest) = self.scratch.split_at_mut(input);
        let rows = plan.rows(units.clone());
        let mut row = 0;
        for unit in units.clone() {
            let (first, groups) = plan.unit_rows(unit);
            let image = self.x.image(unit / plan.image_units, [shape.in_channels, shape.in_plane()]);
            // SAFETY: the caller's promise.
            unsafe {
                along_height::take_input::<S>(
                    shape,
                    image,
                    channels.clone(),
                    first,
                    groups,
                    rows,
                    row,
                    packed,
                )
            };
            row += groups;
        }
        let transposed = match self.gradients {
            Some(all) => &all[chunk][step * gradient..][..gradient],
            None => {
                let (transposed, components) = rest.split_at_mut(gradient);
                let own =
                    Gradient { shape, plan, out_gradient: self.out_gradient, units, components, transposed };
                // SAFETY: the caller's promise.
                unsafe { own.run::<S>() };
                &rest[..gradient]
            }
        };
        (rows, packed, transposed)
    }

    /// Adds the products of the input's panels.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    #[inline(always)]
    unsafe fn add_rows<S: Simd>(&mut self, units: Range<usize>, channels: Range<usize>) {
        let (shape, plan, panel) = (self.shape, self.plan, &self.plan.panel);
        let width = panel.width();
        let [input, ..] = plan.scratch();
        let (packed, transposed) = self.scratch.split_at_mut(input);
        let pixels = plan.rows(units.clone()).input_len();
        let (mut first_pixel, mut runs) = (0, Vec::new());
        for (index, unit) in units.enumerate() {
            let (first, rows) = plan.unit_rows(unit);
            let image = self.x.image(unit / plan.image_units, [shape.in_channels, shape.in_plane()]);
            let base = index * plan.unit_panel();
            for (index, channel) in channels.clone().enumerate() {
                let to = &mut packed[base + index * panel.channel..][..panel.channel];
                panel.pack(image.channel(channel), first, rows, to);
            }
            let to = Transposed { all: &mut *transposed, pixels, first_pixel };
            let len = shape.out_channels * shape.out_plane();
            let planes = &self.out_gradient[unit / plan.image_units * len..][..len];
            // SAFETY: the caller's promise.
            unsafe { to.take::<S>(shape, planes, first * width, rows * width) };
            let unit_runs = panel.runs(rows);
            for run in 0..unit_runs.count {
                runs.push(Run { from: base + run * unit_runs.line, len: unit_runs.len });
            }
            first_pixel += rows * width;
        }
        let sum_rows = channels.len() * plan.taps;
        let product = Product { panel, sum_rows, packed, transposed, runs: &runs, pixels };
        // SAFETY: the caller's promise; the panels hold every offset of the runs.
        unsafe { accumulate::<S>(&product, plan.padded_out, shape.out_channels, self.sums) };
    }
}

/// Sums all pixels for a part of the input channels and writes their weights.
struct Whole<'a> {
    /// Its sums have room for [`LINE`] output channels.
    task: Task<'a>,
    /// Scratch.
    collect: &'a mut [f32],
    gradient: Shared<'a, f32>,
}

impl Kernel for Whole<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let Task { shape, plan, .. } = self.task;
        let inputs = self.task.channels();
        let sums = std::mem::take(&mut self.task.sums);
        // SAFETY: the caller ensures the instructions.
        let (rows, packed, transposed) =
            unsafe { self.task.components::<S>(0, 0, 0..plan.all_units, inputs.clone()) };
        let row = shape.in_channels * shape.taps();
        for first in (0..shape.out_channels).step_by(LINE) {
            let (outs, live) = (first..first + LINE, LINE.min(shape.out_channels - first));
            sums.fill(0.0);
            // SAFETY: the caller ensures the instructions; each task has its own input channels.
            unsafe {
                along_height::accumulate::<S>(
                    shape,
                    inputs.len(),
                    outs,
                    rows,
                    packed,
                    transposed,
                    LINE,
                    sums,
                );
                let collect = Collect {
                    shape,
                    plan,
                    inputs: inputs.clone(),
                    sums: &[&*sums],
                    line: LINE,
                    first_out: 0,
                    scratch: &mut *self.collect,
                    gradient: self.gradient.part(first * row, live * row),
                };
                collect.run::<S>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{assert_sums, noise, tolerance, weight_gradient as expected};

    /// Chunks with fewer steps than others; parts that share the components of the output gradient, and one that does not.
    #[test]
    fn chunks_may_have_fewer_steps() {
        for [batch, channels, height, width] in [[41, 40, 24, 8], [17, 9, 16, 64], [3, 33, 36, 128]] {
            let size = [batch, channels, height, width];
            let shape = ConvShape::new(size, [9, 3, 3], [1, 1], [1, 1], [1, 1]).expect("fits");
            let plan = Plan::new(&shape);
            let steps = (0..plan.chunks)
                .map(|chunk| (0..plan.steps()).map(|step| plan.units(chunk, step).len()).collect::<Vec<_>>());
            let steps: Vec<Vec<usize>> = steps.collect();
            assert!(steps.iter().any(|units| units.contains(&0)), "{steps:?}");
            assert_eq!(steps.concat().iter().sum::<usize>(), plan.all_units, "{steps:?}");
            let (x, out_gradient) = (noise(1, shape.in_len()), noise(2, shape.out_len()));
            for level in Level::available() {
                let mut found = vec![f32::NAN; shape.weight_len()];
                weight_gradient(level, &shape, Images::whole(&x), &out_gradient, &mut found);
                assert_sums(&found, &expected(&shape, &x, &out_gradient), tolerance(level, 1.5e-6));
            }
        }
    }
}
