//! Rectangular crops of images, at a fixed or a random place.

use ndarray::{ArrayView2, s};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A rectangle of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// First row.
    pub y: usize,
    /// First column.
    pub x: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Crop {
    /// A rectangle of this height and width at a uniformly random place in an image of `shape` (height,
    /// width).
    ///
    /// # Errors
    /// The image is smaller than the rectangle.
    pub fn random(
        shape: (usize, usize),
        (height, width): (usize, usize),
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let smallest = Self { y: 0, x: 0, height, width };
        smallest.check(shape)?;
        let y = rng.random_range(0..=shape.0 - height);
        let x = rng.random_range(0..=shape.1 - width);
        Ok(Self { y, x, ..smallest })
    }

    /// This part of an image `[y, x]`.
    ///
    /// # Errors
    /// The rectangle is empty or reaches beyond the image.
    pub fn of<'a, T>(&self, image: ArrayView2<'a, T>) -> Result<ArrayView2<'a, T>> {
        self.check(image.dim())?;
        Ok(image.slice_move(s![self.y..self.y + self.height, self.x..self.x + self.width]))
    }

    fn check(&self, (height, width): (usize, usize)) -> Result<()> {
        let fits = |start: usize, size: usize, limit: usize| {
            size > 0 && start.checked_add(size).is_some_and(|end| end <= limit)
        };
        if fits(self.y, self.height, height) && fits(self.x, self.width, width) {
            return Ok(());
        }
        Err(Error::simulation(format!(
            "a crop of {} x {} at row {}, column {} does not fit an image of {height} x {width} (height, width)",
            self.height, self.width, self.y, self.x
        )))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn crops_stay_inside_the_image() {
        let image = Array2::from_shape_fn((9, 7), |(y, x)| (10 * y + x) as u8);
        let crop = Crop { y: 2, x: 3, height: 2, width: 2 };
        assert_eq!(crop.of(image.view()).unwrap(), array![[23, 24], [33, 34]]);
        assert!(Crop { y: 8, ..crop }.of(image.view()).is_err());
        assert!(Crop { height: usize::MAX, ..crop }.of(image.view()).is_err());
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        for _ in 0..50 {
            Crop::random((9, 7), (4, 7), &mut rng).unwrap().of(image.view()).unwrap();
        }
        assert!(Crop::random((9, 7), (10, 7), &mut rng).is_err());
    }
}
