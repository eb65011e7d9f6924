//! Configuration of a percolation run.

use porecast_base::{Checks, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clock::{AfterBreakthrough, Until};

/// A quasi-static drainage at constant injection rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PercolationConfig {
    /// Whether defending fluid without a path to the outlet stays where it is. Without trapping it can be
    /// invaded, as if it were infinitely compressible.
    pub trapping: bool,
    /// Number of frames, the first at time 0 with nothing invaded.
    #[schemars(range(min = 2))]
    pub frames: usize,
    /// Time of the last frame.
    pub until: Until,
    /// What happens after breakthrough, if the sequence continues that long.
    pub after_breakthrough: AfterBreakthrough,
    /// Injected volume per unit of depth, in m²/s. If given, times are in seconds, otherwise in pore
    /// volumes.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub injection_rate_m2_per_s: Option<f64>,
}

impl Default for PercolationConfig {
    fn default() -> Self {
        Self {
            trapping: true,
            frames: 26,
            until: Until::default(),
            after_breakthrough: AfterBreakthrough::default(),
            injection_rate_m2_per_s: None,
        }
    }
}

impl PercolationConfig {
    /// Every problem with the settings: the key and what is wrong with its value.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.need(self.frames >= 2, "frames", self.frames, "2, 3, ...");
        if let Until::PoreVolumes(volumes) = self.until {
            checks.positive("until.pore_volumes", volumes);
        }
        if let Some(rate) = self.injection_rate_m2_per_s {
            checks.positive("injection_rate_m2_per_s", rate);
        }
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_with_its_key() {
        let config: PercolationConfig =
            toml::from_str("frames = 1\nuntil = { pore_volumes = -0.5 }\ninjection_rate_m2_per_s = 0.0")
                .unwrap();
        let keys: Vec<_> = config.problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["frames", "until.pore_volumes", "injection_rate_m2_per_s"]);
        assert!(PercolationConfig::default().problems().is_empty());
    }

    #[test]
    fn a_configuration_is_read_from_toml() {
        let config: PercolationConfig =
            toml::from_str("until = \"breakthrough\"\nafter_breakthrough = \"continue\"\ntrapping = false")
                .unwrap();
        assert_eq!(config.until, Until::Breakthrough);
        assert_eq!(config.after_breakthrough, AfterBreakthrough::Continue);
        assert!(!config.trapping);
        assert!(toml::from_str::<PercolationConfig>("frame = 26").is_err());
    }
}
