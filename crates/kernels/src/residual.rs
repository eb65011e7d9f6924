//! The end of a residual block: ReLU(x + y) and its gradient, each in one pass.

use rayon::prelude::*;

use crate::activation::{Function, Relu};
use crate::simd::{Kernel, Level, Simd};

/// Floats of a task.
const TASK: usize = 1 << 14;

/// Writes max(x + y, 0).
pub(crate) fn add_relu(level: Level, x: &[f32], y: &[f32], out: &mut [f32]) {
    assert_eq!((x.len(), y.len()), (out.len(), out.len()));
    out.par_chunks_mut(TASK)
        .zip(x.par_chunks(TASK).zip(y.par_chunks(TASK)))
        .for_each(|(out, (x, y))| level.run(AddRelu { x, y, out }));
}

/// Writes the gradient with respect to x, which is also that with respect to y.
pub(crate) fn add_relu_gradient(level: Level, out: &[f32], out_gradient: &[f32], gradient: &mut [f32]) {
    assert_eq!((out.len(), out_gradient.len()), (gradient.len(), gradient.len()));
    gradient
        .par_chunks_mut(TASK)
        .zip(out.par_chunks(TASK).zip(out_gradient.par_chunks(TASK)))
        .for_each(|(gradient, (out, out_gradient))| level.run(Gradient { out, out_gradient, gradient }));
}

struct AddRelu<'a> {
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for AddRelu<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (out, (x, y)) in self.out.iter_mut().zip(self.x.iter().zip(self.y)) {
            *out = Relu::value(x + y);
        }
    }
}

struct Gradient<'a> {
    out: &'a [f32],
    out_gradient: &'a [f32],
    gradient: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (gradient, (out, from)) in self.gradient.iter_mut().zip(self.out.iter().zip(self.out_gradient)) {
            *gradient = if *out > 0.0 { *from } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::noise;

    #[test]
    fn sum_and_gradient_vanish_where_the_sum_is_negative() {
        let len = 2 * TASK + 17;
        let [x, y, out_gradient] = [noise(1, len), noise(2, len), noise(3, len)];
        for level in Level::available() {
            let (mut out, mut gradient) = (vec![f32::NAN; len], vec![f32::NAN; len]);
            add_relu(level, &x, &y, &mut out);
            add_relu_gradient(level, &out, &out_gradient, &mut gradient);
            for i in 0..len {
                let sum = x[i] + y[i];
                assert_eq!(out[i], sum.max(0.0));
                assert_eq!(gradient[i], if sum > 0.0 { out_gradient[i] } else { 0.0 });
            }
        }
        let mut out = [0.0];
        add_relu(Level::current(), &[f32::NAN], &[1.0], &mut out);
        assert!(out[0].is_nan());
    }
}
