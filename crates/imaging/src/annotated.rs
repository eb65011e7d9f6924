//! An image and its annotation.

use ndarray::{Array2, Array3};

/// An image and, if it was annotated, its mask.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotatedImage {
    /// Name within the dataset, stable from run to run.
    pub id: String,
    /// Group that a split must not divide: a patient, or the image itself.
    pub group: String,
    /// Values in [0, 1], `[channel, y, x]`.
    pub image: Array3<f32>,
    /// Class of each pixel `[y, x]`; 0 is the background.
    pub mask: Option<Array2<u8>>,
    /// Height and width before resizing.
    pub original_shape: (usize, usize),
    /// Height and width of a pixel of the original in millimetres, if the file gives them.
    pub spacing_mm: Option<(f64, f64)>,
}

impl AnnotatedImage {
    /// Height and width.
    pub fn shape(&self) -> (usize, usize) {
        let (_, height, width) = self.image.dim();
        (height, width)
    }

    /// Fraction of pixels that are not background; `None` if there is no mask.
    pub fn target_ratio(&self) -> Option<f64> {
        let mask = self.mask.as_ref()?;
        Some(mask.iter().filter(|&&class| class != 0).count() as f64 / mask.len().max(1) as f64)
    }
}
