//! Correlated Gaussian random fields, thresholded to a given porosity.

use ndarray::{Array2, Axis};
use porecast_base::{Checks, Problem};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gaussian::standard_normal;
use crate::{Domain, Error, Result, Side};

/// A thresholded random field.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomFieldConfig {
    /// Pore pixels over all pixels, buffers included. The result has this porosity to within one pixel.
    #[schemars(extend("minimum" = 0.05, "maximum" = 0.99))]
    pub porosity: f64,
    /// Standard deviation ℓ in pixels of the Gaussian that smooths white noise. The field's autocorrelation
    /// at lag r is exp(-r² / 4 ℓ²).
    #[schemars(extend("minimum" = 0.0, "maximum" = 1000.0))]
    pub correlation_length: f64,
    /// Rows free of solid at the inlet and at the outlet edge.
    pub buffer: usize,
}

impl Default for RandomFieldConfig {
    fn default() -> Self {
        Self { porosity: 0.65, correlation_length: 4.0, buffer: 0 }
    }
}

impl RandomFieldConfig {
    /// Every problem with the settings: the key and what is wrong with its value.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.range("porosity", self.porosity, 0.05, 0.99);
        checks.range("correlation_length", self.correlation_length, 0.0, 1000.0);
        checks.0
    }

    /// Draws a field and makes its lowest values solid, as many pixels as the porosity requires.
    ///
    /// # Errors
    /// A configuration error if settings are out of range. [`ErrorKind::Simulation`](crate::ErrorKind) if the
    /// buffers leave too little room for the solid.
    pub fn generate(
        &self,
        shape: (usize, usize),
        voxel_size_m: f64,
        inlet: Side,
        rng: &mut impl Rng,
    ) -> Result<Domain> {
        Checks(self.problems()).into_result()?;
        let noise = Array2::from_shape_simple_fn(shape, || standard_normal(rng));
        let mut field = smooth(&noise, self.correlation_length);
        for edge in [inlet, inlet.opposite()] {
            edge.band_mut(&mut field, self.buffer).fill(f64::INFINITY);
        }
        let solid_count = ((1.0 - self.porosity) * field.len() as f64).round() as usize;
        let mut order: Vec<usize> = (0..field.len()).collect();
        let values: Vec<f64> = field.iter().copied().collect();
        // Ties are broken by position, so that the count is exact even if the field is constant.
        order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
        let lowest = &order[..solid_count];
        if lowest.last().is_some_and(|&last| values[last] == f64::INFINITY) {
            return Err(Error::simulation(format!(
                "buffers of {} rows leave no room for porosity {} in {shape:?}",
                self.buffer, self.porosity
            )));
        }
        let mut solid = Array2::from_elem(shape, false);
        for &pixel in lowest {
            solid[[pixel / shape.1, pixel % shape.1]] = true;
        }
        Ok(Domain { solid, voxel_size_m })
    }
}

/// Smooths with a Gaussian along both axes. The boundaries are periodic, so that the edges have the same
/// statistics as the middle.
fn smooth(field: &Array2<f64>, standard_deviation: f64) -> Array2<f64> {
    let reach = (4.0 * standard_deviation).ceil() as isize;
    let weight = |lag: isize| match standard_deviation > 0.0 {
        true => (-0.5 * (lag as f64 / standard_deviation).powi(2)).exp(),
        false => 1.0,
    };
    let kernel: Vec<f64> = (-reach..=reach).map(weight).collect();
    let mut smoothed = field.clone();
    for axis in [Axis(0), Axis(1)] {
        for mut lane in smoothed.lanes_mut(axis) {
            let before = lane.to_vec();
            for (position, value) in lane.iter_mut().enumerate() {
                let at = |k: usize| {
                    before
                        [(position as isize + k as isize - reach).rem_euclid(before.len() as isize) as usize]
                };
                *value = kernel.iter().enumerate().map(|(k, weight)| weight * at(k)).sum();
            }
        }
    }
    smoothed
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn porosity_is_met_to_the_pixel() {
        for (porosity, correlation_length, buffer) in [(0.65, 4.0, 0), (0.5, 0.0, 3), (0.9, 30.0, 1)] {
            let config = RandomFieldConfig { porosity, correlation_length, buffer };
            let mut rng = ChaCha8Rng::seed_from_u64(9);
            let domain = config.generate((61, 47), 1e-6, Side::Left, &mut rng).unwrap();
            let solid = (61 * 47) - domain.pore_count();
            assert_eq!(solid, ((1.0 - porosity) * (61.0 * 47.0)).round() as usize);
            for column in (0..buffer).chain(47 - buffer..47) {
                assert!(!domain.solid.column(column).iter().any(|&solid| solid));
            }
        }
    }

    #[test]
    fn neighbours_correlate_as_the_kernel_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(10);
        let noise = Array2::from_shape_simple_fn((256, 256), || standard_normal(&mut rng));
        let field = smooth(&noise, 3.0);
        let variance: f64 = field.iter().map(|value| value * value).sum();
        let lag = 4;
        let covariance: f64 = (0..256 - lag)
            .flat_map(|y| (0..256).map(move |x| (y, x)))
            .map(|(y, x)| field[[y, x]] * field[[y + lag, x]])
            .sum();
        let expected = (-(lag as f64).powi(2) / (4.0 * 9.0)).exp();
        let measured = covariance / variance * 256.0 / (256 - lag) as f64;
        assert!((measured - expected).abs() < 0.05, "{measured} for {expected}");
    }

    #[test]
    fn buffers_that_leave_no_room_are_an_error() {
        let config = RandomFieldConfig { porosity: 0.5, buffer: 20, ..Default::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        assert!(config.generate((40, 40), 1e-6, Side::Top, &mut rng).is_err());
    }
}
