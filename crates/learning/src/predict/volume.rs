//! No more fluid than was injected.

use ndarray::{Array2, Array3, ArrayView2, Axis, Zip};

/// The saturation of a domain as a network steps through it, which must not exceed the injected volume.
///
/// In a domain unlike those of the training a recurrent network can run ahead of the injected volume. It is then asked for the
/// time at which it has invaded that volume. The first saturation may be above zero.
#[derive(Debug)]
pub(super) struct Volume {
    /// Pores that fluid can reach.
    open: Array2<bool>,
    /// Pores.
    pores: f64,
    /// Times in pore volumes, increasing, and the largest saturation until then.
    known: Vec<[f64; 2]>,
}

impl Volume {
    /// Of a domain with `pores` pores, those in `open` in reach, and its frame at time 0.
    pub(super) fn new(open: Array2<bool>, pores: usize, first: ArrayView2<'_, f32>) -> Self {
        let mut volume = Self { open, pores: pores.max(1) as f64, known: Vec::new() };
        volume.learn(0.0, first);
        volume
    }

    fn learn(&mut self, time: f64, frame: ArrayView2<'_, f32>) {
        let sum = Zip::from(frame).and(&self.open).fold(
            0.0,
            |sum, &p, &is_open| {
                if is_open { sum + f64::from(p) } else { sum }
            },
        );
        self.known.push([time, sum / self.pores]);
        self.known.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let mut largest = 0.0;
        for [_, saturation] in &mut self.known {
            largest = saturation.max(largest);
            *saturation = largest;
        }
    }

    /// The times to ask the network for, given its `frames` at `times` in pore volumes: earlier ones where it runs ahead.
    pub(super) fn within(&mut self, times: &[f64], frames: &Array3<f32>) -> Vec<f64> {
        for (&time, frame) in times.iter().zip(frames.axis_iter(Axis(0))) {
            self.learn(time, frame);
        }
        let first = self.known[0][1];
        times.iter().map(|&time| self.time_of(first + time).min(time)).collect()
    }

    /// The last time, between known ones, at which the saturation is not above `saturation`.
    fn time_of(&self, saturation: f64) -> f64 {
        let after = self.known.partition_point(|known| known[1] <= saturation);
        match (after.checked_sub(1).map(|before| self.known[before]), self.known.get(after)) {
            (Some([time, low]), Some([later, high])) => {
                time + (later - time) * (saturation - low) / (high - low)
            }
            (None, _) => 0.0,
            (_, None) => f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four pores, of which the first `invaded` are filled.
    fn frame(invaded: f32) -> Array2<f32> {
        Array2::from_shape_fn((1, 4), |(_, x)| (invaded - x as f32).clamp(0.0, 1.0))
    }

    fn frames(invaded: &[f32]) -> Array3<f32> {
        Array3::from_shape_fn((invaded.len(), 1, 4), |(time, y, x)| frame(invaded[time])[[y, x]])
    }

    fn volume(first: f32) -> Volume {
        Volume::new(Array2::from_elem((1, 4), true), 4, frame(first).view())
    }

    #[test]
    fn a_network_that_keeps_to_the_injected_volume_is_asked_for_the_same_times() {
        let times = [0.25, 0.5, 0.75];
        assert_eq!(volume(0.0).within(&times, &frames(&[0.9, 2.0, 2.5])), times);
        // What was there at first was not injected.
        assert_eq!(volume(1.0).within(&times, &frames(&[1.9, 3.0, 3.5])), times);
    }

    #[test]
    fn a_network_that_runs_ahead_is_asked_for_earlier_times() {
        // It invades twice what is injected: half the time is asked for.
        let found = volume(0.0).within(&[0.25, 0.5], &frames(&[2.0, 4.0]));
        assert_eq!(found, [0.125, 0.25]);
        // Known from an earlier group of frames.
        let mut known = volume(0.0);
        known.within(&[0.25], &frames(&[2.0]));
        assert_eq!(known.within(&[0.5], &frames(&[4.0])), [0.25]);
    }

    #[test]
    fn pores_out_of_reach_count_as_volume_alone() {
        let open = Array2::from_shape_fn((1, 4), |(_, x)| x < 2);
        let mut volume = Volume::new(open, 4, frame(0.0).view());
        assert_eq!(volume.within(&[0.25, 0.5], &frames(&[4.0, 4.0])), [0.125, 0.5]);
    }
}
