//! Gradient with respect to a bias.

use rayon::prelude::*;

use crate::simd::{Kernel, Level, Simd};

/// Gradient with respect to a bias: the sum of each channel's planes over the batch.
pub(crate) fn channel_sums(level: Level, channels: usize, plane: usize, gradient: &[f32], sums: &mut [f32]) {
    assert_eq!(sums.len(), channels);
    if plane == 0 {
        return sums.fill(0.0);
    }
    sums.par_iter_mut().enumerate().for_each(|(channel, sum)| {
        let planes = gradient.chunks_exact(plane).skip(channel).step_by(channels);
        *sum = planes.map(|plane| level.run(PlaneSum(plane)) as f64).sum::<f64>() as f32;
    });
}

struct PlaneSum<'a>(&'a [f32]);

impl Kernel for PlaneSum<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f32 {
        let mut lanes = [0.0f32; 64];
        let (chunks, rest) = self.0.as_chunks::<64>();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
    }
}
