//! Batch and group norm fused with an activation, and their backward pass.
//!
//! Both normalise sets of planes: for batch norm the planes of a channel over the batch, for group norm the
//! planes of a group of channels in one image. For a set with mean μ and variance σ² (divided by the number
//! of values)
//!
//! x̂ = (x - μ) / √(σ² + ε),   z = γ x̂ + β,   y = f(z)
//!
//! and with δ = γ f'(z) ∂L/∂y the gradient is ∂L/∂x = (δ - mean(δ) - x̂ mean(δ x̂)) / √(σ² + ε).

use std::marker::PhantomData;

use rayon::prelude::*;

use crate::activation::{Activation, Function, Identity, Relu, Silu};
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Sets of planes that share a mean and a variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// All planes of a channel, over the batch.
    Batch,
    /// All planes of a group of channels in an image. The number of groups must divide the number of
    /// channels.
    Group(usize),
}

/// Options of a norm apart from the affine parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormOptions {
    /// Sets of planes that share a mean and a variance.
    pub statistics: Statistics,
    /// ε, added to the variance.
    pub epsilon: f64,
    /// Applied to the normalised value.
    pub activation: Activation,
}

/// Sizes of a normalised tensor: planes of `plane` values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormShape {
    pub batch: usize,
    pub channels: usize,
    pub plane: usize,
    pub statistics: Statistics,
}

impl NormShape {
    /// Number of means and variances.
    pub fn sets(&self) -> usize {
        match self.statistics {
            Statistics::Batch => self.channels,
            Statistics::Group(groups) => self.batch * groups,
        }
    }

    fn planes_in_set(&self) -> usize {
        match self.statistics {
            Statistics::Batch => self.batch,
            Statistics::Group(groups) => self.channels / groups,
        }
    }

    fn planes(&self) -> usize {
        self.batch * self.channels
    }

    pub fn len(&self) -> usize {
        self.planes() * self.plane
    }

    /// The `index`-th plane of a set, counted as image x channels + channel.
    #[inline(always)]
    fn plane_of(&self, set: usize, index: usize) -> usize {
        match self.statistics {
            Statistics::Batch => index * self.channels + set,
            Statistics::Group(_) => set * self.planes_in_set() + index,
        }
    }
}

/// γ and β per channel, or per image and channel.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a> {
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
}

impl Affine<'_> {
    fn check(&self, shape: &NormShape) {
        assert!([shape.channels, shape.planes()].contains(&self.gamma.len()));
        assert_eq!(self.gamma.len(), self.beta.len());
    }
}

/// Mean and variance of each set.
#[derive(Clone, Copy)]
pub(crate) struct Moments<'a> {
    pub mean: &'a [f32],
    pub variance: &'a [f32],
}

/// Calls a generic function with the type of an activation.
macro_rules! with_function {
    ($activation:expr, $function:ident, $($argument:expr),*) => {
        match $activation {
            Activation::Identity => $function::<Identity>($($argument),*),
            Activation::Relu => $function::<Relu>($($argument),*),
            Activation::Silu => $function::<Silu>($($argument),*),
        }
    };
}

/// Normalises `x` into `out` and writes mean and variance of each set.
#[allow(clippy::too_many_arguments)] // Inputs, then outputs.
pub(crate) fn normalize(
    level: Level,
    shape: &NormShape,
    options: &NormOptions,
    x: &[f32],
    affine: Affine,
    out: &mut [f32],
    mean: &mut [f32],
    variance: &mut [f32],
) {
    assert_eq!((x.len(), out.len()), (shape.len(), shape.len()));
    assert_eq!((mean.len(), variance.len()), (shape.sets(), shape.sets()));
    affine.check(shape);
    let out = Shared::new(out);
    mean.par_iter_mut().zip(variance).enumerate().for_each(|(set, (mean, variance))| {
        let mut moments = Sums::default();
        for index in 0..shape.planes_in_set() {
            let plane = &x[shape.plane_of(set, index) * shape.plane..][..shape.plane];
            moments = moments.join(level.run(PlaneMoments(plane)));
        }
        *mean = moments.mean as f32;
        *variance = (moments.squares / moments.count.max(1.0)) as f32;
        for index in 0..shape.planes_in_set() {
            let plane = shape.plane_of(set, index);
            let line = Line::new(affine, plane, *mean, *variance, options.epsilon);
            let x = &x[plane * shape.plane..][..shape.plane];
            // SAFETY: a plane belongs to one set.
            let out = unsafe { out.slice(plane * shape.plane, shape.plane) };
            with_function!(options.activation, apply, level, line, x, out);
        }
    });
}

