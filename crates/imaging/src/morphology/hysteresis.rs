//! Hysteresis thresholding with a minimum mean.

use ndarray::{Array2, ArrayView2};

use crate::components::Components;

/// Connected regions of pixels with a probability of at least `low`. A region is kept if one of its pixels
/// has at least `high` and its mean is at least `drop`.
///
/// The histology study names three thresholds, "drop, high, low", without defining them; this is our
/// interpretation. `drop` has no effect if it is at most `low`.
///
/// # References
/// Canny, IEEE Transactions on Pattern Analysis and Machine Intelligence 8 (1986), 679 (the two thresholds).
pub fn hysteresis(probabilities: ArrayView2<'_, f32>, low: f32, high: f32, drop: f32) -> Array2<bool> {
    let candidates = Components::find(probabilities.mapv(|p| p >= low).view());
    let mut highest = vec![f32::NEG_INFINITY; candidates.regions().len()];
    let mut sums = vec![0.0f64; candidates.regions().len()];
    for (at, &label) in candidates.labels().indexed_iter().filter(|(_, label)| **label != 0) {
        let (index, p) = (label as usize - 1, probabilities[at]);
        highest[index] = highest[index].max(p);
        sums[index] += f64::from(p);
    }
    candidates.keep(|index| {
        let mean = sums[index] / candidates.regions()[index].area as f64;
        highest[index] >= high && mean >= f64::from(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn regions_need_a_high_pixel_and_a_high_mean_by_hand() {
        let p = array![[0.5, 0.9, 0.0, 0.6, 0.6, 0.0, 0.5, 0.5, 0.5, 0.8]];
        let kept = |low, high, drop| {
            let regions = hysteresis(p.view(), low, high, drop);
            [regions[[0, 0]], regions[[0, 3]], regions[[0, 6]]]
        };
        assert_eq!(kept(0.5, 0.5, 0.0), [true, true, true]);
        assert_eq!(kept(0.5, 0.7, 0.0), [true, false, true]);
        assert_eq!(kept(0.5, 0.7, 0.6), [true, false, false]);
        assert_eq!(kept(0.5, 0.95, 0.0), [false, false, false]);
        // Above 0.5 the first region is one pixel.
        assert_eq!(hysteresis(p.view(), 0.55, 0.7, 0.0).iter().filter(|&&kept| kept).count(), 2);
    }
}
