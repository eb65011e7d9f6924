//! Sums the results of all tasks into weights.

use super::Plan;
use crate::conv::shape::ConvShape;
use crate::conv::winograd::{COMPONENTS, KERNEL_TO_COMPONENTS};
use crate::simd::{Kernel, Simd};

/// Output channels that share a cache line in the sums.
pub(super) const LINE: usize = 16;

/// Adds the tasks' sums for some output channels and writes their weights.
pub(super) struct Collect<'a> {
    pub shape: &'a ConvShape,
    pub plan: &'a Plan,
    pub partials: &'a [f32],
    pub first_out: usize,
    /// [`scratch`](Self::scratch) floats.
    pub scratch: &'a mut [f32],
    pub gradient: &'a mut [f32],
}

/// Input channels whose weights are transposed together.
const TOGETHER: usize = 16;

impl Collect<'_> {
    /// Floats of scratch.
    pub fn scratch(shape: &ConvShape) -> usize {
        TOGETHER * shape.taps() * LINE
    }
}

impl Kernel for Collect<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, plan, partials, first_out, scratch, gradient } = self;
        let (taps, all_taps) = (plan.taps, shape.taps());
        let part_len = shape.in_channels * all_taps;
        for first in (0..shape.in_channels).step_by(TOGETHER) {
            let inputs = first..(first + TOGETHER).min(shape.in_channels);
            let (weights, _) = scratch[..inputs.len() * all_taps * LINE].as_chunks_mut::<LINE>();
            for (input, weights) in inputs.zip(weights.chunks_exact_mut(all_taps)) {
                let (part, channel) = (input / plan.part_channels, input % plan.part_channels);
                let channels = plan.part_channels.min(shape.in_channels - part * plan.part_channels);
                for tap in 0..taps {
                    let mut found = [[0.0f32; LINE]; COMPONENTS];
                    for chunk in 0..plan.chunks {
                        let partial = &partials[(chunk * plan.parts + part) * plan.partial..][..plan.partial];
                        for (component, found) in found.iter_mut().enumerate().take(plan.components) {
                            let row = (component * channels + channel) * taps + tap;
                            let sums = &partial[row * plan.padded_out + first_out..][..LINE];
                            for (found, sum) in found.iter_mut().zip(sums) {
                                *found += sum;
                            }
                        }
                    }
                    if !plan.is_winograd {
                        weights[tap] = found[0];
                        continue;
                    }
                    // With Winograd, a tap is a kernel column.
                    for row in 0..3 {
                        let mut sums = [0.0f32; LINE];
                        for (factors, found) in KERNEL_TO_COMPONENTS.iter().zip(&found) {
                            for (sum, found) in sums.iter_mut().zip(found) {
                                *sum += factors[row] * found;
                            }
                        }
                        weights[row * 3 + tap] = sums;
                    }
                }
            }
            // SAFETY: the caller ensures the instructions.
            unsafe { transpose::<S>(weights, gradient, first * all_taps, part_len) };
        }
    }
}

/// Writes `[weight][output channel]` to the rows of `to`, one for each output channel, from the place `first` on.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn transpose<S: Simd>(weights: &[[f32; LINE]], to: &mut [f32], first: usize, row_len: usize) {
    let rows = to.len() / row_len;
    assert!(first + weights.len() <= row_len);
    let whole = if rows < LINE { 0 } else { weights.len() / S::LANES * S::LANES };
    for weight in (0..whole).step_by(S::LANES) {
        for row in (0..LINE).step_by(S::LANES) {
            let from = &weights[weight..][..S::LANES].as_flattened()[row..];
            let to = &mut to[row * row_len + first + weight..][..(S::LANES - 1) * row_len + S::LANES];
            // SAFETY: the caller ensures the instructions; both blocks lie inside their slices.
            unsafe { S::transpose(from.as_ptr(), LINE, to.as_mut_ptr(), row_len) };
        }
    }
    for (row, to) in to.chunks_exact_mut(row_len).enumerate() {
        for (to, weights) in to[first + whole..].iter_mut().zip(&weights[whole..]) {
            *to = weights[row];
        }
    }
}
