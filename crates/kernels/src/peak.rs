//! The most that one thread of this processor reaches, as a measure for the kernels.

use std::time::Instant;

use crate::simd::{Kernel, Level, Simd};

/// Sums that do not wait for each other: more than the latency of a multiply-add needs, and few enough for sixteen
/// registers.
const CHAINS: usize = 12;
const STEPS: usize = 20_000;
/// Floats of each of the triad's arrays: together beyond any cache of the last level per core.
const FLOATS: usize = 16 << 20;

/// Fused multiply-adds in registers, in 10⁹ operations a second; each counts as two.
pub fn gigaflops(level: Level) -> f64 {
    let lanes = level.run(Lanes);
    let operations = 2 * CHAINS * STEPS * lanes;
    operations as f64 / best(200, || level.run(Chains)) / 1e9
}

/// Reads and writes of the triad a = b + s c in 10⁹ bytes a second; the read of a that a store causes is not counted.
pub fn gigabytes_per_second(level: Level) -> f64 {
    let (b, c) = (vec![1.0; FLOATS], vec![2.0; FLOATS]);
    let mut a = vec![0.0; FLOATS];
    let bytes = 3 * FLOATS * size_of::<f32>();
    bytes as f64 / best(5, || level.run(Triad { a: &mut a, b: &b, c: &c })) / 1e9
}

/// Seconds of the fastest of `repeats`.
fn best<R>(repeats: usize, mut work: impl FnMut() -> R) -> f64 {
    (0..repeats).fold(f64::INFINITY, |least, _| {
        let start = Instant::now();
        std::hint::black_box(work());
        least.min(start.elapsed().as_secs_f64())
    })
}

struct Lanes;

impl Kernel for Lanes {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> usize {
        S::LANES
    }
}

struct Chains;

impl Kernel for Chains {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let start = std::hint::black_box(0.5);
        let mut first = [0.0; 16];
        // SAFETY: the caller ensures the instructions; a vector has at most sixteen floats.
        unsafe {
            let (factor, mut sums) = (S::splat(start), [S::splat(1.0); CHAINS]);
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = S::fma(*sum, factor, factor);
                }
            }
            for sum in sums {
                S::store(first.as_mut_ptr(), S::add(sum, S::load(first.as_ptr())));
            }
        }
        first[0]
    }
}

struct Triad<'a> {
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
}

impl Kernel for Triad<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for ((a, b), c) in self.a.iter_mut().zip(self.b).zip(self.c) {
            *a = b + 3.0 * c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_vectors_multiply_at_least_half_as_fast_as_narrow_ones() {
        let portable = gigaflops(Level::Portable);
        for level in Level::available() {
            assert!(gigaflops(level) > portable / 2.0, "{level:?}");
        }
    }
}
