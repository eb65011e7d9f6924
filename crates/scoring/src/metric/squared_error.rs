//! Mean squared error of a probability against the true phase.

use std::iter::Sum;
use std::ops::Add;

use ndarray::{ArrayView2, Zip};
use serde::{Deserialize, Serialize};

/// Sum of (p - g)² over pixels, with p the predicted probability and g ∈ {0, 1} the truth, and their number.
///
/// The Brier score (Brier 1950): 0 is perfect, 0.25 is what p = ½ everywhere gets. Sums add over frames and domains.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SquaredError {
    /// Sum of squared errors.
    pub sum: f64,
    /// Number of pixels.
    pub count: u64,
}

impl SquaredError {
    /// Sums over the pixels in which `scored` is true.
    ///
    /// # Panics
    /// The shapes differ.
    pub fn sum(probability: ArrayView2<f32>, truth: ArrayView2<bool>, scored: ArrayView2<bool>) -> Self {
        let mut total = Self::default();
        Zip::from(&probability).and(&truth).and(&scored).for_each(|&p, &g, &scored| {
            if scored {
                total.sum += square(p, g);
                total.count += 1;
            }
        });
        total
    }

    /// Sums over every pixel, solid included. Solid is 0 in both, so this is the pore-space value times the
    /// porosity: lower for denser domains, and only for comparison with figures published that way.
    ///
    /// # Panics
    /// The shapes differ.
    pub fn sum_whole_image(probability: ArrayView2<f32>, truth: ArrayView2<bool>) -> Self {
        let mut total = Self { sum: 0.0, count: truth.len() as u64 };
        Zip::from(&probability).and(&truth).for_each(|&p, &g| total.sum += square(p, g));
        total
    }

    /// The mean; `None` when no pixel was scored.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

fn square(p: f32, g: bool) -> f64 {
    let difference = f64::from(p) - f64::from(u8::from(g));
    difference * difference
}

impl Add for SquaredError {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, count: self.count + other.count }
    }
}

impl Sum for SquaredError {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        let p = array![[1.0, 0.5], [0.0, 0.0]];
        let g = array![[true, true], [true, false]];
        let pore = array![[true, true], [true, false]];
        assert_eq!(SquaredError::sum(p.view(), g.view(), pore.view()).mean(), Some(1.25 / 3.0));
        assert_eq!(SquaredError::sum_whole_image(p.view(), g.view()).mean(), Some(1.25 / 4.0));
    }

    #[test]
    fn perfect_is_zero_and_opposite_is_one() {
        let g = array![[true, false], [false, true]];
        let pore = Array2::from_elem((2, 2), true);
        let p = g.mapv(|g| f32::from(u8::from(g)));
        assert_eq!(SquaredError::sum(p.view(), g.view(), pore.view()).mean(), Some(0.0));
        assert_eq!(SquaredError::sum(p.mapv(|p| 1.0 - p).view(), g.view(), pore.view()).mean(), Some(1.0));
    }

    #[test]
    fn nothing_scored_has_no_mean() {
        let none = Array2::from_elem((2, 2), false);
        assert_eq!(SquaredError::sum(Array2::ones((2, 2)).view(), none.view(), none.view()).mean(), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_slow_sum(pixels in prop::collection::vec((0f32..=1.0, any::<bool>(), any::<bool>()), 1..60)) {
            let n = pixels.len();
            let p = Array2::from_shape_vec((1, n), pixels.iter().map(|x| x.0).collect()).unwrap();
            let g = Array2::from_shape_vec((1, n), pixels.iter().map(|x| x.1).collect()).unwrap();
            let s = Array2::from_shape_vec((1, n), pixels.iter().map(|x| x.2).collect()).unwrap();
            let scored: Vec<_> = pixels.iter().filter(|x| x.2).collect();
            let slow: f64 = scored.iter().map(|x| (f64::from(x.0) - if x.1 { 1.0 } else { 0.0 }).powi(2)).sum();
            let fast = SquaredError::sum(p.view(), g.view(), s.view());
            prop_assert_eq!(fast.count as usize, scored.len());
            prop_assert!((fast.sum - slow).abs() < 1e-9);
        }
    }
}
