//! Masks as grey pictures, on a background of a chosen grey.

use ndarray::Array2;
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

    /// The mask as a picture; every class but 0 is target.
    pub fn picture(self, mask: &Array2<u8>) -> Array2<f32> {
        let (background, target) = self.levels();
        mask.mapv(|class| if class == 0 { background } else { target })
    }

    /// The mask that a picture is closest to: 1 where it is nearer to the target's level than to the background's.
    pub fn mask(self, picture: &Array2<f32>) -> Array2<u8> {
        let (background, target) = self.levels();
        picture.mapv(|grey| u8::from((grey - target).abs() < (grey - background).abs()))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn pictures_on_every_background_by_hand() {
        let mask = array![[0, 1], [2, 0]];
        assert_eq!(Background::Black.picture(&mask), array![[0.0, 1.0], [1.0, 0.0]]);
        assert_eq!(Background::Grey.picture(&mask), array![[0.5, 1.0], [1.0, 0.5]]);
        assert_eq!(Background::White.picture(&mask), array![[1.0, 0.0], [0.0, 1.0]]);
    }

    #[test]
    fn a_mask_comes_back_from_its_picture_despite_noise() {
        let mask = array![[0, 1], [1, 0]];
        for background in [Background::Black, Background::Grey, Background::White] {
            assert_eq!(background.mask(&background.picture(&mask).mapv(|v| v + 0.2)), mask);
            assert_eq!(background.mask(&background.picture(&mask).mapv(|v| v - 0.2)), mask);
        }
    }
}
