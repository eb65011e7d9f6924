//! Limits on the size of synthetic data sets.

use porecast_base::{Checks, Problem, Validate};

use super::{MarsConfig, RightVentricleConfig, SeaIceConfig, StasConfig};

/// Largest count of anything written, ten times the largest study.
const MOST: usize = 100_000;

fn count(checks: &mut Checks, key: &str, value: usize, least: usize) {
    checks.need((least..=MOST).contains(&value), key, value, format!("{least} to {MOST}"));
}

impl Validate for RightVentricleConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        count(&mut checks, "patients", self.patients, 1);
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
        count(&mut checks, "training", self.training, 1);
        count(&mut checks, "public", self.public, 0);
        let (height, width) = self.shape;
        let is_size = |side: usize| (64..=10_000).contains(&side);
        checks.need(
            is_size(height) && is_size(width),
            "shape",
            format!("[{height}, {width}]"),
            "64 to 10000 pixels in each direction",
        );
        checks.0
    }
}

impl Validate for MarsConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        count(&mut checks, "training", self.training, 1);
        count(&mut checks, "test", self.test, 0);
        let Self { training, outliers, .. } = self;
        checks.need(outliers <= training, "outliers", outliers, format!("0 to training = {training}"));
        checks.0
    }
}

impl Validate for SeaIceConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        count(&mut checks, "training", self.training, 1);
        count(&mut checks, "test", self.test, 0);
        checks.0
    }
}
