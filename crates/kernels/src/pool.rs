//! 2x2 and overlapping 3x3 max-pooling, 2x nearest-neighbour upsampling, and their backward passes.

use rayon::prelude::*;

use crate::simd::{Kernel, Level, Simd};

/// Maximum of each 2x2 block; an odd last row or column is ignored.
pub(crate) fn max_pool2x2(level: Level, [height, width]: [usize; 2], x: &[f32], out: &mut [f32]) {
    if out.is_empty() {
        return;
    }
    let (plane, pooled) = (height * width, (height / 2) * (width / 2));
    assert_eq!(x.len() / plane, out.len() / pooled);
    out.par_chunks_mut(pooled)
        .zip(x.par_chunks(plane))
        .for_each(|(out, x)| level.run(Pool { width, x, out }));
}

/// Passes the gradient to the first maximum of each block in row-major order.
pub(crate) fn max_pool2x2_gradient(
    level: Level,
    [height, width]: [usize; 2],
    x: &[f32],
    out_gradient: &[f32],
    gradient: &mut [f32],
) {
    let (plane, pooled) = (height * width, (height / 2) * (width / 2));
    if pooled == 0 {
        return gradient.fill(0.0);
    }
    assert_eq!(x.len(), gradient.len());
    assert_eq!(x.len() / plane, out_gradient.len() / pooled);
    gradient.par_chunks_mut(plane).zip(x.par_chunks(plane)).zip(out_gradient.par_chunks(pooled)).for_each(
        |((gradient, x), out_gradient)| level.run(PoolGradient { width, x, out_gradient, gradient }),
    );
}

/// Maximum of the 3x3 pixels around every second one.
pub(crate) fn max_pool3x3(level: Level, size: [usize; 2], x: &[f32], out: &mut [f32]) {
    if out.is_empty() {
        return;
    }
    let (plane, pooled) = (size[0] * size[1], size[0].div_ceil(2) * size[1].div_ceil(2));
    assert_eq!(x.len() / plane, out.len() / pooled);
    out.par_chunks_mut(pooled)
        .zip(x.par_chunks(plane))
        .for_each(|(out, x)| level.run(Overlapping { size, x, out }));
}

/// Passes the gradient to the first maximum of each square in row-major order.
pub(crate) fn max_pool3x3_gradient(
    level: Level,
    size: [usize; 2],
    x: &[f32],
    out_gradient: &[f32],
    gradient: &mut [f32],
) {
    if gradient.is_empty() {
        return;
    }
    let (plane, pooled) = (size[0] * size[1], size[0].div_ceil(2) * size[1].div_ceil(2));
    assert_eq!(x.len(), gradient.len());
    assert_eq!(x.len() / plane, out_gradient.len() / pooled);
    gradient.par_chunks_mut(plane).zip(x.par_chunks(plane)).zip(out_gradient.par_chunks(pooled)).for_each(
        |((gradient, x), out_gradient)| {
            level.run(OverlappingGradient { size, x, out_gradient, gradient });
        },
    );
}

/// Repeats each value in a 2x2 block.
pub(crate) fn upsample2x(level: Level, [height, width]: [usize; 2], x: &[f32], out: &mut [f32]) {
    if x.is_empty() {
        return;
    }
    assert_eq!(out.len(), 4 * x.len());
    let plane = height * width;
    out.par_chunks_mut(4 * plane)
        .zip(x.par_chunks(plane))
        .for_each(|(out, x)| level.run(Upsample { width, x, out }));
}

/// Gradient of a value: the sum over its block.
pub(crate) fn upsample2x_gradient(
    level: Level,
    [height, width]: [usize; 2],
    out_gradient: &[f32],
    gradient: &mut [f32],
) {
    if gradient.is_empty() {
        return;
    }
    assert_eq!(out_gradient.len(), 4 * gradient.len());
    let plane = height * width;
    gradient
        .par_chunks_mut(plane)
        .zip(out_gradient.par_chunks(4 * plane))
        .for_each(|(gradient, out_gradient)| level.run(UpsampleGradient { width, out_gradient, gradient }));
}

/// The larger value; NaN takes precedence, so that it is not lost.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

struct Pool<'a> {
    width: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Pool<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pairs = self.x.chunks_exact(2 * self.width);
        for (out, rows) in self.out.chunks_exact_mut(self.width / 2).zip(pairs) {
            let (upper, lower) = rows.split_at(self.width);
            let blocks = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            for (out, (upper, lower)) in out.iter_mut().zip(blocks) {
                *out = larger(larger(upper[0], upper[1]), larger(lower[0], lower[1]));
            }
        }
    }
}

