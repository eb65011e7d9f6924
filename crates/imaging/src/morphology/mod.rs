//! Post-processing: from the probabilities of a network to regions.

mod closing;
mod holes;
mod hysteresis;

use ndarray::{Array2, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use closing::close;
pub use holes::fill_holes;
pub use hysteresis::hysteresis;

use crate::components::Components;
use porecast_base::Checks;
use porecast_base::Problem;

/// Steps applied to a probability map, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PostprocessConfig {
    /// 1. Pixels with at least this probability form candidate regions.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub low: f32,
    /// A region is kept only if one of its pixels has at least this probability; at least `low`.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub high: f32,
    /// A region is dropped if its mean probability is below this.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub drop: f32,
    /// 2. Gaps narrower than twice this radius in pixels are closed.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1000.0))]
    pub closing_radius_px: f64,
    /// 3. Whether holes are filled.
    pub fill_holes: bool,
    /// A background region at the image border counts as a hole if it touches the border along at most this
    /// many pixels.
    pub border_gap_px: usize,
    /// 4. Regions of fewer pixels are removed.
    pub minimum_area_px: usize,
}

impl Default for PostprocessConfig {
    /// Only a threshold of one half.
    fn default() -> Self {
        Self {
            low: 0.5,
            high: 0.5,
            drop: 0.0,
            closing_radius_px: 0.0,
            fill_holes: false,
            border_gap_px: 0,
            minimum_area_px: 0,
        }
    }
}

impl PostprocessConfig {
    /// Every value outside its range.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.probability("low", self.low.into());
        checks.range("high", self.high.into(), f64::from(self.low).clamp(0.0, 1.0), 1.0);
        checks.probability("drop", self.drop.into());
        checks.range("closing_radius_px", self.closing_radius_px, 0.0, 1_000.0);
        checks.0
    }
}

/// The regions in a probability map `[y, x]`.
///
/// ```
/// use ndarray::array;
/// use porecast_imaging::morphology::{PostprocessConfig, postprocess};
///
/// let probabilities = array![[0.4, 0.9, 0.0, 0.45, 0.45]];
/// let config = PostprocessConfig { low: 0.4, high: 0.8, ..Default::default() };
/// assert_eq!(postprocess(probabilities.view(), &config), array![[true, true, false, false, false]]);
/// ```
pub fn postprocess(probabilities: ArrayView2<'_, f32>, config: &PostprocessConfig) -> Array2<bool> {
    let mut regions = hysteresis(probabilities, config.low, config.high, config.drop);
    if config.closing_radius_px > 0.0 {
        regions = close(regions.view(), config.closing_radius_px);
    }
    if config.fill_holes {
        regions = fill_holes(regions.view(), config.border_gap_px);
    }
    if config.minimum_area_px > 1 {
        regions = remove_small(regions.view(), config.minimum_area_px);
    }
    regions
}

/// Removes the regions of fewer than `minimum_area_px` pixels.
pub fn remove_small(image: ArrayView2<'_, bool>, minimum_area_px: usize) -> Array2<bool> {
    let found = Components::find(image);
    found.keep(|index| found.regions()[index].area >= minimum_area_px)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Zip, array, s};

    #[test]
    fn small_regions_go_by_hand() {
        let image = array![[true, true, false], [false, false, true], [true, false, true]];
        let expected = array![[true, true, false], [false, false, true], [false, false, true]];
        assert_eq!(remove_small(image.view(), 2), expected);
        assert_eq!(remove_small(image.view(), 3), Array2::from_elem((3, 3), false));
        assert_eq!(remove_small(image.view(), 0), image);
    }

    #[test]
    fn the_default_is_a_threshold() {
        let probabilities = Array2::from_shape_fn((9, 7), |(y, x)| ((y * 31 + x * 17) % 11) as f32 / 10.0);
        let expected = probabilities.mapv(|p| p >= 0.5);
        assert_eq!(postprocess(probabilities.view(), &PostprocessConfig::default()), expected);
    }

    #[test]
    fn the_whole_chain_restores_a_damaged_target() {
        let mut truth = Array2::from_elem((60, 60), false);
        truth.slice_mut(s![10..40, 0..30]).fill(true);
        let mut probabilities = truth.mapv(|inside| if inside { 0.9f32 } else { 0.1 });
        probabilities.slice_mut(s![20..25, 10..20]).fill(0.1); // a hole
        probabilities.slice_mut(s![30..34, 0..12]).fill(0.1); // a bay at the border
        probabilities.slice_mut(s![15..35, 25]).fill(0.2); // a crack
        probabilities.slice_mut(s![50..53, 50..53]).fill(0.95); // a speck
        probabilities.slice_mut(s![45..58, 30..45]).fill(0.6); // never certain
        let config = PostprocessConfig {
            low: 0.5,
            high: 0.8,
            drop: 0.55,
            closing_radius_px: 2.0,
            fill_holes: true,
            border_gap_px: 6,
            minimum_area_px: 20,
        };
        assert_eq!(config.problems(), []);
        let wrong = Zip::from(&postprocess(probabilities.view(), &config))
            .and(&truth)
            .fold(0, |wrong, a, b| wrong + usize::from(a != b));
        assert_eq!(wrong, 0);
    }

    #[test]
    fn every_problem_is_reported() {
        let config = PostprocessConfig { low: 0.6, high: 0.5, drop: 2.0, ..Default::default() };
        let keys: Vec<_> = config.problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["high", "drop"]);
    }
}
