//! Kernels of recurrent networks: the gated change of a state, and images combined by coefficients of a coarser grid.
//!
//! The change of a state s is y = s + σ(g) (tanh n - s), for a gate g and a new state n.
//! Combined images are y = Σᵢ up(cᵢ) xᵢ, where up interpolates bilinearly.

use rayon::prelude::*;

use crate::activation::exp;
use crate::simd::{Kernel, Level, Simd};

/// Writes the changed state; `change` holds the gates of an image, then its new states.
pub(crate) fn gated_change(level: Level, image: usize, state: &[f32], change: &[f32], out: &mut [f32]) {
    if image == 0 {
        return;
    }
    assert_eq!((state.len(), change.len()), (out.len(), 2 * out.len()));
    out.par_chunks_mut(image)
        .zip(state.par_chunks(image))
        .zip(change.par_chunks(2 * image))
        .for_each(|((out, state), change)| level.run(Change { state, change: change.split_at(image), out }));
}

/// Writes the gradients for state and change.
pub(crate) fn gated_change_gradients(
    level: Level,
    image: usize,
    [state, change, gradient]: [&[f32]; 3],
    for_state: &mut [f32],
    for_change: &mut [f32],
) {
    if image == 0 {
        return;
    }
    assert_eq!((state.len(), change.len()), (gradient.len(), 2 * gradient.len()));
    assert_eq!((for_state.len(), for_change.len()), (state.len(), change.len()));
    let given = state.par_chunks(image).zip(change.par_chunks(2 * image)).zip(gradient.par_chunks(image));
    let found = for_state.par_chunks_mut(image).zip(for_change.par_chunks_mut(2 * image));
    given.zip(found).for_each(|(((state, change), gradient), (for_state, for_change))| {
        let (change, for_change) = (change.split_at(image), for_change.split_at_mut(image));
        level.run(ChangeGradient { state, change, gradient, for_state, for_change });
    });
}

/// σ(x) and, from it, tanh x = 2 σ(2 x) - 1.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

struct Change<'a> {
    state: &'a [f32],
    change: (&'a [f32], &'a [f32]),
    out: &'a mut [f32],
}

impl Kernel for Change<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (gates, new) = self.change;
        for (((out, &state), &gate), &new) in self.out.iter_mut().zip(self.state).zip(gates).zip(new) {
            *out = state + sigmoid(gate) * (tanh(new) - state);
        }
    }
}

struct ChangeGradient<'a> {
    state: &'a [f32],
    change: (&'a [f32], &'a [f32]),
    gradient: &'a [f32],
    for_state: &'a mut [f32],
    for_change: (&'a mut [f32], &'a mut [f32]),
}

impl Kernel for ChangeGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (gates, new) = self.change;
        let given = self.state.iter().zip(gates).zip(new).zip(self.gradient);
        let found = self.for_state.iter_mut().zip(self.for_change.0).zip(self.for_change.1);
        for ((((state, gate), new), gradient), ((for_state, for_gate), for_new)) in given.zip(found) {
            let (gate, new) = (sigmoid(*gate), tanh(*new));
            *for_state = gradient * (1.0 - gate);
            *for_gate = gradient * (new - state) * gate * (1.0 - gate);
            *for_new = gradient * gate * (1.0 - new * new);
        }
    }
}

/// Sizes of images combined by coefficients: `domains` images of `features` channels, each with coefficients for
/// `frames` times `outputs` images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CombineShape {
    pub domains: usize,
    pub frames: usize,
    pub outputs: usize,
    pub features: usize,
    /// Height and width of the coefficients.
    pub coarse: [usize; 2],
    /// Height and width of the images.
    pub fine: [usize; 2],
}

impl CombineShape {
    fn coarse_plane(&self) -> usize {
        self.coarse[0] * self.coarse[1]
    }

    fn fine_plane(&self) -> usize {
        self.fine[0] * self.fine[1]
    }

    /// Combined images.
    fn images(&self) -> usize {
        self.domains * self.frames * self.outputs
    }

    pub fn out_len(&self) -> usize {
        self.images() * self.fine_plane()
    }

    fn check(&self, coefficients: &[f32], x: &[f32], out: &[f32]) {
        assert_eq!(coefficients.len(), self.images() * self.features * self.coarse_plane());
        assert_eq!(x.len(), self.domains * self.features * self.fine_plane());
        assert_eq!(out.len(), self.out_len());
    }
}

/// A pixel between two of a coarser line.
#[derive(Clone, Copy)]
struct Between {
    before: usize,
    after: usize,
    /// Weight of `after`.
    share: f32,
}

/// Each of `fine` pixels between the centres of `coarse` pixels, of which the outermost extend to the edge.
fn line(coarse: usize, fine: usize) -> Vec<Between> {
    let last = coarse - 1;
    let between = |pixel: usize| {
        let at = (pixel as f64 + 0.5) * coarse as f64 / fine as f64 - 0.5;
        let at = at.clamp(0.0, last as f64);
        let before = at as usize;
        Between { before, after: last.min(before + 1), share: (at - before as f64) as f32 }
    };
    (0..fine).map(between).collect()
}

/// Where the fine pixels lie on the coarse grid.
struct Grid {
    rows: Vec<Between>,
    columns: Vec<Between>,
}

