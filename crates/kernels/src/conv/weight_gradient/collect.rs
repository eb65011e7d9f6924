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
    pub gradient: &'a mut [f32],
}

impl Kernel for Collect<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, plan, partials, first_out, gradient } = self;
        let taps = plan.taps;
        let part_len = shape.in_channels * shape.taps();
        for input in 0..shape.in_channels {
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
                    for (gradient, found) in gradient.chunks_exact_mut(part_len).zip(found[0]) {
                        gradient[input * taps + tap] = found;
                    }
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
                    for (gradient, sum) in gradient.chunks_exact_mut(part_len).zip(sums) {
                        gradient[(input * 3 + row) * 3 + tap] = sum;
                    }
                }
            }
        }
    }
}
