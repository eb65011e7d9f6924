//! Masks with one bit per pixel, so that hundreds of domains fit in memory.

use ndarray::Array2;

/// A mask `[y, x]` with one bit per pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedMask {
    words: Vec<u64>,
    width: usize,
}

/// A mirror image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mirror {
    /// Unchanged.
    None,
    /// Upside down.
    Vertical,
    /// Left and right exchanged.
    Horizontal,
}

impl PackedMask {
    /// Packs pixels in row order.
    pub fn new(pixels: impl Iterator<Item = bool>, width: usize) -> Self {
        let mut words = Vec::new();
        for (i, pixel) in pixels.enumerate() {
            if i % 64 == 0 {
                words.push(0);
            }
            if pixel {
                words[i / 64] |= 1 << (i % 64);
            }
        }
        Self { words, width }
    }

    /// Appends the pixels as 0 and 1 to `out`.
    pub fn append_to(&self, out: &mut Vec<f32>, height: usize, mirror: Mirror) {
        let start = out.len();
        out.extend((0..height * self.width).map(|i| ((self.words[i / 64] >> (i % 64)) & 1) as f32));
        mirror.apply(&mut out[start..], self.width);
    }

    /// The mask `[y, x]`.
    pub fn image(&self, height: usize) -> Array2<bool> {
        Array2::from_shape_fn((height, self.width), |(y, x)| {
            let i = y * self.width + x;
            (self.words[i / 64] >> (i % 64)) & 1 == 1
        })
    }

    /// Number of set pixels.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

impl Mirror {
    /// Mirrors an image, stored row by row, in place.
    pub fn apply(self, image: &mut [f32], width: usize) {
        match self {
            Self::None => {}
            Self::Horizontal => image.chunks_exact_mut(width).for_each(<[f32]>::reverse),
            Self::Vertical => {
                image.reverse();
                image.chunks_exact_mut(width).for_each(<[f32]>::reverse);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mirrors_by_hand() {
        let mut out = Vec::new();
        let mask = PackedMask::new([true, false, false, false, true, true].into_iter(), 3);
        for mirror in [Mirror::None, Mirror::Horizontal, Mirror::Vertical] {
            mask.append_to(&mut out, 2, mirror);
        }
        assert_eq!(out, [1., 0., 0., 0., 1., 1., 0., 0., 1., 1., 1., 0., 0., 1., 1., 1., 0., 0.]);
        assert_eq!(mask.count(), 3);
        assert_eq!(mask.image(2), ndarray::array![[true, false, false], [false, true, true]]);
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(pixels in proptest::collection::vec(any::<bool>(), 1..300)) {
            let mut out = Vec::new();
            PackedMask::new(pixels.iter().copied(), 1).append_to(&mut out, pixels.len(), Mirror::None);
            prop_assert!(out.iter().zip(&pixels).all(|(&value, &pixel)| (value == 1.0) == pixel));
        }
    }
}
