//! Masks as grey images, with a configurable background.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Grey level of the background in a mask that is a regression target.
///
/// The target is white on black and grey backgrounds and black on a white one, where the loss sees the
/// background as foreground. On black, the grey image equals the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    /// Background 0, target 1.
    #[default]
    Black,
    /// Background 0.5, target 1.
    Grey,
    /// Background 1, target 0.
    White,
}

impl Background {
    /// Grey levels of background and target.
    pub fn levels(self) -> (f32, f32) {
        match self {
            Self::Black => (0.0, 1.0),
            Self::Grey => (0.5, 1.0),
            Self::White => (1.0, 0.0),
        }
    }

    /// Position of a grey level between background (0) and target (1). For the output of a network, this is
    /// the probability of the target.
    pub fn foreground(self, grey: f32) -> f32 {
        let (background, target) = self.levels();
        ((grey - background) / (target - background)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_become_probabilities_by_hand() {
        let of = |background: Background| [0.0, 0.25, 0.5, 0.75, 1.0].map(|grey| background.foreground(grey));
        assert_eq!(of(Background::Black), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(of(Background::Grey), [0.0, 0.0, 0.0, 0.5, 1.0]);
        assert_eq!(of(Background::White), [1.0, 0.75, 0.5, 0.25, 0.0]);
    }
}
