//! Configuration of a lattice Boltzmann run.

use porecast_base::{Checks, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::percolation::Until;

/// How fast the invading fluid is injected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// Ca = μ_i q/σ, with the viscosity μ_i of the invading fluid and the injection velocity q: injected
    /// volume per time and cross-section of the whole domain. Times are in pore volumes.
    CapillaryNumber(#[schemars(range(min = 1e-6, max = 1.0))] f64),
    /// Injected volume per unit of depth, in m²/s. Times are in seconds.
    RateM2PerS(#[schemars(extend("exclusiveMinimum" = 0.0))] f64),
}

/// Floating-point precision of the solver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits: fast.
    #[default]
    Single,
    /// 64 bits: the reference.
    Double,
}

/// A dynamic drainage at constant injection rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatticeBoltzmannConfig {
    /// How fast the invading fluid is injected.
    pub injection: Injection,
    /// Viscosity of the invading over that of the defending fluid; overrides the ratio of the given
    /// fluids.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub viscosity_ratio: Option<f64>,
    /// Number of frames, the first at time 0 with nothing invaded.
    #[schemars(range(min = 2))]
    pub frames: usize,
    /// Time of the last frame. With `breakthrough` the last frame is the first one at or after breakthrough,
    /// so that frames are equally spaced in time.
    pub until: Until,
    /// Whether to keep pressure and velocity at every frame. Requires `until` to be a number of pore volumes.
    pub keep_flow: bool,
    /// Lattice sites along the edge of a pixel: more for narrow throats, at a higher cost.
    #[schemars(range(min = 1, max = 16))]
    pub sites_per_pixel: usize,
    /// Rows of free lattice before the inlet and behind the outlet, not part of the result. With too few
    /// rows, defending fluid that flows back can reach the first row, where it is replaced by invading fluid.
    #[schemars(range(min = 2, max = 1000))]
    pub reservoir: usize,
    /// Kinematic viscosity of the more viscous fluid in lattice units; chosen automatically if not given.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub viscosity_lu: Option<f64>,
    /// Interfacial tension in lattice units; chosen automatically if not given.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub surface_tension_lu: Option<f64>,
    /// Steps as a multiple of the automatic choice: tension and velocity are divided by it, and so are compression and
    /// Reynolds number. With 2, the result shows how far it depends on them.
    #[schemars(range(min = 0.1, max = 100.0))]
    #[serde(skip_serializing_if = "is_one")]
    pub slowdown: f64,
    /// Floating-point precision of the solver.
    pub precision: Precision,
    /// Threads for one domain. The result does not depend on it.
    #[schemars(range(min = 1, max = 1024))]
    pub threads: usize,
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

impl Default for LatticeBoltzmannConfig {
    fn default() -> Self {
        Self {
            injection: Injection::CapillaryNumber(1e-2),
            viscosity_ratio: None,
            frames: 26,
            until: Until::default(),
            keep_flow: false,
            sites_per_pixel: 1,
            reservoir: 8,
            viscosity_lu: None,
            surface_tension_lu: None,
            slowdown: 1.0,
            precision: Precision::default(),
            threads: 1,
        }
    }
}

impl LatticeBoltzmannConfig {
    /// Every problem with the settings: the key and what is wrong with its value.
    ///
    /// Limits that also depend on the fluids and the domain are checked by [`Units::new`](super::Units::new).
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        match self.injection {
            Injection::CapillaryNumber(number) => {
                let is_inside = (1e-6..=1.0).contains(&number);
                checks.need(is_inside, "injection.capillary_number", number, "[1e-6, 1]");
            }
            Injection::RateM2PerS(rate) => checks.positive("injection.rate_m2_per_s", rate),
        }
        for (key, value) in [
            ("viscosity_ratio", self.viscosity_ratio),
            ("viscosity_lu", self.viscosity_lu),
            ("surface_tension_lu", self.surface_tension_lu),
        ] {
            if let Some(value) = value {
                checks.positive(key, value);
            }
        }
        checks.need(self.frames >= 2, "frames", self.frames, "2, 3, ...");
        match self.until {
            Until::PoreVolumes(volumes) => checks.positive("until.pore_volumes", volumes),
            Until::Breakthrough if self.keep_flow => checks.add(
                "keep_flow",
                "needs until = { pore_volumes = ... }: the times of the frames up to \
                breakthrough are known only afterwards",
            ),
            Until::Breakthrough => {}
        }
        checks.range("slowdown", self.slowdown, 0.1, 100.0);
        checks.range("sites_per_pixel", self.sites_per_pixel, 1, 16);
        checks.range("reservoir", self.reservoir, 2, 1000);
        checks.range("threads", self.threads, 1, 1024);
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_with_its_key() {
        let config: LatticeBoltzmannConfig = toml::from_str(
            "injection = { capillary_number = 7.0 }\nviscosity_ratio = -1.0\nframes = 1\nkeep_flow = \
            true\nreservoir = 0",
        )
        .unwrap();
        let keys: Vec<_> = config.problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(
            keys,
            ["injection.capillary_number", "viscosity_ratio", "frames", "keep_flow", "reservoir"]
        );
        assert!(LatticeBoltzmannConfig::default().problems().is_empty());
    }

    #[test]
    fn a_configuration_reads_back_equal() {
        let config = LatticeBoltzmannConfig {
            injection: Injection::RateM2PerS(1e-6),
            until: Until::PoreVolumes(0.8),
            surface_tension_lu: Some(0.01),
            ..Default::default()
        };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<LatticeBoltzmannConfig>(&text).unwrap(), config);
        assert!(toml::from_str::<LatticeBoltzmannConfig>("frame = 26").is_err());
    }
}
