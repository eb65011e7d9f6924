//! The loss: a table of weights.

use serde::{Deserialize, Serialize};

use super::train::Head;
use super::{Checks, Problem};

/// Weights of the classes solid, defending, invading.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// All one.
    #[default]
    Equal,
    /// Inverse to their share in the training data, mean one.
    Balanced,
    /// As given.
    Given([f64; 3]),
}

/// Weights of the terms of the loss; a term of weight zero is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Mean squared error of the invasion probability.
    pub mse: f64,
    /// Binary cross-entropy (regression head).
    pub bce: f64,
    /// Cross-entropy over the three classes (multi-class head).
    pub cross_entropy: f64,
    /// Dice loss.
    pub dice: f64,
    /// Soft intersection over union.
    pub iou: f64,
    /// Volume difference of the thresholded mask, as published: it has no gradient.
    pub volume_hard: f64,
    /// Volume difference of the probabilities.
    pub volume_soft: f64,
    /// Weights of the classes in the cross-entropy.
    pub class_weights: ClassWeights,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            mse: 0.0,
            bce: 0.0,
            cross_entropy: 0.0,
            dice: 0.0,
            iou: 0.0,
            volume_hard: 0.0,
            volume_soft: 0.0,
            class_weights: ClassWeights::Equal,
        }
    }
}

impl LossConfig {
    /// Names and weights of all terms.
    pub fn terms(&self) -> [(&'static str, f64); 7] {
        [
            ("mse", self.mse),
            ("bce", self.bce),
            ("cross_entropy", self.cross_entropy),
            ("dice", self.dice),
            ("iou", self.iou),
            ("volume_hard", self.volume_hard),
            ("volume_soft", self.volume_soft),
        ]
    }

    /// Every problem with the values, for a network with this head.
    pub(super) fn problems(&self, head: Head) -> Vec<Problem> {
        let mut checks = Checks::default();
        for (name, weight) in self.terms() {
            checks.need(weight.is_finite() && weight >= 0.0, name, weight, "finite and not negative");
        }
        match head {
            Head::Regression => checks.need(
                self.cross_entropy == 0.0,
                "cross_entropy",
                self.cross_entropy,
                "0 with head = \"regression\" (use bce or mse)",
            ),
            Head::MultiClass => checks.need(
                self.bce == 0.0,
                "bce",
                self.bce,
                "0 with head = \"multi-class\" (use cross_entropy)",
            ),
        };
        if let ClassWeights::Given(weights) = &self.class_weights {
            checks.need(
                weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().sum::<f64>() > 0.0,
                "class_weights.given",
                format!("{weights:?}"),
                "three weights, finite, not negative, not all zero",
            );
        }
        checks.0
    }

    /// Whether some term has a gradient.
    pub(super) fn can_be_learnt(&self) -> bool {
        self.terms().iter().any(|(name, weight)| *name != "volume_hard" && *weight > 0.0)
    }
}
