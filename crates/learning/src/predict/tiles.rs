//! Overlapping tiles whose weights add up to one, so that domains of any size are predicted in bounded memory.

use ndarray::{Array1, ArrayView3, ArrayViewMut3};

/// Tiles along one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tiles {
    /// Pixels of each tile.
    pub edge: usize,
    /// First pixel of each tile.
    pub starts: Vec<usize>,
    /// Weight of each pixel of each tile; over all tiles they add up to one at every pixel of the axis.
    pub weights: Vec<Array1<f32>>,
}

impl Tiles {
    /// Covers `length` pixels with tiles of at most `edge` that overlap by an eighth of it or more.
    pub fn cover(length: usize, edge: usize) -> Self {
        let edge = edge.clamp(1, length.max(1));
        let stride = edge - edge / 8;
        let count = 1 + (length - edge).div_ceil(stride.max(1));
        let starts: Vec<usize> = match count {
            1 => vec![0],
            // Spread evenly: the last tile ends with the axis.
            _ => (0..count).map(|i| i * (length - edge) / (count - 1)).collect(),
        };
        // A tent, cut off so that it is flat where no other tile reaches; then normalised.
        let tent = |i: usize| (i.min(edge - 1 - i) + 1).min(edge / 8 + 1) as f32;
        let mut total = Array1::<f32>::zeros(length);
        for start in &starts {
            (0..edge).for_each(|i| total[start + i] += tent(i));
        }
        let weights =
            starts.iter().map(|start| (0..edge).map(|i| tent(i) / total[start + i]).collect()).collect();
        Self { edge, starts, weights }
    }
}

/// Adds a tile to the whole, weighted along both axes.
///
/// # Shapes
/// Both `[time, y, x]`; `y` and `x` are the numbers of the tile along the axes.
pub fn blend(
    whole: &mut ArrayViewMut3<'_, f32>,
    tile: ArrayView3<'_, f32>,
    rows: &Tiles,
    y: usize,
    columns: &Tiles,
    x: usize,
) {
    for (mut out, tile) in whole.outer_iter_mut().zip(tile.outer_iter()) {
        for (i, row) in tile.outer_iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                let weight = rows.weights[y][i] * columns.weights[x][j];
                out[[rows.starts[y] + i, columns.starts[x] + j]] += weight * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, s};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blending_tiles_of_an_image_gives_the_image(h in 1usize..60, w in 1usize..60, edge in 1usize..40) {
            let image = Array3::from_shape_fn((2, h, w), |(t, y, x)| ((t * 7 + y * 3 + x * 5) % 11) as f32 / 11.0);
            let (rows, columns) = (Tiles::cover(h, edge), Tiles::cover(w, edge));
            let mut whole = Array3::zeros((2, h, w));
            for (y, &top) in rows.starts.iter().enumerate() {
                for (x, &left) in columns.starts.iter().enumerate() {
                    let tile = image.slice(s![.., top..top + rows.edge, left..left + columns.edge]);
                    blend(&mut whole.view_mut(), tile, &rows, y, &columns, x);
                }
            }
            prop_assert!((&whole - &image).iter().all(|error| error.abs() < 1e-5));
        }
    }

    #[test]
    fn a_short_axis_is_one_tile() {
        let tiles = Tiles::cover(100, 512);
        assert_eq!((tiles.edge, tiles.starts, tiles.weights[0].sum()), (100, vec![0], 100.0));
    }
}