/// Normalises with given statistics of each channel.
pub(crate) fn normalize_with(
    level: Level,
    shape: &NormShape,
    options: &NormOptions,
    x: &[f32],
    affine: Affine,
    moments: Moments,
    out: &mut [f32],
) {
    if shape.plane == 0 {
        return;
    }
    out.par_chunks_mut(shape.plane).zip(x.par_chunks(shape.plane)).enumerate().for_each(
        |(plane, (out, x))| {
            let channel = plane % shape.channels;
            let line =
                Line::new(affine, plane, moments.mean[channel], moments.variance[channel], options.epsilon);
            with_function!(options.activation, apply, level, line, x, out);
        },
    );
}

/// Writes the gradients with respect to γ and β, and turns `gradient` from that of the output into that of the input.
#[allow(clippy::too_many_arguments)] // Inputs, then outputs.
pub(crate) fn normalize_gradient(
    level: Level,
    shape: &NormShape,
    options: &NormOptions,
    x: &[f32],
    affine: Affine,
    moments: Moments,
    gradient: &mut [f32],
    gamma_gradient: &mut [f32],
    beta_gradient: &mut [f32],
) {
    assert_eq!((x.len(), gradient.len()), (shape.len(), shape.len()));
    // For each plane: the sum of f'(z) ∂L/∂y, and the sum of the same times x̂.
    let mut sums = vec![[0.0f64; 2]; shape.planes()];
    let shared_sums = Shared::new(&mut sums);
    let gradient = Shared::new(gradient);
    (0..shape.sets()).into_par_iter().for_each(|set| {
        let (mean, variance) = (moments.mean[set], moments.variance[set]);
        // SAFETY: a plane belongs to one set.
        let of = |plane: usize| unsafe {
            (&x[plane * shape.plane..][..shape.plane], gradient.slice(plane * shape.plane, shape.plane))
        };
        let mut totals = [0.0f64; 2];
        for index in 0..shape.planes_in_set() {
            let plane = shape.plane_of(set, index);
            let line = Line::new(affine, plane, mean, variance, options.epsilon);
            let (x, gradient) = of(plane);
            let found = with_function!(options.activation, gradient_sums, level, line, x, gradient);
            // SAFETY: a plane belongs to one set.
            unsafe { shared_sums.slice(plane, 1)[0] = found };
            for (total, found) in totals.iter_mut().zip(found) {
                *total += line.gamma as f64 * found;
            }
        }
        let count = (shape.planes_in_set() * shape.plane).max(1) as f64;
        let means = totals.map(|total| (total / count) as f32);
        for index in 0..shape.planes_in_set() {
            let plane = shape.plane_of(set, index);
            let line = Line::new(affine, plane, mean, variance, options.epsilon);
            let (x, gradient) = of(plane);
            with_function!(options.activation, apply_gradient, level, line, means, x, gradient);
        }
    });
    let affines = gamma_gradient.len();
    for (first, (gamma, beta)) in gamma_gradient.iter_mut().zip(beta_gradient).enumerate() {
        let sums = sums.iter().skip(first).step_by(affines);
        let total = sums.fold([0.0, 0.0], |total, sums| [total[0] + sums[0], total[1] + sums[1]]);
        [*beta, *gamma] = total.map(|total| total as f32);
    }
}

/// Count, mean and sum of squared deviations; accurate in any order of merging.
#[derive(Clone, Copy, Default)]
struct Sums {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Sums {
    /// Merges two sets of statistics (Chan, Golub and LeVeque 1983).
    fn join(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let difference = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + difference * other.count / count,
            squares: self.squares
                + other.squares
                + difference * difference * self.count * other.count / count,
        }
    }
}

/// Number of values summed in single precision before adding to a sum in double precision.
const CHUNK: usize = 4096;

struct PlaneMoments<'a>(&'a [f32]);

impl Kernel for PlaneMoments<'_> {
    type Output = Sums;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Sums {
        let mut sums = Sums::default();
        for chunk in self.0.chunks(CHUNK) {
            let count = chunk.len() as f64;
            let mut lanes = [0.0f32; 64];
            let (blocks, rest) = chunk.as_chunks::<64>();
            for block in blocks {
                for (lane, value) in lanes.iter_mut().zip(block) {
                    *lane += value;
                }
            }
            let mean = (lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()) / chunk.len() as f32;
            // The mean is rounded; deviations from it correct both the mean and the sum of squares.
            let mut deviations = [0.0f32; 64];
            let mut squares = [0.0f32; 64];
            for block in blocks {
                for ((deviation, square), value) in deviations.iter_mut().zip(&mut squares).zip(block) {
                    let difference = value - mean;
                    *deviation += difference;
                    *square += difference * difference;
                }
            }
            let mut deviation: f64 = deviations.iter().map(|&value| value as f64).sum();
            let mut square: f64 = squares.iter().map(|&value| value as f64).sum();
            for value in rest {
                let difference = (value - mean) as f64;
                deviation += difference;
                square += difference * difference;
            }
            sums = sums.join(Sums {
                count,
                mean: mean as f64 + deviation / count,
                squares: square - deviation * deviation / count,
            });
        }
        sums
    }
}

