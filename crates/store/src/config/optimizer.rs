//! The optimiser and its learning rate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checks, Problem};

/// Optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    #[default]
    Adamw,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// Settings of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Algorithm that changes the weights from their gradients.
    pub algorithm: Algorithm,
    /// Highest learning rate: how far a step changes the weights. The schedule scales it.
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 10.0))]
    pub learning_rate: f64,
    /// How strongly each step pulls the weights towards zero; 0 for not at all.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub weight_decay: f64,
    /// Share of the last step that `sgd` repeats; the other algorithms ignore it.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub momentum: f64,
    /// Largest Euclidean norm of all gradients together; a larger gradient is scaled down to it. 0 for
    /// no clipping.
    #[schemars(extend("minimum" = 0.0))]
    pub clip_norm: f64,
    /// Decay per step of a moving average of the weights; the average is validated and saved instead of
    /// the weights. 0 for no average.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub ema: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            learning_rate: 1e-3,
            weight_decay: 1e-4,
            momentum: 0.9,
            clip_norm: 1.0,
            ema: 0.0,
        }
    }
}

/// Shape of the learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleShape {
    /// Does not change.
    Constant,
    /// Half a cosine down to `final_fraction` at the last step.
    #[default]
    Cosine,
    /// Multiplied by `factor` every `every_epochs`.
    Step,
    /// Multiplied by `factor` when the validation loss has not fallen for `patience` epochs.
    Plateau,
}

/// How the learning rate changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// How the learning rate changes over the training.
    pub shape: ScheduleShape,
    /// Optimiser steps over which the learning rate rises linearly from zero.
    pub warmup_steps: usize,
    /// Lowest learning rate divided by the highest.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub final_fraction: f64,
    /// Factor by which `step` and `plateau` lower the learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub factor: f64,
    /// Epochs between two drops of `step`.
    #[schemars(range(min = 1))]
    pub every_epochs: usize,
    /// Epochs without a lower validation loss after which `plateau` drops.
    pub patience: usize,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            shape: ScheduleShape::default(),
            warmup_steps: 0,
            final_fraction: 0.01,
            factor: 0.5,
            every_epochs: 10,
            patience: 3,
        }
    }
}

impl OptimizerConfig {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        let rate = self.learning_rate;
        checks.need(rate > 0.0 && rate <= 10.0, "learning_rate", rate, "(0, 10]");
        checks.below_one("weight_decay", self.weight_decay);
        checks.below_one("momentum", self.momentum);
        checks.below_one("ema", self.ema);
        let norm = self.clip_norm;
        checks.expect(norm.is_finite() && norm >= 0.0, "clip_norm", norm, "a finite number, not negative");
        checks.0
    }
}

impl ScheduleConfig {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        let fraction = self.final_fraction;
        checks.need((0.0..=1.0).contains(&fraction), "final_fraction", fraction, "[0, 1]");
        checks.need(self.factor > 0.0 && self.factor < 1.0, "factor", self.factor, "(0, 1)");
        checks.expect(self.every_epochs > 0, "every_epochs", self.every_epochs, "at least 1");
        checks.0
    }
}
