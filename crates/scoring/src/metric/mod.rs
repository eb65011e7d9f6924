//! Measures of a predicted invasion: pure functions of masks, probabilities and counts.
//!
//! Per frame: [`SquaredError`], [`Confusion`] (IoU, Dice, precision, recall), [`saturation()`], [`front`],
//! [`connectivity`], [`euler`]. Per sequence: [`Reliability`], [`breakthrough`], [`retreat`]. Over domains: [`bootstrap`].
//!
//! Masks are `[y, x]`, `true` where the invading phase is. `scored` is the pore space, or every pixel when a
//! whole-image value is wanted for comparison with published figures.

pub mod bootstrap;
pub mod breakthrough;
pub mod connectivity;
pub mod euler;
pub mod front;
pub mod reliability;
pub mod retreat;
pub mod saturation;
pub mod squared_error;

pub use bootstrap::Interval;
pub use porecast_imaging::measure::Confusion;
pub use reliability::Reliability;
pub use retreat::Retreat;
pub use saturation::saturation;
pub use squared_error::SquaredError;

use ndarray::{Array2, ArrayView2};

/// Probability from which a pixel counts as invaded.
pub const THRESHOLD: f32 = 0.5;

/// The mask of a probability map: `true` where it exceeds [`THRESHOLD`].
///
/// Strictly above, as in the published volume loss `1[p > 0.5]`: a network that answers 0.5 has not decided
/// that the pixel is invaded.
pub fn mask(probability: ArrayView2<f32>) -> Array2<bool> {
    probability.mapv(|p| p > THRESHOLD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn one_half_is_not_invaded() {
        assert_eq!(mask(array![[0.5, 0.51], [0.0, 1.0]].view()), array![[false, true], [false, true]]);
    }
}
