//! The closed set of generators.

use porecast_base::Problem;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connectivity::{no_path, percolates};
use super::{DiscPackConfig, JitteredLatticeConfig, RandomFieldConfig};
use crate::{Domain, Result, Side};

/// A generator of domains and its settings; in a file, `kind` names the generator.
///
/// ```
/// use porecast_simulations::{Side, domain::DomainConfig};
/// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
///
/// let config: DomainConfig = toml::from_str("kind = \"disc-pack\"\nporosity = 0.7")?;
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// let domain = config.generate((128, 64), 35e-6, Side::Top, &mut rng)?;
/// assert!((domain.porosity() - 0.7).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DomainConfig {
    /// Grains of varied size that do not touch.
    DiscPack(DiscPackConfig),
    /// Grains on a disturbed lattice.
    JitteredLattice(JitteredLatticeConfig),
    /// A correlated random field cut at a porosity.
    RandomField(RandomFieldConfig),
}

/// Largest number of draws in the search for a domain that percolates.
const MAX_DRAWS: usize = 50;

impl DomainConfig {
    /// Every problem with the settings: the key and what is wrong with its value.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::DiscPack(config) => config.problems(),
            Self::JitteredLattice(config) => config.problems(),
            Self::RandomField(config) => config.problems(),
        }
    }

    /// Draws a domain of `shape` (height, width) that percolates from `inlet` to the opposite edge.
    ///
    /// If a draw does not percolate, the next one is taken from the same generator. The result depends only
    /// on the settings and on the state of `rng`.
    ///
    /// # Units
    /// Lengths in the settings are pixels; `voxel_size_m` is the edge length of a pixel in metres.
    ///
    /// # Errors
    /// A configuration error if settings are out of range. [`ErrorKind::Simulation`](crate::ErrorKind) if
    /// they do not fit the shape, or if none of many draws percolates.
    pub fn generate(
        &self,
        shape: (usize, usize),
        voxel_size_m: f64,
        inlet: Side,
        rng: &mut ChaCha8Rng,
    ) -> Result<Domain> {
        for _ in 0..MAX_DRAWS {
            let domain = match self {
                Self::DiscPack(config) => config.generate(shape, voxel_size_m, inlet, rng),
                Self::JitteredLattice(config) => config.generate(shape, voxel_size_m, inlet, rng),
                Self::RandomField(config) => config.generate(shape, voxel_size_m, inlet, rng),
            }?;
            if percolates(&domain, inlet) {
                return Ok(domain);
            }
        }
        Err(no_path(inlet))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn kind_selects_the_generator_and_unknown_keys_are_refused() {
        let config: DomainConfig = toml::from_str("kind = \"random-field\"\nporosity = 0.5").unwrap();
        assert!(matches!(config, DomainConfig::RandomField(field) if field.porosity == 0.5));
        let lattice = "kind = \"jittered-lattice\"\nlattice = \"square\"";
        assert!(matches!(toml::from_str(lattice), Ok(DomainConfig::JitteredLattice(_))));
        assert!(toml::from_str::<DomainConfig>("kind = \"disc-pack\"\nporositty = 0.5").is_err());
        assert!(toml::from_str::<DomainConfig>("kind = \"honeycomb\"").is_err());
        let written = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<DomainConfig>(&written).unwrap(), config);
    }

    #[test]
    fn a_medium_that_never_percolates_is_an_error() {
        let field = RandomFieldConfig { porosity: 0.1, correlation_length: 1.0, buffer: 0 };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let error =
            DomainConfig::RandomField(field).generate((40, 40), 1e-6, Side::Top, &mut rng).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Simulation);
        assert_eq!(error.to_string(), "the pore space has no path from the top edge to the bottom edge");
    }
}
