//! The loss of an invasion as a table of weights, and the terms of all losses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::train::Head;
use super::{Checks, Problem};

/// Weights of the classes solid, defending, invading.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// All one.
    #[default]
    Equal,
    /// Inverse to each class's share of the training data, with a mean of one.
    Balanced,
    /// As given.
    Given(#[schemars(inner(range(min = 0.0)))] [f64; 3]),
}

/// A term of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Mean squared error.
    SquaredError,
    /// Binary cross-entropy, a mean over samples.
    BinaryCrossEntropy,
    /// Cross-entropy.
    CrossEntropy,
    /// Focal loss.
    Focal,
    /// Dice loss.
    Dice,
    /// Dice loss of the complement of each class.
    InverseDice,
    /// Switching loss.
    Switching,
    /// Soft intersection over union.
    Iou,
    /// Volume difference of the thresholded mask.
    VolumeHard,
    /// Volume difference of the probabilities.
    VolumeSoft,
}

impl Term {
    /// Key of the term in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::SquaredError => "mse",
            Self::BinaryCrossEntropy => "bce",
            Self::CrossEntropy => "cross_entropy",
            Self::Focal => "focal",
            Self::Dice => "dice",
            Self::InverseDice => "inverse_dice",
            Self::Switching => "switching",
            Self::Iou => "iou",
            Self::VolumeHard => "volume_hard",
            Self::VolumeSoft => "volume_soft",
        }
    }
}

/// Weights of the terms of the loss; a term of weight zero is left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Weight of the mean squared error of the invasion probability.
    #[schemars(extend("minimum" = 0.0))]
    pub mse: f64,
    /// Weight of the binary cross-entropy; needs `head = "regression"`.
    #[schemars(extend("minimum" = 0.0))]
    pub bce: f64,
    /// Weight of the cross-entropy over the three classes; needs `head = "multi-class"`.
    #[schemars(extend("minimum" = 0.0))]
    pub cross_entropy: f64,
    /// Weight of the Dice loss: 1 minus the overlap of prediction and truth.
    #[schemars(extend("minimum" = 0.0))]
    pub dice: f64,
    /// Weight of the soft intersection over union.
    #[schemars(extend("minimum" = 0.0))]
    pub iou: f64,
    /// Weight of the volume difference of the thresholded mask, as published; it has no gradient.
    #[schemars(extend("minimum" = 0.0))]
    pub volume_hard: f64,
    /// Weight of the volume difference of the probabilities.
    #[schemars(extend("minimum" = 0.0))]
    pub volume_soft: f64,
    /// Weights of the classes solid, defending, invading in the cross-entropy.
    pub class_weights: ClassWeights,
}

impl LossConfig {
    /// All terms and their weights.
    pub fn terms(&self) -> [(Term, f64); 7] {
        [
            (Term::SquaredError, self.mse),
            (Term::BinaryCrossEntropy, self.bce),
            (Term::CrossEntropy, self.cross_entropy),
            (Term::Dice, self.dice),
            (Term::Iou, self.iou),
            (Term::VolumeHard, self.volume_hard),
            (Term::VolumeSoft, self.volume_soft),
        ]
    }

    /// Every problem with the values, for a network with this head.
    pub(super) fn problems(&self, head: Head) -> Vec<Problem> {
        let mut checks = Checks::default();
        for (term, weight) in self.terms() {
            checks.expect(
                weight.is_finite() && weight >= 0.0,
                term.name(),
                weight,
                "a finite number, not negative",
            );
        }
        match head {
            Head::Regression => checks.expect(
                self.cross_entropy == 0.0,
                "cross_entropy",
                self.cross_entropy,
                "0 with head = \"regression\" (use bce or mse)",
            ),
            Head::MultiClass => checks.expect(
                self.bce == 0.0,
                "bce",
                self.bce,
                "0 with head = \"multi-class\" (use cross_entropy)",
            ),
        }
        if let ClassWeights::Given(weights) = &self.class_weights {
            checks.expect(
                weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().sum::<f64>() > 0.0,
                "class_weights.given",
                format!("{weights:?}"),
                "three weights, finite, not negative, not all zero",
            );
        }
        checks.0
    }

    /// Whether a term with a gradient has a weight above zero.
    pub(super) fn can_be_learnt(&self) -> bool {
        self.terms().iter().any(|(term, weight)| *term != Term::VolumeHard && *weight > 0.0)
    }
}
