//! Grains on a lattice, each shifted and resized at random.

use porecast_base::{Checks, Problem};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gaussian::truncated_normal;
use super::grain::{Grain, rasterize};
use crate::{Domain, Error, Result, Side};

/// The lattice before grains are shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lattice {
    /// Every grain has six nearest neighbours.
    #[default]
    Triangular,
    /// Every grain has four nearest neighbours.
    Square,
}

/// A lattice of grains with disorder. Lengths in pixels.
///
/// Grains can overlap if radius and jitter are large compared with the spacing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JitteredLatticeConfig {
    /// Lattice before grains are shifted.
    pub lattice: Lattice,
    /// Distance between nearest neighbours in pixels.
    #[schemars(extend("minimum" = 2.0, "maximum" = 10000.0))]
    pub spacing: f64,
    /// Mean grain radius in pixels. The normal distribution is cut off at zero and at twice this mean.
    #[schemars(extend("minimum" = 0.5, "maximum" = 5000.0))]
    pub grain_radius: f64,
    /// Standard deviation of that distribution in pixels, at most the mean.
    #[schemars(extend("minimum" = 0.0, "maximum" = 5000.0))]
    pub grain_radius_std: f64,
    /// Largest shift along each axis as a share of the spacing; shifts are uniformly distributed.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub jitter: f64,
    /// Rows free of grains at the inlet and at the outlet edge. Grains that would reach into these rows are
    /// left out.
    pub buffer: usize,
}

impl Default for JitteredLatticeConfig {
    fn default() -> Self {
        Self {
            lattice: Lattice::default(),
            spacing: 20.0,
            grain_radius: 7.0,
            grain_radius_std: 1.0,
            jitter: 0.1,
            buffer: 0,
        }
    }
}

impl JitteredLatticeConfig {
    /// Every problem with the settings: the key and what is wrong with its value.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.range("spacing", self.spacing, 2.0, 10_000.0);
        checks.range("grain_radius", self.grain_radius, 0.5, 5_000.0);
        checks.range("grain_radius_std", self.grain_radius_std, 0.0, self.grain_radius.max(0.0));
        checks.range("jitter", self.jitter, 0.0, 1.0);
        checks.0
    }

    /// Draws a lattice. The first grain lies at a random place in the first cell, so that domains differ even
    /// without jitter.
    ///
    /// # Errors
    /// A configuration error for settings out of range. [`ErrorKind::Simulation`](crate::ErrorKind) if no grain fits.
    pub fn generate(
        &self,
        shape: (usize, usize),
        voxel_size_m: f64,
        inlet: Side,
        rng: &mut impl Rng,
    ) -> Result<Domain> {
        Checks(self.problems()).into_result()?;
        let (height, width) = (shape.0 as f64, shape.1 as f64);
        let row_distance = match self.lattice {
            Lattice::Square => self.spacing,
            Lattice::Triangular => self.spacing * 0.75_f64.sqrt(),
        };
        // Start far enough outside the image to include every grain that can reach into it.
        let reach = 2.0 * self.grain_radius + self.jitter * self.spacing;
        let rows = ((height + 2.0 * reach) / row_distance).ceil() as usize + 2;
        let columns = ((width + 2.0 * reach) / self.spacing).ceil() as usize + 2;
        let first_y = -reach - row_distance * rng.random::<f64>();
        let first_x = -reach - self.spacing * rng.random::<f64>();
        let mut grains = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            let offset = match self.lattice {
                Lattice::Triangular if row % 2 == 1 => 0.5 * self.spacing,
                _ => 0.0,
            };
            for column in 0..columns {
                let mut shift = || self.jitter * self.spacing * (2.0 * rng.random::<f64>() - 1.0);
                let y = first_y + row as f64 * row_distance + shift();
                let x = first_x + column as f64 * self.spacing + offset + shift();
                let range = 0.0..=2.0 * self.grain_radius;
                let radius = truncated_normal(rng, self.grain_radius, self.grain_radius_std, range);
                grains.push(Grain { y, x, radius });
            }
        }
        if self.buffer > 0 {
            let buffer = self.buffer as f64;
            let (along, length): (fn(&Grain) -> f64, f64) = match inlet {
                Side::Top | Side::Bottom => (|grain| grain.y, height),
                Side::Left | Side::Right => (|grain| grain.x, width),
            };
            grains.retain(|grain| {
                along(grain) - grain.radius >= buffer && along(grain) + grain.radius <= length - buffer
            });
        }
        let solid = rasterize(grains, shape);
        if !solid.iter().any(|&solid| solid) {
            return Err(Error::simulation(format!(
                "no grain of the lattice fits {shape:?} between the buffers"
            )));
        }
        Ok(Domain { solid, voxel_size_m })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn porosity_of_an_ordered_lattice_is_that_of_its_cell() {
        for (lattice, cell) in [(Lattice::Square, 400.0), (Lattice::Triangular, 400.0 * 0.75_f64.sqrt())] {
            let config =
                JitteredLatticeConfig { lattice, grain_radius_std: 0.0, jitter: 0.0, ..Default::default() };
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let domain = config.generate((400, 400), 1e-6, Side::Top, &mut rng).unwrap();
            let expected = 1.0 - std::f64::consts::PI * 49.0 / cell;
            assert!((domain.porosity() - expected).abs() < 0.02, "{lattice:?}: {}", domain.porosity());
        }
    }

    #[test]
    fn buffers_are_free_of_grains() {
        let config = JitteredLatticeConfig { buffer: 5, ..Default::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let domain = config.generate((60, 90), 1e-6, Side::Right, &mut rng).unwrap();
        for column in (0..5).chain(85..90) {
            assert!(!domain.solid.column(column).iter().any(|&solid| solid));
        }
        assert!(domain.porosity() < 0.9);
    }

    #[test]
    fn a_lattice_without_a_grain_is_refused() {
        let config = JitteredLatticeConfig { buffer: 25, ..Default::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let error = config.generate((60, 90), 1e-6, Side::Top, &mut rng).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Simulation);
        assert!(error.to_string().contains("no grain"), "{error}");
    }
}
