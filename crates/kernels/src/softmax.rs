//! Softmax over the channels.
//!
//! yᵢ = xᵢ - m - ln Σⱼ exp(xⱼ - m) with m the maximum over the channels, and ∂L/∂xᵢ = gᵢ - exp(yᵢ) Σⱼ gⱼ.

use rayon::prelude::*;

use crate::activation::exp;
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Pixels processed together: a few vectors in each channel.
const CHUNK: usize = 512;

/// Writes the log-softmax of `x` `[batch, channels, plane]`.
pub(crate) fn log_softmax(level: Level, [channels, plane]: [usize; 2], x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len());
    each_chunk([channels, plane], out, |image, pixels, out| {
        level.run(Forward { x: &x[image..][..channels * plane], out, channels, plane, pixels });
    });
}

/// Writes the gradient with respect to the input, given the output of [`log_softmax`] and its gradient.
pub(crate) fn log_softmax_gradient(
    level: Level,
    [channels, plane]: [usize; 2],
    y: &[f32],
    gradient: &[f32],
    to: &mut [f32],
) {
    assert_eq!((y.len(), gradient.len()), (to.len(), to.len()));
    each_chunk([channels, plane], to, |image, pixels, to| {
        let [y, gradient] = [y, gradient].map(|values| &values[image..][..channels * plane]);
        level.run(Backward { y, gradient, to, channels, plane, pixels });
    });
}

/// Calls `work` with the start of an image, a range of its pixels, and the image of the output.
fn each_chunk(
    [channels, plane]: [usize; 2],
    out: &mut [f32],
    work: impl Fn(usize, std::ops::Range<usize>, Shared<f32>) + Sync,
) {
    let image = channels * plane;
    if out.is_empty() {
        return;
    }
    assert!(out.len().is_multiple_of(image));
    // Each task has enough chunks to be worthwhile.
    let tasks = plane.div_ceil(16 * CHUNK);
    let images = out.len() / image;
    let out = Shared::new(out);
    (0..images * tasks).into_par_iter().for_each(|task| {
        let (start, first) = (task / tasks * image, task % tasks * 16 * CHUNK);
        let last = plane.min(first + 16 * CHUNK);
        for pixel in (first..last).step_by(CHUNK) {
            work(start, pixel..last.min(pixel + CHUNK), out.part(start, image));
        }
    });
}

struct Forward<'a> {
    x: &'a [f32],
    out: Shared<'a, f32>,
    channels: usize,
    plane: usize,
    pixels: std::ops::Range<usize>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { x, out, channels, plane, pixels } = self;
        let count = pixels.len();
        let channel = |c: usize| &x[c * plane + pixels.start..][..count];
        let (mut largest, mut sum) = ([f32::NEG_INFINITY; CHUNK], [0.0f32; CHUNK]);
        for c in 0..channels {
            for (largest, &x) in largest.iter_mut().zip(channel(c)) {
                *largest = largest.max(x);
            }
        }
        for c in 0..channels {
            for ((sum, &largest), &x) in sum.iter_mut().zip(&largest).zip(channel(c)) {
                *sum += exp(x - largest);
            }
        }
        for (sum, largest) in sum.iter_mut().zip(&largest).take(count) {
            *sum = largest + sum.ln();
        }
        for c in 0..channels {
            // SAFETY: only this task accesses these pixels.
            let out = unsafe { out.slice(c * plane + pixels.start, count) };
            for ((out, &sum), &x) in out.iter_mut().zip(&sum).zip(channel(c)) {
                *out = x - sum;
            }
        }
    }
}

struct Backward<'a> {
    y: &'a [f32],
    gradient: &'a [f32],
    to: Shared<'a, f32>,
    channels: usize,
    plane: usize,
    pixels: std::ops::Range<usize>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { y, gradient, to, channels, plane, pixels } = self;
        let count = pixels.len();
        let place = |c: usize| c * plane + pixels.start..c * plane + pixels.end;
        let mut sum = [0.0f32; CHUNK];
        for c in 0..channels {
            for (sum, &gradient) in sum.iter_mut().zip(&gradient[place(c)]) {
                *sum += gradient;
            }
        }
        for c in 0..channels {
            // SAFETY: only this task accesses these pixels.
            let to = unsafe { to.slice(c * plane + pixels.start, count) };
            let (y, gradient) = (&y[place(c)], &gradient[place(c)]);
            for (((to, &sum), &y), &gradient) in to.iter_mut().zip(&sum).zip(y).zip(gradient) {
                *to = gradient - exp(y) * sum;
            }
        }
    }
}
