//! Masks as grey pictures, on a background of a chosen grey.

use serde::{Deserialize, Serialize};

/// Grey of the background in a mask that is trained on as a picture.
///
/// The target is white, save on a white background, where it is black: there the background is what a loss sees as
/// foreground. On black the picture is the mask itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

    /// How far towards the target a grey is, 0 to 1: the probability of the target where the grey is what a network
    /// drew.
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