/// Operation on the values of a plane.
#[derive(Clone, Copy)]
struct Line {
    mean: f32,
    inverse_deviation: f32,
    gamma: f32,
    beta: f32,
}

impl Line {
    fn new(affine: Affine, plane: usize, mean: f32, variance: f32, epsilon: f64) -> Self {
        Self {
            mean,
            inverse_deviation: (1.0 / (variance as f64 + epsilon).sqrt()) as f32,
            gamma: affine.gamma[plane % affine.gamma.len()],
            beta: affine.beta[plane % affine.beta.len()],
        }
    }

    #[inline(always)]
    fn normalised(&self, x: f32) -> f32 {
        (x - self.mean) * self.inverse_deviation
    }
}

fn apply<F: Function>(level: Level, line: Line, x: &[f32], out: &mut [f32]) {
    level.run(Apply { line, x, out, function: PhantomData::<F> });
}

struct Apply<'a, F> {
    line: Line,
    x: &'a [f32],
    out: &'a mut [f32],
    function: PhantomData<F>,
}

impl<F: Function> Kernel for Apply<'_, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let line = self.line;
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = F::value(line.gamma * line.normalised(x) + line.beta);
        }
    }
}

fn gradient_sums<F: Function>(level: Level, line: Line, x: &[f32], gradient: &[f32]) -> [f64; 2] {
    level.run(GradientSums { line, x, gradient, function: PhantomData::<F> })
}

struct GradientSums<'a, F> {
    line: Line,
    x: &'a [f32],
    gradient: &'a [f32],
    function: PhantomData<F>,
}

impl<F: Function> Kernel for GradientSums<'_, F> {
    type Output = [f64; 2];

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [f64; 2] {
        let line = self.line;
        let mut sums = [0.0f64; 2];
        for (x, gradient) in self.x.chunks(CHUNK).zip(self.gradient.chunks(CHUNK)) {
            let mut plain = [0.0f32; 32];
            let mut weighted = [0.0f32; 32];
            let (x_blocks, x_rest) = x.as_chunks::<32>();
            let (gradient_blocks, gradient_rest) = gradient.as_chunks::<32>();
            for (x, gradient) in x_blocks.iter().zip(gradient_blocks) {
                for lane in 0..32 {
                    let normalised = line.normalised(x[lane]);
                    let inner = gradient[lane] * F::slope(line.gamma * normalised + line.beta);
                    plain[lane] += inner;
                    weighted[lane] += inner * normalised;
                }
            }
            for (&x, &gradient) in x_rest.iter().zip(gradient_rest) {
                let normalised = line.normalised(x);
                let inner = gradient * F::slope(line.gamma * normalised + line.beta);
                plain[0] += inner;
                weighted[0] += inner * normalised;
            }
            sums[0] += plain.iter().map(|&value| value as f64).sum::<f64>();
            sums[1] += weighted.iter().map(|&value| value as f64).sum::<f64>();
        }
        sums
    }
}

fn apply_gradient<F: Function>(level: Level, line: Line, means: [f32; 2], x: &[f32], gradient: &mut [f32]) {
    level.run(ApplyGradient { line, means, x, gradient, function: PhantomData::<F> });
}

struct ApplyGradient<'a, F> {
    line: Line,
    /// Means of δ and of δ x̂ over the set.
    means: [f32; 2],
    x: &'a [f32],
    /// ∂L/∂y, then ∂L/∂x.
    gradient: &'a mut [f32],
    function: PhantomData<F>,
}

impl<F: Function> Kernel for ApplyGradient<'_, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let line = self.line;
        let [mean, weighted_mean] = self.means;
        for (gradient, &x) in self.gradient.iter_mut().zip(self.x) {
            let normalised = line.normalised(x);
            let inner = line.gamma * *gradient * F::slope(line.gamma * normalised + line.beta);
            *gradient = line.inverse_deviation * (inner - mean - normalised * weighted_mean);
        }
    }
}
