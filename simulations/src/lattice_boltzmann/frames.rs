//! Frames at equal times for a simulation whose duration is not known in advance.
//!
//! The phase is sampled often, but only its changes since the last sample are stored. They determine the
//! phase at any sample.

use ndarray::Array2;

/// The phase of every pixel at every sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Samples {
    /// Number of samples.
    pub count: u32,
    /// (sample, pixel) at which a pixel changed its phase, in order.
    pub changes: Vec<(u32, u32)>,
    /// The phase at the last sample, row by row.
    pub phase: Vec<bool>,
}

impl Samples {
    /// Starts with one sample in which nothing is invaded.
    pub fn new(pixels: usize) -> Self {
        Self { count: 1, changes: Vec::new(), phase: vec![false; pixels] }
    }

    pub fn take(&mut self, phase: impl Iterator<Item = bool>) {
        for (pixel, (last, now)) in self.phase.iter_mut().zip(phase).enumerate() {
            if *last != now {
                self.changes.push((self.count, pixel as u32));
                *last = now;
            }
        }
        self.count += 1;
    }

    /// The phase at every `stride`-th sample, starting with the first.
    pub fn frames(&self, shape: (usize, usize), stride: usize, count: usize) -> Vec<Array2<bool>> {
        let mut phase = vec![false; shape.0 * shape.1];
        let mut changes = self.changes.iter().peekable();
        let mut frames = Vec::with_capacity(count);
        for frame in 0..count {
            while let Some(&(_, pixel)) = changes.next_if(|(sample, _)| *sample as usize <= frame * stride) {
                phase[pixel as usize] = !phase[pixel as usize];
            }
            frames.push(Array2::from_shape_vec(shape, phase.clone()).expect("one phase for each pixel"));
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_sample_can_be_told_afterwards() {
        let sequence: Vec<Vec<bool>> = (0..9u32)
            .map(|t| (0..6u32).map(|pixel| t > 0 && (t * 7 + pixel * 5) % 4 < 2).collect())
            .collect();
        let mut samples = Samples::new(6);
        for phase in &sequence[1..] {
            samples.take(phase.iter().copied());
        }
        for stride in 1..4 {
            for (frame, phase) in samples.frames((2, 3), stride, 3).into_iter().enumerate() {
                assert_eq!(phase.into_raw_vec_and_offset().0, sequence[frame * stride]);
            }
        }
    }
}
