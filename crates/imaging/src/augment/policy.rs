//! Tables of sub-policies for the auto-augmentation.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::Outside;
use super::operation::Operation::{self, *};
use crate::AnnotatedImage;

/// An operation, its probability and its level.
type Step = (Operation, f64, u8);

/// A table of 25 sub-policies. Each sample gets a randomly chosen one, whose steps are applied in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The policy found for ImageNet (arXiv 1805.09501, appendix), without its one Sharpness step, because
    /// Sharpness is not among the operations. Nine of the thirteen operations occur.
    #[default]
    Imagenet,
    /// Our own table, not found by a search. Each of the thirteen operations occurs three to five times.
    Every,
}

const IMAGENET: [&[Step]; 25] = [
    &[(Posterize, 0.4, 8), (Rotate, 0.6, 9)],
    &[(Solarize, 0.6, 5), (AutoContrast, 0.6, 5)],
    &[(Equalize, 0.8, 8), (Equalize, 0.6, 3)],
    &[(Posterize, 0.6, 7), (Posterize, 0.6, 6)],
    &[(Equalize, 0.4, 7), (Solarize, 0.2, 4)],
    &[(Equalize, 0.4, 4), (Rotate, 0.8, 8)],
    &[(Solarize, 0.6, 3), (Equalize, 0.6, 7)],
    &[(Posterize, 0.8, 5), (Equalize, 1.0, 2)],
    &[(Rotate, 0.2, 3), (Solarize, 0.6, 8)],
    &[(Equalize, 0.6, 8), (Posterize, 0.4, 6)],
    &[(Rotate, 0.8, 8), (Color, 0.4, 0)],
    &[(Rotate, 0.4, 9), (Equalize, 0.6, 2)],
    &[(Equalize, 0.0, 7), (Equalize, 0.8, 8)],
    &[(Invert, 0.6, 4), (Equalize, 1.0, 8)],
    &[(Color, 0.6, 4), (Contrast, 1.0, 8)],
    &[(Rotate, 0.8, 8), (Color, 1.0, 2)],
    &[(Color, 0.8, 8), (Solarize, 0.8, 7)],
    &[(Invert, 0.6, 8)],
    &[(ShearX, 0.6, 5), (Equalize, 1.0, 9)],
    &[(Color, 0.4, 0), (Equalize, 0.6, 3)],
    &[(Equalize, 0.4, 7), (Solarize, 0.2, 4)],
    &[(Solarize, 0.6, 5), (AutoContrast, 0.6, 5)],
    &[(Invert, 0.6, 4), (Equalize, 1.0, 8)],
    &[(Color, 0.6, 4), (Contrast, 1.0, 8)],
    &[(Equalize, 0.8, 8), (Equalize, 0.6, 3)],
];

const EVERY: [&[Step]; 25] = [
    &[(Brightness, 0.6, 4), (Rotate, 0.6, 6)],
    &[(Contrast, 0.6, 5), (TranslateX, 0.6, 3)],
    &[(Color, 0.8, 6), (ShearX, 0.6, 5)],
    &[(AutoContrast, 0.6, 0), (TranslateY, 0.6, 3)],
    &[(Equalize, 0.6, 0), (Rotate, 0.6, 9)],
    &[(Posterize, 0.6, 5), (ShearY, 0.6, 5)],
    &[(Solarize, 0.4, 2), (Color, 0.6, 4)],
    &[(Invert, 0.2, 0), (Contrast, 0.6, 4)],
    &[(Brightness, 0.6, 3), (Color, 0.8, 5)],
    &[(Rotate, 0.8, 4), (TranslateX, 0.4, 4)],
    &[(ShearX, 0.6, 7), (AutoContrast, 0.6, 0)],
    &[(ShearY, 0.6, 7), (Equalize, 0.4, 0)],
    &[(TranslateY, 0.6, 5), (Brightness, 0.6, 5)],
    &[(Contrast, 0.8, 6), (Rotate, 0.6, 3)],
    &[(Color, 0.8, 8), (Posterize, 0.4, 3)],
    &[(Equalize, 0.8, 0), (ShearX, 0.4, 3)],
    &[(AutoContrast, 0.8, 0), (Color, 0.6, 3)],
    &[(Solarize, 0.4, 3), (TranslateY, 0.4, 2)],
    &[(Invert, 0.2, 0), (AutoContrast, 0.6, 0)],
    &[(Posterize, 0.6, 7), (TranslateX, 0.6, 2)],
    &[(Brightness, 0.8, 6), (Contrast, 0.4, 3)],
    &[(Rotate, 0.8, 8), (ShearY, 0.4, 3)],
    &[(Solarize, 0.2, 5), (Brightness, 0.4, 2)],
    &[(Invert, 0.2, 0), (Equalize, 0.6, 0)],
    &[(TranslateX, 0.4, 6), (TranslateY, 0.4, 6)],
];

impl Policy {
    /// The sub-policies: operation, probability, level.
    pub fn table(self) -> &'static [&'static [(Operation, f64, u8)]; 25] {
        match self {
            Self::Imagenet => &IMAGENET,
            Self::Every => &EVERY,
        }
    }

    /// Draws a sub-policy and applies it.
    pub(super) fn apply(self, sample: &mut AnnotatedImage, outside: Outside, rng: &mut ChaCha8Rng) {
        for &(operation, probability, level) in self.table()[rng.random_range(0..25)] {
            let (occurs, reversed) = (rng.random_bool(probability), rng.random::<bool>());
            if occurs {
                operation.apply(operation.strength(level, reversed), sample, outside);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::operation::LEVELS;

    #[test]
    fn tables_hold_probabilities_levels_and_the_operations_they_promise() {
        let occurrences = |policy: Policy| {
            Operation::ALL.map(|operation| {
                policy
                    .table()
                    .iter()
                    .flat_map(|steps| steps.iter())
                    .filter(|step| step.0 == operation)
                    .count()
            })
        };
        for policy in [Policy::Imagenet, Policy::Every] {
            for &(_, probability, level) in policy.table().iter().flat_map(|steps| steps.iter()) {
                assert!((0.0..=1.0).contains(&probability) && level <= LEVELS);
            }
        }
        assert!(occurrences(Policy::Every).iter().all(|count| (3..=5).contains(count)));
        assert_eq!(occurrences(Policy::Imagenet).iter().filter(|&&count| count > 0).count(), 9);
    }
}
