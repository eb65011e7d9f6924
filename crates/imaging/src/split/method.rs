//! Configuration of a split.

use std::path::PathBuf;

use porecast_base::{Checks, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How samples are divided. Shares and folds count groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Method {
    /// One part for validation, one for testing, the rest for training.
    HoldOut {
        /// Share for validation.
        #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
        validation: f64,
        /// Share for testing; 0 for none.
        #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
        test: f64,
    },
    /// One part for testing; the rest in equal folds, each of which serves once for validation.
    Folds {
        /// Number of folds.
        #[schemars(range(min = 2))]
        count: usize,
        /// Share for testing; 0 for none.
        test: f64,
    },
    /// One fold per group: each group serves once for validation.
    LeaveOneGroupOut,
    /// The folds of published lists (`Fold0_train.json`, ..., `Test.json`); `bins` and `seed` are not used.
    Listed {
        /// Folder of the lists, relative to the working directory.
        folder: PathBuf,
    },
    /// All samples are for testing, for example with models that were trained on another dataset.
    TestOnly,
}

/// Configuration of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// How images are divided. Shares and folds count groups.
    pub method: Method,
    /// Groups are sorted by their mean target ratio and cut into this many bins of equal count; each
    /// part takes its share of each bin. 1 for no stratification.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub bins: usize,
    /// Seed of the shuffle within each bin.
    #[serde(default)]
    pub seed: u64,
}

fn one() -> usize {
    1
}

impl SplitConfig {
    /// Every value outside its range.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.need(self.bins > 0, "bins", self.bins, "1, 2, ... (1 means no stratification)");
        let is_share = |share: f64| (0.0..1.0).contains(&share);
        match self.method {
            Method::HoldOut { validation, test } => {
                let is_validated = is_share(validation) && validation > 0.0;
                checks.need(is_validated, "method.hold-out.validation", validation, "(0, 1)");
                checks.need(is_share(test), "method.hold-out.test", test, "[0, 1)");
                checks.expect(
                    !is_validated || !is_share(test) || validation + test < 1.0,
                    "method.hold-out",
                    format!("validation + test = {}", validation + test),
                    "less than 1, so that training images remain",
                );
            }
            Method::Folds { count, test } => {
                checks.need(count >= 2, "method.folds.count", count, "2, 3, ...");
                checks.need(is_share(test), "method.folds.test", test, "[0, 1)");
            }
            Method::LeaveOneGroupOut | Method::Listed { .. } | Method::TestOnly => {}
        }
        checks.0
    }
}
