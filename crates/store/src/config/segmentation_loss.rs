//! The loss of a segmentation: a table of weights.

use porecast_imaging::Background;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::Term;
use super::{Checks, Problem};

/// Weights of the classes in the cross-entropy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SegmentationWeights {
    /// All one.
    #[default]
    Equal,
    /// Inverse to each class's share of the training data, with a mean of one.
    Balanced,
    /// Inverse to each class's share of the batch, so that all classes present count the same.
    Dynamic,
    /// As given, one for each class.
    Given(#[schemars(inner(range(min = 0.0)))] Vec<f64>),
}

/// Pixels that the sums of an overlap loss run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// The pixels of a sample; the losses of samples are averaged.
    #[default]
    Sample,
    /// The pixels of a batch, so that samples without a class do not count as misses.
    Batch,
}

/// Weights and settings of the terms of the loss; a term of weight zero is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentationLossConfig {
    /// Weight of the cross-entropy; binary for two classes.
    #[schemars(extend("minimum" = 0.0))]
    pub cross_entropy: f64,
    /// Weight of the focal loss, a cross-entropy that counts uncertain pixels more.
    #[schemars(extend("minimum" = 0.0))]
    pub focal: f64,
    /// Weight of the Dice loss: 1 minus the overlap of prediction and truth.
    #[schemars(extend("minimum" = 0.0))]
    pub dice: f64,
    /// Weight of the Dice loss of the complement of each class.
    #[schemars(extend("minimum" = 0.0))]
    pub inverse_dice: f64,
    /// Weight of the switching loss: Dice and inverse Dice, weighted by whether the foreground or the
    /// background is rarer in the batch.
    #[schemars(extend("minimum" = 0.0))]
    pub switching: f64,
    /// Weight of the soft intersection over union.
    #[schemars(extend("minimum" = 0.0))]
    pub iou: f64,
    /// Weight of the sum of the absolute values of the network's weights.
    #[schemars(extend("minimum" = 0.0))]
    pub l1: f64,
    /// Weight of the sum of the squares of the network's weights; together with `l1`, the elastic net.
    #[schemars(extend("minimum" = 0.0))]
    pub l2: f64,
    /// Weight α of the foreground in the focal loss of two classes; the background has 1 − α.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub focal_alpha: f64,
    /// Exponent γ of the focal loss: 0, or 1 to 10.
    #[schemars(extend("minimum" = 0.0, "maximum" = 10.0))]
    pub focal_gamma: f64,
    /// Weight λ of the rarer side in the switching loss; the other side has 1 − λ.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub switching_lambda: f64,
    /// Share of the foreground in the batch above which the background is the rarer side.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub switching_threshold: f64,
    /// Weights of the classes in the cross-entropy.
    pub class_weights: SegmentationWeights,
    /// Numbers of the classes left out of focal, overlap and switching loss.
    pub excluded: Vec<usize>,
    /// Pixels that the sums of the overlap losses run over.
    pub over: Over,
    /// Grey level of the background in the target of two classes; the foreground is white, or black on
    /// a white background.
    pub background: Background,
    /// Weights of the heads, the finest first: one more than `model.unet.deep_supervision`.
    #[schemars(length(min = 1), inner(range(min = 0.0)))]
    pub levels: Vec<f64>,
}

impl Default for SegmentationLossConfig {
    fn default() -> Self {
        Self {
            cross_entropy: 0.0,
            focal: 0.0,
            dice: 0.0,
            inverse_dice: 0.0,
            switching: 0.0,
            iou: 0.0,
            l1: 0.0,
            l2: 0.0,
            focal_alpha: 0.25,
            focal_gamma: 2.0,
            switching_lambda: 0.75,
            switching_threshold: 0.5,
            class_weights: SegmentationWeights::default(),
            excluded: Vec::new(),
            over: Over::default(),
            background: Background::default(),
            levels: vec![1.0],
        }
    }
}

impl SegmentationLossConfig {
    /// All terms that compare with the target, and their weights.
    pub fn terms(&self) -> [(Term, f64); 6] {
        [
            (Term::CrossEntropy, self.cross_entropy),
            (Term::Focal, self.focal),
            (Term::Dice, self.dice),
            (Term::InverseDice, self.inverse_dice),
            (Term::Switching, self.switching),
            (Term::Iou, self.iou),
        ]
    }

