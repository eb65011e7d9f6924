//! The search for training settings.

use std::collections::HashSet;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Checks, Problem, Validate};

/// A search for the training settings with the lowest validation loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// Name of the study; its folder is `runs/<name>` unless `-o` is given.
    pub name: String,
    /// Configuration file of the training; each trial changes the parameters in it.
    pub training: PathBuf,
    /// Seed of the draws.
    #[serde(default)]
    pub seed: u64,
    /// Total number of trials, over all processes.
    #[schemars(range(min = 1))]
    pub trials: usize,
    /// Trials drawn at random before the estimator proposes any.
    #[serde(default = "SearchConfig::default_startup")]
    #[schemars(range(min = 1))]
    pub startup: usize,
    /// Parameters to search.
    #[serde(rename = "parameter")]
    #[schemars(length(min = 1))]
    pub parameters: Vec<Parameter>,
}

/// A key of the training's configuration and the values to try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Path of a key of the training's configuration, such as `optimizer.learning_rate`; not of the
    /// loss.
    pub key: String,
    /// Values to try.
    pub values: Values,
}

/// Values of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Values {
    /// A real number from `low` to `high`.
    Real {
        /// Smallest.
        low: f64,
        /// Largest.
        high: f64,
        /// Scale on which the numbers are uniform.
        #[serde(default)]
        scale: Scale,
    },
    /// A whole number from `low` to `high`.
    Whole {
        /// Smallest.
        low: i64,
        /// Largest.
        high: i64,
    },
    /// One of an unordered list.
    Choice(Vec<Value>),
}

/// Scale on which numbers are uniform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// The number itself.
    #[default]
    Linear,
    /// Its logarithm.
    Log,
}

impl SearchConfig {
    fn default_startup() -> usize {
        10
    }
}

impl Validate for SearchConfig {
    const KIND: &'static str = super::SEARCH;

    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.expect(!self.name.is_empty(), "name", "\"\"", "a name");
        checks.expect(self.trials >= 1, "trials", self.trials, "at least 1");
        checks.expect(self.startup >= 1, "startup", self.startup, "at least 1");
        checks.expect(!self.parameters.is_empty(), "parameter", "none", "at least one [[parameter]]");
        let keys: HashSet<_> = self.parameters.iter().map(|parameter| &parameter.key).collect();
        checks.expect(keys.len() == self.parameters.len(), "parameter", "a key twice", "each key once");
        for (index, Parameter { key, values }) in self.parameters.iter().enumerate() {
            let place = |what: &str| format!("parameter[{index}].{what}");
            checks.expect(!key.is_empty(), &place("key"), "\"\"", "a key of the training's configuration");
            checks.expect(
                !key.starts_with("loss."),
                &place("key"),
                key,
                "a key outside `loss`: trials are compared by their loss",
            );
            match values {
                Values::Real { low, high, scale } => {
                    let above = if *scale == Scale::Log { 0.0 } else { f64::NEG_INFINITY };
                    checks.expect(
                        low.is_finite() && high.is_finite() && low < high && *low > above,
                        &place("values.real"),
                        format!("{low} to {high}"),
                        "two finite numbers, the smaller first, above 0 on a logarithmic scale",
                    );
                }
                Values::Whole { low, high } => {
                    checks.expect(
                        low < high && high.checked_sub(*low).is_some_and(|range| range <= 1 << 40),
                        &place("values.whole"),
                        format!("{low} to {high}"),
                        "two whole numbers, the smaller first",
                    );
                }
                Values::Choice(list) => {
                    let distinct = list.iter().enumerate().all(|(i, a)| !list[..i].contains(a));
                    let is_plain =
                        |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
                    checks.expect(
                        list.len() >= 2 && distinct && list.iter().all(is_plain),
                        &place("values.choice"),
                        format!("{} values", list.len()),
                        "at least two different strings, numbers or booleans",
                    );
                }
            }
        }
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::config::segmentation::SegmentationConfig;

    const BASE: &str = "name = 's'\ntraining = 't.toml'\ntrials = 12\n";

    fn problems(parameters: &str) -> Vec<String> {
        let config: SearchConfig = toml::from_str(&format!("{BASE}{parameters}")).expect("valid TOML");
        config.problems().into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn the_searches_of_the_sea_ice_study_can_be_written() {
        let text = "
            [[parameter]]
            key = 'optimizer.learning_rate'
            values.real = { low = 1e-5, high = 1e-2, scale = 'log' }
            [[parameter]]
            key = 'training.batch_size'
            values.whole = { low = 1, high = 4 }
            [[parameter]]
            key = 'model.unet.encoder.kind'
            values.choice = ['resnet18', 'resnet34']
        ";
        assert_eq!(problems(text), [] as [&str; 0]);
    }

    #[test]
    fn ranges_without_values_are_refused_by_their_key() {
        for (values, key) in [
            ("real = { low = 1.0, high = 1.0 }", "parameter[0].values.real"),
            ("real = { low = 0.0, high = 1.0, scale = 'log' }", "parameter[0].values.real"),
            ("whole = { low = 4, high = 1 }", "parameter[0].values.whole"),
            ("choice = ['a', 'a']", "parameter[0].values.choice"),
        ] {
            assert_eq!(problems(&format!("[[parameter]]\nkey = 'k'\nvalues.{values}")), [key], "{values}");
        }
        let loss = "[[parameter]]\nkey = 'loss.dice'\nvalues.real = { low = 0.0, high = 1.0 }";
        assert_eq!(problems(loss), ["parameter[0].key"]);
        let twice = "[[parameter]]\nkey = 'k'\nvalues.choice = [1, 2]\n".repeat(2);
        assert_eq!(problems(&twice), ["parameter"]);
    }

    #[test]
    fn the_searches_that_come_with_the_program_fit_their_trainings() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(root.join("configs/search")).expect("a folder") {
            let config: SearchConfig = load(&entry.expect("an entry").path(), &[]).expect("valid");
            for Parameter { key, values } in &config.parameters {
                let value = match values {
                    Values::Real { low, .. } => low.to_string(),
                    Values::Whole { low, .. } => low.to_string(),
                    Values::Choice(list) => list[0].to_string(),
                };
                let set = format!("{key}={value}");
                load::<SegmentationConfig>(&root.join(&config.training), &[set])
                    .expect("a key of the training");
            }
            names.push(config.name);
        }
        assert_eq!(names, ["sea-ice-search"]);
    }
}
