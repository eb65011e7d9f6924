//! Sums the results of all tasks into weights.

use std::ops::Range;

use super::Plan;
use crate::conv::shape::ConvShape;
use crate::conv::winograd::{COMPONENTS, KERNEL_TO_COMPONENTS};
use crate::share::Shared;
use crate::simd::{Kernel, Simd};

/// Output channels that share a cache line in the sums.
pub(super) const LINE: usize = 16;

/// Adds the tasks' sums for some output channels and writes their weights.
pub(super) struct Collect<'a> {
    pub shape: &'a ConvShape,
    pub plan: &'a Plan,
    /// Input channels: all, or those of one part.
    pub inputs: Range<usize>,
    /// The sums of the tasks of these channels, `[chunk][part]`.
    pub sums: &'a [&'a [f32]],
    /// Floats of a row of the sums, and where the output channels begin in it.
    pub line: usize,
    pub first_out: usize,
    /// [`scratch`](Self::scratch) floats.
    pub scratch: &'a mut [f32],
    /// The weights of the output channels; no other task writes those of the input channels.
    pub gradient: Shared<'a, f32>,
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
        let Self { shape, plan, inputs: all, sums, line, first_out, scratch, gradient } = self;
        let (taps, all_taps) = (plan.taps, shape.taps());
        let part_len = shape.in_channels * all_taps;
        let (first_part, parts) = (all.start / plan.part_channels, sums.len() / plan.chunks);
        for first in all.clone().step_by(TOGETHER) {
            let inputs = first..(first + TOGETHER).min(all.end);
            let (weights, _) = scratch[..inputs.len() * all_taps * LINE].as_chunks_mut::<LINE>();
            for (input, weights) in inputs.zip(weights.chunks_exact_mut(all_taps)) {
                let (part, channel) = (input / plan.part_channels, input % plan.part_channels);
                let channels = plan.part_channels.min(shape.in_channels - part * plan.part_channels);
                for tap in 0..taps {
                    let mut found = [[0.0f32; LINE]; COMPONENTS];
                    for chunk in 0..plan.chunks {
                        let sums = sums[chunk * parts + part - first_part];
                        for (component, found) in found.iter_mut().enumerate().take(plan.components) {
                            let row = (component * channels + channel) * taps + tap;
                            let sums = &sums[row * line + first_out..][..LINE];
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
            // SAFETY: the caller ensures the instructions; the weights of these input channels are only this task's.
            unsafe { transpose::<S>(weights, gradient, first * all_taps, part_len) };
        }
    }
}

/// Writes `[weight][output channel]` to the rows of `to`, one for each output channel, from the place `first` on.
///
/// # Safety
/// The processor has the instructions of `S`; no other task accesses these places.
#[inline(always)]
unsafe fn transpose<S: Simd>(weights: &[[f32; LINE]], to: Shared<f32>, first: usize, row_len: usize) {
    let rows = (to.len() / row_len).min(LINE);
    assert!(first + weights.len() <= row_len);
    let whole = if rows < LINE { 0 } else { weights.len() / S::LANES * S::LANES };
    for weight in (0..whole).step_by(S::LANES) {
        for row in (0..LINE).step_by(S::LANES) {
            let from = &weights[weight..][..S::LANES].as_flattened()[row..];
            let to = to.pointer(row * row_len + first + weight, (S::LANES - 1) * row_len + S::LANES);
            // SAFETY: the caller's promise; both blocks lie inside their slices, since `to` has LINE rows.
            unsafe { S::transpose(from.as_ptr(), LINE, to, row_len) };
        }
    }
    for row in 0..rows {
        // SAFETY: the caller's promise.
        let to = unsafe { to.slice(row * row_len + first + whole, weights.len() - whole) };
        for (to, weights) in to.iter_mut().zip(&weights[whole..]) {
            *to = weights[row];
        }
    }
}
