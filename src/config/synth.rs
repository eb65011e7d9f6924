//! How much synthetic data is written, and what of it makes no sense.

use porecast_imaging::synth::{MarsConfig, RightVentricleConfig, SeaIceConfig, StasConfig};

use super::{Checks, Problem, Validate};

/// Most of anything that is written; ten times what the largest study has.
const MOST: usize = 100_000;

impl Checks {
    fn count(&mut self, key: &str, value: usize, least: usize) {
        self.need((least..=MOST).contains(&value), key, value, format!("{least} to {MOST}"));
    }
}

impl Validate for RightVentricleConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.count("patients", self.patients, 1);
        let instances = self.slices.saturating_mul(self.phases);
        checks.need(
            (1..MOST).contains(&instances),
            "slices",
            format!("slices x phases = {instances}"),
            format!("1 to {}", MOST - 1),
        );
        checks.0
    }
}

impl Validate for StasConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.count("training", self.training, 1);
        checks.count("public", self.public, 0);
        let (height, width) = self.shape;
        let is_size = |side: usize| (64..=10_000).contains(&side);
        checks.need(
            is_size(height) && is_size(width),
            "shape",
            format!("[{height}, {width}]"),
            "64 to 10000 each way",
        );
        checks.0
    }
}

impl Validate for MarsConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.count("training", self.training, 1);
        checks.count("test", self.test, 0);
        let Self { training, outliers, .. } = self;
        checks.need(outliers <= training, "outliers", outliers, format!("0 to training = {training}"));
        checks.0
    }
}

impl Validate for SeaIceConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.count("training", self.training, 1);
        checks.count("test", self.test, 0);
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn values_are_changed_and_what_makes_no_sense_is_refused_by_its_key() {
        let sets = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        let mars = parse::<MarsConfig>("mars", "", &sets("training=20 outliers=2")).unwrap();
        assert_eq!(mars, MarsConfig { training: 20, outliers: 2, ..MarsConfig::default() });
        let refused = |error: crate::Error, wanted: &str| {
            assert!(error.to_string().contains(wanted), "{error}");
        };
        refused(
            parse::<MarsConfig>("mars", "", &sets("outliers=121")).unwrap_err(),
            "outliers: 121 is outside",
        );
        refused(parse::<MarsConfig>("mars", "", &sets("trainin=3")).unwrap_err(), "did you mean `training`?");
        refused(parse::<SeaIceConfig>("ice", "", &sets("training=0")).unwrap_err(), "training: 0 is outside");
        refused(parse::<StasConfig>("stas", "", &sets("shape=[8,900]")).unwrap_err(), "shape: [8, 900]");
        refused(
            parse::<RightVentricleConfig>("rv", "", &sets("phases=0")).unwrap_err(),
            "slices x phases = 0 is outside",
        );
    }
}
