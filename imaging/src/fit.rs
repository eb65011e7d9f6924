//! Bringing images to the size that a network takes, and what it says about them back to theirs.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How an image was resized and then padded; each `(height, width)` or `(top, left)`.
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

    /// Padded, half on each side, to the next multiples.
    pub fn padded(original: (usize, usize), multiple: usize) -> Self {
        Self::resized(original, original).pad(multiple)
    }

    /// Padded after resizing, half on each side, to the next multiples.
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
    /// The image has not the original shape.
    pub fn apply(&self, image: ArrayView3<'_, f32>, value: f32) -> Array3<f32> {
        let (channels, height, width) = image.dim();
        assert_eq!((height, width), self.original, "the image has the shape that the fit was made for");
        let mut fitted = Array3::from_elem((channels, self.shape.0, self.shape.1), value);
        let (rows, columns) = self.inner();
        fitted.slice_mut(s![.., rows, columns]).assign(&resize(image, self.resized));
        fitted
    }

    /// Resizes by the nearest pixel and pads with `class`. `[y, x]`.
    ///
    /// # Panics
    /// The mask has not the original shape.
    pub fn apply_to_mask(&self, mask: ArrayView2<'_, u8>, class: u8) -> Array2<u8> {
        assert_eq!(mask.dim(), self.original, "the mask has the shape that the fit was made for");
        let mut fitted = Array2::from_elem(self.shape, class);
        let (rows, columns) = self.inner();
        fitted.slice_mut(s![rows, columns]).assign(&resize_mask(mask, self.resized));
        fitted
    }

    /// Takes the padding off and resizes to the original shape. `[channel, y, x]`.
    ///
    /// # Panics
    /// The image has not the fitted shape.
    pub fn undo(&self, image: ArrayView3<'_, f32>) -> Array3<f32> {
        assert_eq!((image.dim().1, image.dim().2), self.shape, "the image has the fitted shape");
        let (rows, columns) = self.inner();
        resize(image.slice(s![.., rows, columns]), self.original)
    }

    /// Takes the padding off and resizes to the original shape by the nearest pixel. `[y, x]`.
    ///
    /// # Panics
    /// The mask has not the fitted shape.
    pub fn undo_mask(&self, mask: ArrayView2<'_, u8>) -> Array2<u8> {
        assert_eq!(mask.dim(), self.shape, "the mask has the fitted shape");
        let (rows, columns) = self.inner();
        resize_mask(mask.slice(s![rows, columns]), self.original)
    }

    fn inner(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let ((top, left), (height, width)) = (self.padding, self.resized);
        (top..top + height, left..left + width)
    }
}

/// Resizes `[channel, y, x]` to (height, width): linearly between pixel centres; over a triangle as wide as the step
/// where it becomes smaller, so that nothing falls between the samples.
pub fn resize(image: ArrayView3<'_, f32>, (height, width): (usize, usize)) -> Array3<f32> {
    let (channels, old_height, old_width) = image.dim();
    if (old_height, old_width) == (height, width) {
        return image.to_owned();
    }
    let (vertical, horizontal) = (weights(old_height, height), weights(old_width, width));
    let mut result = Array3::zeros((channels, height, width));
    let rows: Vec<_> = result.rows_mut().into_iter().enumerate().collect();
    rows.into_par_iter().for_each(|(row, mut values)| {
        let (channel, y) = (row / height, row % height);
        let mut line = vec![0.0f32; old_width];
        for &(v, weight) in &vertical[y] {
            for (sum, value) in line.iter_mut().zip(image.slice(s![channel, v, ..])) {
                *sum += weight * value;
            }
        }
        for (value, weights) in values.iter_mut().zip(&horizontal) {
            *value = weights.iter().map(|&(u, weight)| weight * line[u]).sum();
        }
    });
    result
}

/// Resizes a mask `[y, x]` to (height, width) by the nearest pixel.
pub fn resize_mask(mask: ArrayView2<'_, u8>, (height, width): (usize, usize)) -> Array2<u8> {
    let (old_height, old_width) = mask.dim();
    let nearest = |i: usize, new: usize, old: usize| (2 * i + 1) * old / (2 * new);
    Array2::from_shape_fn((height, width), |(y, x)| {
        mask[[nearest(y, height, old_height), nearest(x, width, old_width)]]
    })
}

/// For each new pixel along a line, the old ones with their shares.
fn weights(old: usize, new: usize) -> Vec<Vec<(usize, f32)>> {
    let step = old as f64 / new as f64;
    let reach = step.max(1.0);
    (0..new)
        .map(|i| {
            let centre = (i as f64 + 0.5) * step - 0.5;
            let from = (centre - reach).ceil() as i64;
            let to = (centre + reach).floor() as i64;
            let mut found: Vec<(usize, f64)> = Vec::new();
            for j in from..=to {
                let weight = 1.0 - (centre - j as f64).abs() / reach;
                // What lies beyond the edge takes the value at the edge when enlarging, and is left out otherwise.
                let inside = j.clamp(0, old as i64 - 1);
                if weight > 0.0 && (inside == j || step <= 1.0) {
                    found.push((inside as usize, weight));
                }
            }
            let sum: f64 = found.iter().map(|(_, weight)| weight).sum();
            found.into_iter().map(|(j, weight)| (j, (weight / sum) as f32)).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn resizing_by_hand() {
        let line = array![[[0.0f32, 1.0, 0.0, 0.0]]];
        let twice = resize(line.view(), (1, 8));
        assert_eq!(twice, array![[[0.0, 0.25, 0.75, 0.75, 0.25, 0.0, 0.0, 0.0]]]);
        let half = resize(array![[[0.0f32, 0.0, 8.0, 8.0, 8.0, 8.0]]].view(), (1, 3));
        assert_eq!(half, array![[[8.0 / 7.0, 7.0, 8.0]]]);
        assert_eq!(
            resize_mask(array![[1, 2, 3]].view(), (2, 6)),
            array![[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]]
        );
    }

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