    /// Every problem with the values, for a network of `heads` heads; `logits` is 1 for two
    /// classes.
    pub fn problems(&self, logits: usize, heads: usize) -> Vec<Problem> {
        let mut checks = Checks::default();
        let classes = logits.max(2);
        let weights = self.terms().map(|(term, weight)| (term.name(), weight));
        for (name, weight) in weights.into_iter().chain([("l1", self.l1), ("l2", self.l2)]) {
            checks.expect(weight.is_finite() && weight >= 0.0, name, weight, "a finite number, not negative");
        }
        checks.expect(
            weights.iter().any(|(_, weight)| *weight > 0.0),
            ".",
            "no term",
            "at least one of cross_entropy, focal, dice, inverse_dice, switching, iou above 0",
        );
        for (key, value) in [
            ("focal_alpha", self.focal_alpha),
            ("switching_lambda", self.switching_lambda),
            ("switching_threshold", self.switching_threshold),
        ] {
            checks.need((0.0..=1.0).contains(&value), key, value, "0 to 1");
        }
        // For γ between 0 and 1 the gradient at p = 1 is infinite.
        let gamma = self.focal_gamma;
        checks.need(gamma == 0.0 || (1.0..=10.0).contains(&gamma), "focal_gamma", gamma, "0, or 1 to 10");
        if let SegmentationWeights::Given(given) = &self.class_weights {
            checks.expect(
                given.len() == classes
                    && given.iter().all(|w| w.is_finite() && *w >= 0.0)
                    && given.iter().sum::<f64>() > 0.0,
                "class_weights.given",
                format!("{given:?}"),
                format!("{classes} weights, one per class, finite, not negative, not all zero"),
            );
        }
        let excluded: std::collections::HashSet<_> = self.excluded.iter().collect();
        let leaves_something = if logits == 1 { excluded.is_empty() } else { excluded.len() < classes };
        checks.expect(
            excluded.len() == self.excluded.len()
                && leaves_something
                && self.excluded.iter().all(|c| *c < classes),
            "excluded",
            format!("{:?}", self.excluded),
            if logits == 1 {
                "[] with two classes: the background is never in the overlap losses".to_owned()
            } else {
                format!("classes below {classes}, each once, not all")
            },
        );
        let is_picture = self.background != Background::Black;
        checks.expect(
            !is_picture || (logits == 1 && self.class_weights == SegmentationWeights::Equal),
            "background",
            super::shown(&self.background),
            "black; the other backgrounds need two classes with equal class weights",
        );
        checks.expect(
            self.levels.len() == heads
                && self.levels.iter().all(|w| w.is_finite() && *w >= 0.0)
                && self.levels.first().is_some_and(|w| *w > 0.0),
            "levels",
            format!("{:?}", self.levels),
            format!(
                "{heads} weights, one for each head (1 + model.unet.deep_supervision), finite, not negative, the first \
                 above 0"
            ),
        );
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, logits: usize, heads: usize) -> Vec<String> {
        let config: SegmentationLossConfig = toml::from_str(text).expect("valid TOML");
        config.problems(logits, heads).into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn the_losses_of_the_studies_can_be_written() {
        for (text, logits, heads) in [
            ("dice = 1.0\ncross_entropy = 1.0\ninverse_dice = 1.0", 1, 1),
            ("switching = 1.0\nswitching_lambda = 0.25\nswitching_threshold = 0.5", 1, 1),
            ("dice = 1.0\nfocal = 1.0\nlevels = [1.0, 0.25, 0.0625]", 1, 3),
            ("dice = 1.0\nbackground = 'grey'", 1, 1),
            ("iou = 1.0\nfocal = 1.0\nexcluded = [0]\nclass_weights = 'dynamic'\nl2 = 1e-4", 5, 1),
            ("cross_entropy = 1.0\nclass_weights = { given = [0.0, 1.0, 2.0] }\nover = 'batch'", 3, 1),
        ] {
            assert_eq!(problems(text, logits, heads), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn a_loss_without_bound_or_meaning_is_refused() {
        for (text, logits, heads, key) in [
            ("dice = -1.0\niou = 1.0", 1, 1, "dice"),
            ("dice = inf", 1, 1, "dice"),
            ("dice = 1.0\nl1 = -1e-3", 1, 1, "l1"),
            ("", 1, 1, "."),
            ("l2 = 1.0", 1, 1, "."),
            ("focal = 1.0\nfocal_gamma = 0.5", 1, 1, "focal_gamma"),
            ("focal = 1.0\nfocal_alpha = 1.5", 1, 1, "focal_alpha"),
            ("switching = 1.0\nswitching_lambda = -0.5", 1, 1, "switching_lambda"),
            ("dice = 1.0\nexcluded = [0]", 1, 1, "excluded"),
            ("dice = 1.0\nexcluded = [0, 1, 2]", 3, 1, "excluded"),
            ("dice = 1.0\nexcluded = [3]", 3, 1, "excluded"),
            ("dice = 1.0\nbackground = 'white'", 3, 1, "background"),
            ("cross_entropy = 1.0\nclass_weights = 'balanced'\nbackground = 'grey'", 1, 1, "background"),
            ("dice = 1.0\nlevels = [1.0, 0.5]", 3, 1, "levels"),
            ("dice = 1.0\nlevels = [1.0, -0.5]", 3, 2, "levels"),
            ("cross_entropy = 1.0\nclass_weights = { given = [1.0] }", 3, 1, "class_weights.given"),
        ] {
            assert_eq!(problems(text, logits, heads), [key], "{text}");
        }
    }
}