struct PoolGradient<'a> {
    width: usize,
    x: &'a [f32],
    out_gradient: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for PoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { width, x, out_gradient, gradient } = self;
        let pairs = x.chunks_exact(2 * width);
        let mut gradients = gradient.chunks_exact_mut(2 * width);
        for ((to, rows), from) in gradients.by_ref().zip(pairs).zip(out_gradient.chunks_exact(width / 2)) {
            let (upper, lower) = rows.split_at(width);
            let (to_upper, to_lower) = to.split_at_mut(width);
            let blocks = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            let (upper_to, upper_rest) = to_upper.as_chunks_mut::<2>();
            let (lower_to, lower_rest) = to_lower.as_chunks_mut::<2>();
            for (((upper_to, lower_to), (upper, lower)), &gradient) in
                upper_to.iter_mut().zip(lower_to).zip(blocks).zip(from)
            {
                let largest = larger(larger(upper[0], upper[1]), larger(lower[0], lower[1]));
                let first = upper[0] == largest;
                let second = !first & (upper[1] == largest);
                let third = !first & !second & (lower[0] == largest);
                let fourth = !first & !second & !third;
                let of = |wins: bool| if wins { gradient } else { 0.0 };
                *upper_to = [of(first), of(second)];
                *lower_to = [of(third), of(fourth)];
            }
            upper_rest.fill(0.0);
            lower_rest.fill(0.0);
        }
        gradients.into_remainder().fill(0.0);
    }
}

struct Overlapping<'a> {
    size: [usize; 2],
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Overlapping<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { size: [height, width], x, out } = self;
        let mut columns = vec![0.0f32; width];
        for (index, out) in out.chunks_exact_mut(width.div_ceil(2)).enumerate() {
            // Maxima of three rows, then of three columns.
            columns.copy_from_slice(&x[2 * index * width..][..width]);
            for y in (2 * index).saturating_sub(1)..(2 * index + 2).min(height) {
                for (column, &value) in columns.iter_mut().zip(&x[y * width..][..width]) {
                    *column = larger(*column, value);
                }
            }
            out[0] = columns[..2.min(width)].iter().copied().fold(columns[0], larger);
            for (out, three) in out[1..].iter_mut().zip(columns[1.min(width)..].chunks(2)) {
                *out = three.iter().copied().fold(three[0], larger);
            }
            for (out, &last) in out[1..].iter_mut().zip(columns.iter().skip(3).step_by(2)) {
                *out = larger(*out, last);
            }
        }
    }
}

struct OverlappingGradient<'a> {
    size: [usize; 2],
    x: &'a [f32],
    out_gradient: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for OverlappingGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { size: [height, width], x, out_gradient, gradient } = self;
        gradient.fill(0.0);
        for (index, from) in out_gradient.chunks_exact(width.div_ceil(2)).enumerate() {
            for (column, &from) in from.iter().enumerate() {
                let columns = (2 * column).saturating_sub(1)..(2 * column + 2).min(width);
                let mut best = (2 * index).saturating_sub(1) * width + columns.start;
                for y in (2 * index).saturating_sub(1)..(2 * index + 2).min(height) {
                    for pixel in y * width + columns.start..y * width + columns.end {
                        if x[pixel] > x[best] || (x[pixel].is_nan() && !x[best].is_nan()) {
                            best = pixel;
                        }
                    }
                }
                gradient[best] += from;
            }
        }
    }
}

struct Upsample<'a> {
    width: usize,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Upsample<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (out, row) in self.out.chunks_exact_mut(4 * self.width).zip(self.x.chunks_exact(self.width)) {
            let (upper, lower) = out.split_at_mut(2 * self.width);
            for (pair, &value) in upper.as_chunks_mut::<2>().0.iter_mut().zip(row) {
                *pair = [value, value];
            }
            lower.copy_from_slice(upper);
        }
    }
}

struct UpsampleGradient<'a> {
    width: usize,
    out_gradient: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for UpsampleGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let pairs = self.out_gradient.chunks_exact(4 * self.width);
        for (row, from) in self.gradient.chunks_exact_mut(self.width).zip(pairs) {
            let (upper, lower) = from.split_at(2 * self.width);
            let blocks = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            for (to, (upper, lower)) in row.iter_mut().zip(blocks) {
                *to = (upper[0] + upper[1]) + (lower[0] + lower[1]);
            }
        }
    }
}