impl Grid {
    fn new(shape: &CombineShape) -> Self {
        let [rows, columns] = [0, 1].map(|axis| line(shape.coarse[axis], shape.fine[axis]));
        Self { rows, columns }
    }

    /// Interpolates the rows of a coarse plane to full width.
    #[inline(always)]
    fn widen(&self, coarse: &[f32], wide: &mut [f32]) {
        let width = self.columns.len();
        for (row, wide) in
            coarse.chunks_exact(coarse.len() * width / wide.len()).zip(wide.chunks_exact_mut(width))
        {
            for (to, column) in wide.iter_mut().zip(&self.columns) {
                let before = row[column.before];
                *to = before + column.share * (row[column.after] - before);
            }
        }
    }
}

/// Two rows of `wide` around a fine row.
#[inline(always)]
fn around<'a>(wide: &'a [f32], row: &Between, width: usize) -> [&'a [f32]; 2] {
    [row.before, row.after].map(|row| &wide[row * width..][..width])
}

/// Writes the combined images.
pub(crate) fn combine(level: Level, shape: &CombineShape, coefficients: &[f32], x: &[f32], out: &mut [f32]) {
    shape.check(coefficients, x, out);
    if out.is_empty() {
        return;
    }
    let grid = Grid::new(shape);
    let (coarse, fine) = (shape.features * shape.coarse_plane(), shape.features * shape.fine_plane());
    let of_domain = shape.frames * shape.outputs;
    let images = out.par_chunks_mut(shape.fine_plane()).zip(coefficients.par_chunks(coarse)).enumerate();
    images.for_each(|(image, (out, coefficients))| {
        let x = &x[image / of_domain * fine..][..fine];
        out.fill(0.0);
        level.run(AddProducts { shape, grid: &grid, coefficients, x, out });
    });
}

/// Adds Σᵢ up(cᵢ) xᵢ over the planes of `coefficients` and `x`.
struct AddProducts<'a> {
    shape: &'a CombineShape,
    grid: &'a Grid,
    coefficients: &'a [f32],
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, grid, coefficients, x, out } = self;
        let width = shape.fine[1];
        let mut wide = vec![0.0; shape.coarse[0] * width];
        let planes = coefficients.chunks_exact(shape.coarse_plane()).zip(x.chunks_exact(shape.fine_plane()));
        for (coefficients, x) in planes {
            grid.widen(coefficients, &mut wide);
            let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(&grid.rows);
            for ((out, x), row) in rows {
                let [before, after] = around(&wide, row, width);
                for (((out, x), before), after) in out.iter_mut().zip(x).zip(before).zip(after) {
                    *out += (before + row.share * (after - before)) * x;
                }
            }
        }
    }
}

/// Writes the gradients for coefficients and images.
pub(crate) fn combine_gradients(
    level: Level,
    shape: &CombineShape,
    [coefficients, x, gradient]: [&[f32]; 3],
    for_coefficients: &mut [f32],
    for_x: &mut [f32],
) {
    shape.check(coefficients, x, gradient);
    assert_eq!((for_coefficients.len(), for_x.len()), (coefficients.len(), x.len()));
    if gradient.is_empty() {
        return;
    }
    let grid = &Grid::new(shape);
    let (features, of_domain) = (shape.features, shape.frames * shape.outputs);
    let (coarse, fine) = (shape.coarse_plane(), shape.fine_plane());
    for_coefficients.par_chunks_mut(coarse).enumerate().for_each(|(plane, to)| {
        let (image, feature) = (plane / features, plane % features);
        let x = &x[(image / of_domain * features + feature) * fine..][..fine];
        let gradient = &gradient[image * fine..][..fine];
        level.run(CoefficientGradient { shape, grid, x, gradient, to });
    });
    for_x.par_chunks_mut(fine).enumerate().for_each(|(plane, to)| {
        let (domain, feature) = (plane / features, plane % features);
        to.fill(0.0);
        for image in domain * of_domain..(domain + 1) * of_domain {
            let coefficients = &coefficients[(image * features + feature) * coarse..][..coarse];
            let gradient = &gradient[image * fine..][..fine];
            level.run(AddProducts { shape, grid, coefficients, x: gradient, out: &mut *to });
        }
    });
}

struct CoefficientGradient<'a> {
    shape: &'a CombineShape,
    grid: &'a Grid,
    x: &'a [f32],
    gradient: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for CoefficientGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, grid, x, gradient, to } = self;
        let width = shape.fine[1];
        let mut wide = vec![0.0f32; shape.coarse[0] * width];
        for ((x, gradient), row) in x.chunks_exact(width).zip(gradient.chunks_exact(width)).zip(&grid.rows) {
            for (line, weight) in [(row.before, 1.0 - row.share), (row.after, row.share)] {
                for ((sum, x), gradient) in wide[line * width..][..width].iter_mut().zip(x).zip(gradient) {
                    *sum += weight * x * gradient;
                }
            }
        }
        for (to, wide) in to.chunks_exact_mut(shape.coarse[1]).zip(wide.chunks_exact(width)) {
            to.fill(0.0);
            for (slope, column) in wide.iter().zip(&grid.columns) {
                to[column.before] += (1.0 - column.share) * slope;
                to[column.after] += column.share * slope;
            }
        }
    }
}
