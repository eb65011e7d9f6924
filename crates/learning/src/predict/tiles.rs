//! Overlapping tiles whose weights add up to one, so that domains of any size are predicted in
//! bounded memory.

use ndarray::{ArrayView3, ArrayViewMut3, s};

/// Overlapping tiles that cover an image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tiles {
    rows: Vec<Span>,
    columns: Vec<Span>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Tile<'a> {
    rows: &'a Span,
    columns: &'a Span,
}

/// Position of a tile along an axis.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    start: usize,
    /// Weight of each pixel; those of all spans add up to one at every pixel of the axis.
    weights: Vec<f32>,
}

impl Tiles {
    /// Covers an image of the given height and width with tiles whose edges have at most `edge`
    /// pixels.
    pub(super) fn cover((height, width): (usize, usize), edge: usize) -> Self {
        Self { rows: spans(height, edge), columns: spans(width, edge) }
    }

    /// The tiles, row by row.
    pub(super) fn iter(&self) -> impl Iterator<Item = Tile<'_>> {
        self.rows.iter().flat_map(|rows| self.columns.iter().map(move |columns| Tile { rows, columns }))
    }
}

impl Tile<'_> {
    /// Height and width in pixels.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.rows.weights.len(), self.columns.weights.len())
    }

    /// The tile's part of an image `[channel, y, x]`.
    pub(super) fn of<'b>(&self, image: ArrayView3<'b, f32>) -> ArrayView3<'b, f32> {
        let ((top, left), (height, width)) = ((self.rows.start, self.columns.start), self.shape());
        image.slice_move(s![.., top..top + height, left..left + width])
    }

    /// Adds the prediction for the tile to the whole, weighted along both axes.
    ///
    /// # Shapes
    /// Both `[plane, y, x]`, `whole` of the image's height and width.
    pub(super) fn blend(&self, mut whole: ArrayViewMut3<'_, f32>, predicted: ArrayView3<'_, f32>) {
        let (rows, columns) = (self.rows, self.columns);
        for (mut whole, predicted) in whole.outer_iter_mut().zip(predicted.outer_iter()) {
            for (i, row) in predicted.outer_iter().enumerate() {
                for (j, value) in row.iter().enumerate() {
                    let weight = rows.weights[i] * columns.weights[j];
                    whole[[rows.start + i, columns.start + j]] += weight * value;
                }
            }
        }
    }
}

/// Covers `length` pixels with spans of at most `edge` pixels that overlap by an eighth of `edge`
/// or more.
fn spans(length: usize, edge: usize) -> Vec<Span> {
    let edge = edge.clamp(1, length.max(1));
    let stride = edge - edge / 8;
    let count = 1 + (length - edge).div_ceil(stride.max(1));
    let starts: Vec<usize> = match count {
        1 => vec![0],
        // Spread evenly: the last tile ends with the axis.
        _ => (0..count).map(|i| i * (length - edge) / (count - 1)).collect(),
    };
    // Ramps over an eighth of the edge at both ends, flat in between; then normalised.
    let tent = |i: usize| (i.min(edge - 1 - i) + 1).min(edge / 8 + 1) as f32;
    let mut total = vec![0.0f32; length];
    for start in &starts {
        (0..edge).for_each(|i| total[start + i] += tent(i));
    }
    let weights = |start: usize| (0..edge).map(|i| tent(i) / total[start + i]).collect();
    starts.iter().map(|&start| Span { start, weights: weights(start) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blending_tiles_of_an_image_gives_the_image(h in 1usize..60, w in 1usize..60, edge in 1usize..40) {
            let image = Array3::from_shape_fn((2, h, w), |(t, y, x)| ((t * 7 + y * 3 + x * 5) % 11) as f32 / 11.0);
            let mut whole = Array3::zeros((2, h, w));
            for tile in Tiles::cover((h, w), edge).iter() {
                tile.blend(whole.view_mut(), tile.of(image.view()));
            }
            prop_assert!((&whole - &image).iter().all(|error| error.abs() < 1e-5));
        }
    }

    #[test]
    fn a_short_axis_is_one_tile() {
        assert_eq!(spans(100, 512), [Span { start: 0, weights: vec![1.0; 100] }]);
    }
}
