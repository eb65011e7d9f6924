//! Resizes and pads images to the input size of a network, and maps its output back to the original size.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};
use serde::{Deserialize, Serialize};

use crate::resize::{resize_image, resize_mask};

/// How an image was resized and then padded. Pairs are `(height, width)` or `(top, left)`.
///
/// ```
/// use ndarray::Array3;
/// use porecast_imaging::fit::Fit;
///
/// let fit = Fit::padded((942, 1716), 32);
/// assert_eq!(fit.shape(), (960, 1728));
/// let image = Array3::from_elem((3, 942, 1716), 0.5);
/// assert_eq!(fit.undo(fit.apply(image.view(), 0.0).view()), image);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    original: (usize, usize),
    resized: (usize, usize),
    padding: (usize, usize),
    shape: (usize, usize),
}

impl Fit {
    /// Resized to exactly this shape.
    pub fn resized(original: (usize, usize), to: (usize, usize)) -> Self {
        Self { original, resized: to, padding: (0, 0), shape: to }
    }

    /// Padded, half on each side, to the next multiples of `multiple`.
    pub fn padded(original: (usize, usize), multiple: usize) -> Self {
        Self::resized(original, original).pad(multiple)
    }

    /// Adds padding after the resize, half on each side, to the next multiples of `multiple`.
    pub fn pad(self, multiple: usize) -> Self {
        let next = |side: usize| side.max(1).next_multiple_of(multiple.max(1));
        let shape = (next(self.resized.0), next(self.resized.1));
        Self { padding: ((shape.0 - self.resized.0) / 2, (shape.1 - self.resized.1) / 2), shape, ..self }
    }

    /// Height and width after resizing and padding.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Resizes bilinearly and pads with `value`. `[channel, y, x]`.
    ///
    /// # Panics
    /// If the image does not have the original shape.
    pub fn apply(&self, image: ArrayView3<'_, f32>, value: f32) -> Array3<f32> {
        let (channels, height, width) = image.dim();
        assert_eq!((height, width), self.original, "the image has the shape that the fit was made for");
        let mut fitted = Array3::from_elem((channels, self.shape.0, self.shape.1), value);
        let (rows, columns) = self.inner();
        fitted.slice_mut(s![.., rows, columns]).assign(&resize_image(&image.to_owned(), self.resized));
        fitted
    }

    /// Resizes by nearest neighbour and pads with `class`. `[y, x]`.
    ///
    /// # Panics
    /// If the mask does not have the original shape.
    pub fn apply_to_mask(&self, mask: ArrayView2<'_, u8>, class: u8) -> Array2<u8> {
        assert_eq!(mask.dim(), self.original, "the mask has the shape that the fit was made for");
        let mut fitted = Array2::from_elem(self.shape, class);
        let (rows, columns) = self.inner();
        fitted.slice_mut(s![rows, columns]).assign(&resize_mask(&mask.to_owned(), self.resized));
        fitted
    }

    /// Removes the padding and resizes to the original shape. `[channel, y, x]`.
    ///
    /// # Panics
    /// If the image does not have the fitted shape.
    pub fn undo(&self, image: ArrayView3<'_, f32>) -> Array3<f32> {
        assert_eq!((image.dim().1, image.dim().2), self.shape, "the image has the fitted shape");
        let (rows, columns) = self.inner();
        resize_image(&image.slice(s![.., rows, columns]).to_owned(), self.original)
    }

    /// Removes the padding and resizes to the original shape by nearest neighbour. `[y, x]`.
    ///
    /// # Panics
    /// If the mask does not have the fitted shape.
    pub fn undo_mask(&self, mask: ArrayView2<'_, u8>) -> Array2<u8> {
        assert_eq!(mask.dim(), self.shape, "the mask has the fitted shape");
        let (rows, columns) = self.inner();
        resize_mask(&mask.slice(s![rows, columns]).to_owned(), self.original)
    }

    fn inner(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let ((top, left), (height, width)) = (self.padding, self.resized);
        (top..top + height, left..left + width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_histology_study_is_padded_as_its_authors_did() {
        let fit = Fit::padded((942, 1716), 32);
        assert_eq!((fit.shape, fit.padding), ((960, 1728), (9, 6)));
    }

    proptest! {
        #[test]
        fn padding_is_undone_exactly(height in 1usize..40, width in 1usize..40, multiple in 1usize..17) {
            let fit = Fit::padded((height, width), multiple);
            let image = Array3::from_shape_fn((2, height, width), |(c, y, x)| ((c + 3 * y + 7 * x) % 13) as f32);
            let mask = Array2::from_shape_fn((height, width), |(y, x)| ((3 * y + 7 * x) % 13) as u8);
            prop_assert_eq!(fit.shape().0 % multiple + fit.shape().1 % multiple, 0);
            prop_assert_eq!(fit.undo(fit.apply(image.view(), 9.0).view()), image);
            prop_assert_eq!(fit.undo_mask(fit.apply_to_mask(mask.view(), 9).view()), mask);
        }

        #[test]
        fn even_images_stay_even_and_shapes_return(
            height in 1usize..30, width in 1usize..30, to_height in 1usize..30, to_width in 1usize..30,
        ) {
            let fit = Fit::resized((height, width), (to_height, to_width)).pad(8);
            let image = Array3::from_elem((1, height, width), 0.3f32);
            let fitted = fit.apply(image.view(), 0.3);
            prop_assert!(fitted.iter().all(|v| (v - 0.3).abs() < 1e-5));
            let back = fit.undo(fitted.view());
            prop_assert_eq!(back.dim(), image.dim());
            prop_assert!(back.iter().all(|v| (v - 0.3).abs() < 1e-5));
            let mask = Array2::from_elem((height, width), 4);
            prop_assert_eq!(fit.undo_mask(fit.apply_to_mask(mask.view(), 0).view()), mask);
        }

        #[test]
        fn a_mask_enlarged_by_a_whole_factor_returns(height in 1usize..12, width in 1usize..12, factor in 1usize..5) {
            let mask = Array2::from_shape_fn((height, width), |(y, x)| ((5 * y + 3 * x) % 4) as u8);
            let fit = Fit::resized((height, width), (height * factor, width * factor));
            prop_assert_eq!(fit.undo_mask(fit.apply_to_mask(mask.view(), 0).view()), mask);
        }
    }
}
